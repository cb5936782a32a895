"""Which partition a key belongs to: the hash that every Kafka client uses by default."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def key_hash(key: bytes) -> int:
    """Return the non-negative murmur2 hash of *key*; a session's key returns with each of its events, hence the cache."""
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of *key* among *partitions*, as Kafka's default partitioner does for non-empty keys."""
    return key_hash(key) % partitions


def shard_partitions(index: int, shards: int, partitions: int) -> frozenset[int]:
    """Return the partition numbers that instance *index* of *shards* owns when nobody joins a group."""
    return frozenset(range(index, partitions, shards))


def range_partitions(index: int, members: int, partitions: int) -> frozenset[int]:
    """Return the partition numbers that Kafka's range assignor gives to member *index* of *members*."""
    size, extra = divmod(partitions, members)
    start = index * size + min(index, extra)
    return frozenset(range(start, start + size + (index < extra)))
