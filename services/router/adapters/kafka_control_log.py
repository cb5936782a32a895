"""The control log in Kafka: a change is written when the broker has acknowledged it, and never later."""

import msgspec

from libs.contracts.events import ControlChanged, control_key
from libs.contracts.topics import CONTROL
from libs.kafka.ports import MessageRefusedError, Sender, SendError
from libs.kafka.record import Message
from services.router.domain.refusals import RefusedError
from services.router.ports import ControlLogUnavailableError


class KafkaControlLog:
    """
    Appends to topic `control` without a journal.

    A journal would deliver after an outage what was ordered before it, on top of what other routers have written since.
    """

    def __init__(self, sender: Sender, *, topic: str = CONTROL.name) -> None:
        self._sender = sender
        self._topic = topic

    async def append(self, change: ControlChanged) -> None:
        """Return once the broker has acknowledged *change*."""
        message = Message(
            topic=self._topic,
            key=control_key(change.tenant, change.kind, change.entity_id),
            value=msgspec.json.encode(change),
            timestamp_ms=change.changed_at_ms,
        )
        try:
            await self._sender.send([message])
        except SendError as error:
            raise ControlLogUnavailableError(str(error)) from error
        except MessageRefusedError as error:
            raise RefusedError("the entity is too large to be stored") from error
