"""The model card: data, licences, method, figures and weaknesses, as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import FOLDS, Report, Share
from libs.scanner.training.fit import Settings
from libs.scanner.training.senses import GROUPS
from libs.scanner.windows import SIZES

_HEAD: Final = """# Model card: prompt-injection scanner

Reads one text and tells the probability that it tries to take over a language model: direct injections, jailbreaks, attempts to
extract the prompt, and instructions planted in tool results. English first; German, French, Spanish and, thinly, nine other
languages. It does not judge whether a topic is harmful, and it is one layer of defence, not a proof.

## Method
Text is normalised (compatibility forms, invisible and tag characters, lookalikes) and what is encoded inside it is decoded. BERT
WordPiece tokens, single and in pairs, and their senses, single, in pairs and in triples, are hashed into 2^19 weights of a logistic
regression; hashing is part of the ONNX graph. A sense is one of {senses} groups of tokens that mean alike: all-MiniLM-L6-v2
(Apache-2.0) read each token by itself, and k-means grouped what it made of them (`libs/scanner/training/senses.py`).
A text's score is that of its most suspicious window of {sizes} tokens, in training as in use, so length hides nothing.
AdaGrad, {epochs} epochs, seed {seed}; both labels weigh the same, a source counts by the power {power} of its size.
Rebuild it with `python -m libs.scanner.training --data DIR --out libs/scanner/data`.

## Figures
Each figure is of rows whose family of sources the scoring model had not seen: families are shared out over {folds} folds, and each fold
is left out in turn. In-distribution figures are left out: they say nothing. Brackets hold the 95 % Wilson interval of the sample,
which does not cover the choice of sources. The thresholds were set on the ordinary and tool-result rows of this table; the attacks had
no part in that. The grammars of written texts were widened after reading what earlier models missed in these families, by technique
and never by sentence; for the attacks this table is therefore a validation set, and sources of a quite different kind fare worse.

Thresholds: block {block:.4f}, flag {flag:.4f}; tool results: block {tool_block:.4f}, flag {tool_flag:.4f}.
Mean recall over families of attacks: {mean_recall:.1%}.
"""

_TAIL: Final = """
## Weaknesses
- Riddles that lead to one fixed output, hints without a command and payloads of code are mostly missed.
- A new style of attack is found far less often than one that resembles the training sources: see the families' spread.
- Long documents: the more windows, the likelier one looks suspicious. See "tool results": source, manuals and licences of kinds that
  the scoring model had not seen.
- Code to be run is ordinary here, whatever it does; a model that has seen little source blocks one snippet in twenty (cyberseceval).
- Long persona prompts ("I want you to act as") are blocked more often than other ordinary requests.
- Encodings other than base64, hexadecimal, escapes, percent, rot13, spaced letters and digits for letters are not read.
- Languages other than those named are read through n-grams that they share with them, that is hardly.

## Data and licences
Nothing of the data is shipped. Rows marked "measured only" did not train the model because their terms are unclear or go beyond a
permissive licence. Documents are pieces of the standard library and of the installed packages, and vary with both. The vocabulary `vocab.txt` is that of BERT base uncased (Apache-2.0, Google). Attribution: CLINC150 (Larson et al.,
2019, CC BY 3.0); Cosmos QA, QASC, QuaRel, QuaRTz, Quoref and ROPES (CC BY 4.0, Allen Institute for AI and authors); PAWS (Google).
Rows named `own_` were written for this project, in part from the grammars in `libs/scanner/training/phrases`.
"""


def write(rows: Sequence[Row], report: Report, settings: Settings) -> str:
    """Return the card."""
    bands = report.thresholds
    head = _HEAD.format(
        folds=FOLDS,
        senses=GROUPS,
        sizes=", ".join(map(str, SIZES)),
        epochs=settings.epochs,
        seed=settings.seed,
        power=settings.source_power,
        block=bands.default.block,
        flag=bands.default.flag,
        tool_block=bands.of("tool").block,
        tool_flag=bands.of("tool").flag,
        mean_recall=report.mean_recall,
    )
    tables = (*_figures("kind", report.kinds), "", *_figures("family", report.families))
    return "\n".join((head, *tables, _TAIL, *_sources(rows), ""))


def _figures(title: str, shares: dict[str, Share]) -> Iterator[str]:
    yield f"| {title} | rows | blocked | flagged or blocked |"
    yield "| --- | --- | --- | --- |"
    for name, share in shares.items():
        interval = f"[{share.low:.1%}, {share.high:.1%}]"
        yield f"| {name} | {share.rows} | {share.blocked:.1%} {interval} | {share.flagged:.1%} |"


def _sources(rows: Sequence[Row]) -> Iterator[str]:
    yield "| source | licence | ordinary | attacks | use |"
    yield "| --- | --- | --- | --- | --- |"
    counts = Counter((_name(row), row.licence, row.learnable, row.label) for row in rows)
    for name, licence, learnable in sorted({key[:3] for key in counts}):
        ordinary, attacks = (counts[name, licence, learnable, label] for label in (0, 1))
        yield f"| {name} | {licence} | {ordinary} | {attacks} | {'training' if learnable else 'measured only'} |"


def _name(row: Row) -> str:
    """Name the sets of the Public Pool of Prompts together, by whether they train."""
    return row.family if row.source.startswith("t0/") else row.source
