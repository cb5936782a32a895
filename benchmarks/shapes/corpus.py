"""Requests with the shape that their source is known to have, and which sources a shipped model may learn from."""

import gzip
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from benchmarks.shapes.prompts import written
from libs.scanner.training.corpus import Row, read

OWN = "own"
PER_SOURCE = 200  # Texts of a source and shape: a source is one voice, however much it says.
LABELS = Path(__file__).parent / "self_instruct_labels.json"

SHAPES_OF_SOURCES = {
    "gsm8k": "math",
    "gpteacher_code": "coding",
    "cse_instruct": "coding",
    "cse_autocomplete": "coding",
    "gpteacher_roleplay": "writing",
    "slabs": "chat",
    "clinc150": "chat",
}
# Sets of the Public Pool of Prompts by what they ask for; those of mixed nature are left out.
SHAPES_OF_P3 = {
    "reasoning": ("commonsense_qa", "cosmos_qa", "qasc", "quarel", "quartz", "ropes", "social_i_qa", "wiqa"),
    "structured": (
        "adversarial_qa", "ag_news", "amazon", "app_reviews", "dbpedia", "duorc", "glue", "imdb", "paws", "quoref",
        "rotten_tomatoes", "trec", "yelp",
    ),
    "writing": ("cnn", "common_gen", "gigaword", "multi_news", "samsum", "xsum"),
}  # fmt: skip
_WRITES = re.compile(r"build_story|title_gen|generate_question|Guess_Title|write_an_article|generate_review")
_FAMILIES = ("gpteacher", "cse")
_TEMPLATES = {"translation": "writing", "rewriting": "writing"}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One request; any of *shapes* is right. Only what is *learnable* may train."""

    text: str
    shapes: tuple[str, ...]
    source: str
    learnable: bool = False


def samples(directory: Path, *, seed: int = 7) -> list[Sample]:
    """Return own requests, and at most `PER_SOURCE` of each source and shape in *directory*, in an order that *seed* fixes."""
    chance = random.Random(seed)
    own = [
        Sample(text=text, shapes=(shape,), source=OWN, learnable=True)
        for text, shape in written(PER_SOURCE * 3 // 2, chance)
    ]
    rows = [row for row in read(directory) if row.label == 0]
    return [
        *own,
        *_capped(filter(None, map(_of_row, rows)), chance),
        *_hand_labelled(rows),
        *_capped(_templates(directory / "task_train.json.gz", {row.text.strip() for row in rows}), chance),
    ]


def _of_row(row: Row) -> Sample | None:
    family = next((name for name in _FAMILIES if row.source.startswith(name)), row.source)
    if row.source in SHAPES_OF_SOURCES:
        return Sample(text=row.text, shapes=(SHAPES_OF_SOURCES[row.source],), source=family, learnable=row.learnable)
    name = row.source.removeprefix("t0/")
    for shape, sets in SHAPES_OF_P3.items():
        known = next((found for found in sets if row.source.startswith("t0/") and name.startswith(found)), None)
        if known is not None:
            right = "writing" if _WRITES.search(name) else shape
            return Sample(text=row.text, shapes=(right,), source=f"p3/{known}", learnable=row.learnable)
    return None


def _hand_labelled(rows: Iterable[Row]) -> Iterator[Sample]:
    """Yield the seed tasks of Self-Instruct with the shapes that a reader held right; they never train."""
    labels: dict[str, list[str]] = json.loads(LABELS.read_text())
    for row in rows:
        shapes = labels.get(hashlib.sha256(row.text.encode()).hexdigest()[:12])
        if row.source == "self_instruct_seed" and shapes is not None:
            yield Sample(text=row.text, shapes=tuple(shapes), source="self_instruct_seed")


def _templates(file: Path, known: set[str]) -> Iterator[Sample]:
    """Yield what *file* holds of shapes that no other source has; of unknown licence, so that it only measures."""
    for text, label in json.loads(gzip.decompress(file.read_bytes())):
        if label in _TEMPLATES and text.strip() not in known:
            yield Sample(text=text, shapes=(_TEMPLATES[label],), source=f"templates/{label}")


def _capped(found: Iterable[Sample], chance: random.Random) -> Iterator[Sample]:
    groups: dict[tuple[str, tuple[str, ...], bool], list[Sample]] = {}
    for sample in found:
        groups.setdefault((sample.source, sample.shapes, sample.learnable), []).append(sample)
    for _, group in sorted(groups.items()):
        group.sort(key=lambda sample: sample.text)
        yield from chance.sample(group, min(PER_SOURCE, len(group)))
