"""A probe either answers or says that it could not."""

import pytest
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError, TopicAuthorizationFailedError

from libs.kafka.probe import Probe
from libs.kafka.settings import KafkaSettings


class Failing:
    """A consumer that answers nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def end_offsets(self, places):
        raise self._error


def probe_over(error: Exception) -> Probe:
    probe = Probe(KafkaSettings())
    probe._consumer = Failing(error)
    return probe


@pytest.mark.parametrize("error", [ConsumerStoppedError(), KafkaConnectionError()])
async def test_closed_while_it_asks_or_without_a_broker_it_has_no_answer(error: Exception):
    """A service that stops, or loses its broker, is not ended by its own watch of the log."""
    with pytest.raises(TimeoutError):
        await probe_over(error).end_offsets(["requests"], 0)


async def test_a_refusal_for_good_is_told():
    with pytest.raises(TopicAuthorizationFailedError):
        await probe_over(TopicAuthorizationFailedError()).end_offsets(["requests"], 0)
