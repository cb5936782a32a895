"""Topics before events: nothing is sent to a topic that the broker would have to invent."""

from collections.abc import Sequence

from libs.kafka.ports import Sender, SendError
from libs.kafka.record import Message
from libs.kafka.settings import KafkaSettings
from libs.kafka.topics_admin import TopicSpec, ensure_topics


class TopicsFirstSender:
    """
    A `Sender` that creates *topics* before its first message, and again after each failure: the broker may be a new one.

    A broker that invents a topic gives it a partition count of its own, and a session's events would no longer meet. Raises
    `TopicError` where a topic is not as the table says.
    """

    def __init__(self, sender: Sender, settings: KafkaSettings, topics: Sequence[TopicSpec]) -> None:
        self._sender = sender
        self._settings = settings
        self._topics = topics
        self._created = False

    async def send(self, messages: Sequence[Message]) -> None:
        """Write *messages*; see `Sender`."""
        if not self._created:
            await self._create()
        try:
            await self._sender.send(messages)
        except SendError:
            self._created = False
            raise

    async def _create(self) -> None:
        try:
            await ensure_topics(self._settings, self._topics, timeout_s=self._settings.request_timeout_s)
        except TimeoutError as error:
            raise SendError("the topics could not be created in time") from error
        self._created = True
