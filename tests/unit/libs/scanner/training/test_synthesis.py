"""The grammars write both kinds of text, every slot filled, the same texts for the same seed."""

import random
import re

import pytest

from libs.scanner.training.records import record
from libs.scanner.training.synthesis import PLANS, Grammar, Plan, synthesise


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 texts, not secrets


FEW = (Plan("attacks", 1, texts=60, carried=60), Plan("ordinary", 0, texts=60))
SLOT = re.compile(r"\{\w+\}")
PASSAGES = ["A long passage about the harbour of Lisbon and the ships that call there every morning in May."]


@pytest.mark.parametrize("name", [plan.grammar for plan in PLANS])
def test_every_slot_of_a_grammar_is_filled(name: str):
    rng, grammar = seeded(1), Grammar.read(name)
    texts = [grammar.write(rng) for _ in range(2_000)]
    assert [] == [text for text in texts if SLOT.search(text) or not text]
    assert 400 < len(set(texts))


def test_the_same_seed_writes_the_same_rows():
    assert synthesise(PASSAGES, seeded(3), FEW, records=20) == synthesise(PASSAGES, seeded(3), FEW, records=20)


def test_both_labels_are_written_and_never_measured():
    rows = synthesise(PASSAGES, seeded(3), FEW, records=20)
    assert {0, 1} == {row.label for row in rows}
    assert all(row.written and row.learnable and row.source.startswith("own_") for row in rows)


def test_a_carried_attack_stands_inside_a_carrier():
    carried = [
        row.text for row in synthesise(PASSAGES, seeded(3), FEW, records=20) if row.source == "own_attacks_carried"
    ]
    assert any("harbour of Lisbon" in text for text in carried)


def test_records_are_documents_of_several_lines_of_every_kind():
    texts = [record(seeded(seed)) for seed in range(60)]
    for mark in ("| --- |", "INFO", '"items"', "-rw-r--r--", "def ", "<ul>"):
        assert any(mark in text for text in texts), mark
