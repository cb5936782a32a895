"""Keys fall where Kafka's own clients put them, and every partition has one owner."""

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from libs.kafka.partitioning import partition_of, range_partitions, shard_partitions


@given(st.binary(min_size=1, max_size=60), st.integers(1, 50))
def test_a_key_falls_where_the_default_partitioner_puts_it(key, partitions):
    everywhere = list(range(partitions))
    assert DefaultPartitioner()(key, everywhere, everywhere) == partition_of(key, partitions)


@given(st.integers(1, 12), st.integers(1, 40))
def test_shards_own_each_partition_once(shards, partitions):
    owned = [partition for index in range(shards) for partition in shard_partitions(index, shards, partitions)]
    assert list(range(partitions)) == sorted(owned)


class Cluster:
    def __init__(self, partitions):
        self._partitions = partitions

    def partitions_for_topic(self, _topic):
        return set(range(self._partitions))


@given(st.integers(1, 12), st.integers(1, 40))
def test_members_get_what_the_range_assignor_gives_them(members, partitions):
    metadata = ConsumerProtocolMemberMetadata(0, ["t"], b"")
    assigned = RangePartitionAssignor.assign(
        Cluster(partitions), {f"{number:03}": metadata for number in range(members)}
    )
    expected = [{place for _, places in one.assignment for place in places} for _, one in sorted(assigned.items())]
    assert expected == [set(range_partitions(index, members, partitions)) for index in range(members)]
