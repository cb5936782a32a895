"""The data flow as Mermaid text, drawn from the topic table: `python -m libs.contracts.diagram README.md` redraws it."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from libs.contracts.topics import ALL, Topic

BEGIN, END = "<!-- data flow: begin -->", "<!-- data flow: end -->"
STORES = (
    "aggregator --> redis[(Redis<br/>weights, policies, caches)]",
    "aggregator --> clickhouse[(ClickHouse<br/>every event)]",
    "router --> redis",
    "clickhouse --> router",
    "redis --> gateway",
)


def data_flow(topics: Iterable[Topic] = ALL) -> str:
    """Return a Mermaid flowchart: every topic between its producers and its consumers, and the stores around them."""
    lines = [
        "flowchart LR",
        "  app([your app]) -- /v1/chat/completions<br/>/v1/feedback --> gateway",
        "  gateway --> providers([providers])",
        *(f"  {line}" for topic in topics for line in _edges(topic)),
        *(f"  {line}" for line in STORES),
    ]
    return "\n".join(lines)


def redraw(text: str) -> str:
    """Return *text* with everything between the two markers replaced by the current diagram."""
    block = f"{BEGIN}\n```mermaid\n{data_flow()}\n```\n{END}"
    return re.sub(f"{BEGIN}.*{END}", lambda _: block, text, flags=re.DOTALL)


def _edges(topic: Topic) -> list[str]:
    node = f"{topic.name}{{{{{topic.name}}}}}"
    produced = [f"{service} --> {node}" for service in topic.produced_by]
    return produced + [f"{topic.name} --> {service}" for service in topic.consumed_by]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(redraw(page.read_text()))
