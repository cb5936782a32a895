"""A change is in the log under the key of its entity, or is said not to be."""

import msgspec
import pytest

from libs.contracts.events import ControlChanged
from libs.contracts.state import TenantPolicy
from libs.kafka.memory import MemoryBroker, MemorySender
from libs.kafka.ports import MessageRefusedError
from libs.kafka.record import Message
from services.router.adapters.kafka_control_log import KafkaControlLog
from services.router.consumer import decode
from services.router.domain.changes import change
from services.router.domain.entities import ref_to
from services.router.domain.refusals import RefusedError
from services.router.ports import ControlLogUnavailableError

POLICY = TenantPolicy(tenant="acme")
FACT: ControlChanged = change(ref_to(POLICY), before=None, after=POLICY, actor="t", now_ms=7, event_id="e")


async def test_a_change_is_read_back_as_it_was_written():
    broker = MemoryBroker(partitions=1)
    await KafkaControlLog(MemorySender(broker)).append(FACT)
    (record,) = broker.records("control")
    assert (b"acme:policy:acme", 7) == (record.key, record.timestamp_ms)
    assert msgspec.json.encode(FACT) == msgspec.json.encode(decode(record))


async def test_a_broker_that_is_down_is_told():
    broker = MemoryBroker(partitions=1)
    broker.down = True
    with pytest.raises(ControlLogUnavailableError):
        await KafkaControlLog(MemorySender(broker)).append(FACT)


async def test_an_entity_that_the_broker_will_never_take_is_refused():
    class Narrow:
        async def send(self, messages: list[Message]) -> None:
            raise MessageRefusedError("too large")

    with pytest.raises(RefusedError):
        await KafkaControlLog(Narrow()).append(FACT)
