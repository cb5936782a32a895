"""The example messages under libs/contracts/examples, one file each: `<topic>/v<version>/<name>.json`."""

from pathlib import Path

import msgspec

from libs.contracts import topics
from libs.contracts.topics import Topic
from libs.kafka.record import Record

ROOT = Path(topics.__file__).parent / "examples"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    topic: Topic
    version: str
    name: str
    value: bytes

    @property
    def plain(self) -> dict[str, object]:
        return msgspec.json.decode(self.value, type=dict[str, object])

    @property
    def kind(self) -> type[msgspec.Struct]:
        """The event that the tag names."""
        return next(kind for kind in self.topic.events if kind.__struct_config__.tag == self.plain["type"])

    def record(self, value: bytes | None = None) -> Record:
        """Return the example, or *value* in its place, as a consumer gets it."""
        return Record(
            topic=self.topic.name, partition=0, offset=7, key=b"acme:s-1", value=self.value if value is None else value
        )

    def __str__(self) -> str:
        return f"{self.topic.name}/{self.version}/{self.name}"


def examples(name: str = "*") -> list[Example]:
    return [
        Example(topic=topic, version=path.parent.name, name=path.stem, value=path.read_bytes())
        for topic in topics.ALL
        for path in sorted(ROOT.glob(f"{topic.name}/v*/{name}.json"))
    ]
