"""A commit that comes too late is no failure; any other refusal is."""

from collections.abc import Mapping

import pytest
from aiokafka.errors import CommitFailedError, KafkaError, TopicAuthorizationFailedError

from libs.kafka.settings import KafkaSettings
from libs.kafka.source import KafkaSource


class RefusingConsumer:
    """Stands for the client library's consumer."""

    def __init__(self, refusal: KafkaError) -> None:
        self._refusal = refusal

    async def commit(self, _offsets: Mapping[object, int]) -> None:
        raise self._refusal


def source_of(refusal: KafkaError) -> KafkaSource:
    source = KafkaSource(KafkaSettings(), ["requests"], group="sink")
    source._consumer = RefusingConsumer(refusal)
    return source


async def test_a_group_that_has_moved_on_is_left_to_its_new_owner(capsys):
    await source_of(CommitFailedError()).commit({("requests", 0): 7})
    assert "commit.late" in capsys.readouterr().out


async def test_what_else_the_broker_refuses_rises():
    with pytest.raises(TopicAuthorizationFailedError):
        await source_of(TopicAuthorizationFailedError()).commit({("requests", 0): 7})
