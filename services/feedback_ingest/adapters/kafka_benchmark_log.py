"""Day-0 tables in topic `control`: written when the broker has acknowledged it, and never later."""

import msgspec

from libs.contracts.events import ControlChanged, control_key
from libs.contracts.topics import CONTROL
from libs.kafka.ports import MessageRefusedError, Sender, SendError
from libs.kafka.record import Message
from services.feedback_ingest.ports import LogUnavailableError


class KafkaBenchmarkLog:
    """`BenchmarkLog`, without a journal: that would deliver after an outage what somebody has replaced since."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def append(self, change: ControlChanged) -> None:
        """Send *change* under the key of its entity."""
        message = Message(
            topic=CONTROL.name,
            key=control_key(change.tenant, change.kind, change.entity_id),
            value=msgspec.json.encode(change),
            timestamp_ms=change.changed_at_ms,
        )
        try:
            await self._sender.send([message])
        except (SendError, MessageRefusedError) as error:
            raise LogUnavailableError(str(error)) from error
