"""The card of the head: what it learnt from, how right it is where, and what it cannot do."""

from collections.abc import Mapping, Sequence

from benchmarks.shapes.fit import SHAPES
from benchmarks.shapes.measure import Answer, by_source, difference, precision
from libs.routing.shapes import ShapeModel

_TEMPLATE = """# The shape head

`python -m benchmarks.shapes` trained it and wrote this page. Version `{version}`: {words} words by {shapes} shapes, a table of whole numbers;
it says `chat` unless another shape leads by {lead} in log-odds. It is asked where structure (tools, images, a code fence, `response_format`, length) says
nothing; the kind that key words suggest is one of its features.

**Learnt from** {written} requests written for this purpose (`benchmarks/shapes/prompts.py`) and, at most 200 texts of each and shape,
{sources}. Each shape counts the same, and within it the written requests half. Words that fewer than three sources use are left out.

**Measured** on {asked} requests, each source by a model that was fitted without it; those marked * never train, because their licence or
origin does not let a product learn from them. `self_instruct_seed` are tasks that people made up, labelled by hand with every shape that is
right. The lead was chosen on sources that train; the features were chosen among some twenty variants by looking at all of these figures, so
that the measured ones are a little too good.

Accuracy, every source counting the same: key words alone {words_mean:.2f}, with the head {head_mean:.2f}; difference {gain:+.2f}, 95 % interval
over sources {low:+.2f} to {high:+.2f}.

| source | requests | key words | head | abstains |
|---|---|---|---|---|
{by_source}

| shape | said by words | precision | said by head | precision (95 % over sources) |
|---|---|---|---|---|
{by_shape}

**CPU time** to tell a task, microseconds: key words p50 {words_p50:.0f}, p99 {words_p99:.0f}; with the head p50 {head_p50:.0f}, p99 {head_p99:.0f}.

**Limits.** English. Most sources are templates or one voice each, so that the table says more about kinds of sources than about anybody's
traffic: no share here is the share of a tenant. Short questions are taken for something else than `chat` a little more often than by
key words alone (clinc150, slabs). There is no source for `data`, which rests on the written requests. A request that knows its shape should name it
(`floopy-task`).
"""


def card(model: ShapeModel, answers: Sequence[Answer], timings: Mapping[str, float], *, written: int) -> str:
    """Return the page; *timings* are microseconds, *written* counts the requests made for this purpose."""
    accuracy = by_source(answers, model.lead)
    gain, low, high = difference(accuracy)
    learnt = {answer.source for answer in answers if answer.learnable}
    return _TEMPLATE.format(
        version=model.version,
        words=len(model.words),
        shapes=len(model.shapes),
        lead=model.lead,
        written=written,
        sources=", ".join(sorted(learnt)),
        asked=len(answers),
        words_mean=sum(found["words"] for found in accuracy.values()) / len(accuracy),
        head_mean=sum(found["head"] for found in accuracy.values()) / len(accuracy),
        gain=gain,
        low=low,
        high=high,
        by_source="\n".join(_source(name, found, trains=name in learnt) for name, found in accuracy.items()),
        by_shape="\n".join(_shape(shape, precision(answers, model.lead)[shape]) for shape in SHAPES),
        **timings,
    )


def _source(name: str, found: Mapping[str, float], *, trains: bool) -> str:
    mark = "" if trains else " *"
    return f"| {name}{mark} | {found['requests']:.0f} | {found['words']:.2f} | {found['head']:.2f} | {found['abstains']:.2f} |"


def _shape(shape: str, found: Mapping[str, float]) -> str:
    interval = f"{found['head_precision']:.2f} ({found['head_low']:.2f} to {found['head_high']:.2f})"
    words, head = (
        f"{found['words_said']:.0f} | {found['words_precision']:.2f}",
        f"{found['head_said']:.0f} | {interval}",
    )
    return f"| {shape} | {words} | {head} |"
