"""Where records that nobody can process are kept: `<topic>.dlq`, with their origin and the reason in the headers."""

from libs.kafka.ports import Sender
from libs.kafka.record import Message, Record


def dead_letter_topic(topic: str) -> str:
    """Return the name of the dead-letter topic of *topic*."""
    return f"{topic}.dlq"


class DeadLetterTopics:
    """Writes dead letters through *sender*; key, value and timestamp stay as they were."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def put(self, record: Record, *, reason: str) -> None:
        """Return once the broker has *record* in its dead-letter topic; else raise, which stops the consumer."""
        await self._sender.send([dead_letter(record, reason)])


def dead_letter(record: Record, reason: str) -> Message:
    """Return *record* as a message for its dead-letter topic."""
    return Message(
        topic=dead_letter_topic(record.topic),
        key=record.key,
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        headers=(
            ("reason", reason.encode()),
            ("topic", record.topic.encode()),
            ("partition", str(record.partition).encode()),
            ("offset", str(record.offset).encode()),
        ),
    )
