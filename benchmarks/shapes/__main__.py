"""
Trains the head that tells shapes from words, measures it on sources it never saw, and writes both.

`python -m benchmarks.shapes` reads the firewall's texts under $FLOOPY_FIREWALL_DATA (default ../shared/data/firewall) and writes
libs/routing/data/shapes.json and SHAPES_CARD.md. The same texts give the same files, but for the time a text takes.
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.shapes import measure
from benchmarks.shapes.card import card
from benchmarks.shapes.corpus import OWN, Sample, samples
from benchmarks.shapes.fit import fit
from libs.routing.shapes import ShapeHead, ShapeModel
from libs.routing.tasks import RequestFeatures, classify, task_of

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "libs" / "routing" / "data"
TIMED = 2_000


def versioned(model: ShapeModel) -> ShapeModel:
    """Return *model* under a version that follows from its content."""
    content = msgspec.json.encode(msgspec.structs.replace(model, version=""))
    return msgspec.structs.replace(model, version=f"shapes-{hashlib.sha256(content).hexdigest()[:8]}")


def microseconds(head: ShapeHead, asked: Sequence[Sample]) -> dict[str, float]:
    """Return the CPU time of telling a task, by key words alone and with *head*: median and 99th percentile."""
    features = [RequestFeatures(text=sample.text) for sample in asked[:TIMED]]
    times: dict[str, list[float]] = {"words": [], "head": []}
    for item in features * 3:
        begin = time.thread_time()
        classify(item)
        middle = time.thread_time()
        task_of(item, named=None, own=(), head=head)
        times["words"].append(middle - begin)
        times["head"].append(time.thread_time() - middle)
    return {
        f"{who}_{name}": float(np.quantile(found, share)) * 1e6
        for who, found in times.items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> int:
    """Train, measure, write; say what came out."""
    directory = Path(os.environ.get("FLOOPY_FIREWALL_DATA", ROOT.parent / "shared" / "data" / "firewall"))
    if not directory.exists():
        print(f"{directory} not found: set FLOOPY_FIREWALL_DATA", file=sys.stderr)
        return 1
    known = samples(directory)
    answers = list(measure.unseen(known))
    model = versioned(fit(known, lead=measure.best_lead(answers)))
    timings = microseconds(ShapeHead(model), [sample for sample in known if sample.source != OWN])
    text = card(model, answers, timings, written=sum(sample.source == OWN for sample in known))
    (TARGET / "shapes.json").write_bytes(msgspec.json.encode(model) + b"\n")
    (TARGET / "SHAPES_CARD.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
