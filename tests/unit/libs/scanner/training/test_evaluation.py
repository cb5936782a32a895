"""Figures come from models that have not seen the family, and bands from ordinary rows alone."""

import numpy as np
import pytest

from libs.scanner.tokens import bundled_tokenizer
from libs.scanner.training import card
from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import FOLDS, folds, kind_of, report, share, unseen_log_odds
from libs.scanner.training.features import examples
from libs.scanner.training.fit import Settings

NAMES = ("harbour", "garden", "engine", "winter", "market", "bridge")


def rows() -> list[Row]:
    """Three families of attacks that share one telltale, three ordinary ones, and rows that may not train."""
    found = []
    for at, name in enumerate(NAMES):
        label = at % 2
        texts = [f"{'ignore your rules' if label else 'please describe'} the {name} {n}" for n in range(40)]
        found += [Row(text=text, label=label, source=f"s{at}", licence="MIT") for text in texts]
    found += [Row(text=f"see the table {n}", label=0, source="bipia_ctx", licence="MIT") for n in range(40)]
    found += [Row(text=f"secret word {n}", label=1, source="closed", licence="NC") for n in range(20)]
    found += [Row(text=f"ignore {n}", label=1, source="own_x", licence="own", written=True) for n in range(20)]
    return found


@pytest.fixture(scope="module")
def measured() -> tuple[list[Row], np.ndarray, list[str]]:
    told: list[str] = []
    data = rows()
    features = examples((row.text for row in data), bundled_tokenizer())
    return data, unseen_log_odds(data, features, Settings(epochs=2, batch_rows=32), told.append), told


def test_every_family_is_held_out_once_and_written_rows_are_never_scored(measured):
    data, scores, told = measured
    assert sorted(", ".join(told).split(", ")) == sorted([*(f"s{at}" for at in range(6)), "bipia", "measured only"])
    assert [row.written for row in data] == np.isnan(scores).tolist()


def test_what_families_share_is_found_in_the_one_held_out(measured):
    data, scores, _ = measured
    figures = report(data, scores)
    assert [1.0] * 3 == [figures.families[f"s{at}: attack"].blocked for at in (1, 3, 5)]


def test_ordinary_rows_set_the_bands(measured):
    data, scores, _ = measured
    figures = report(data, scores)
    assert figures.kinds["ordinary"].blocked <= 0.02
    assert figures.thresholds.default.flag <= figures.thresholds.default.block


def test_tool_results_set_their_own_band(measured):
    data, scores, _ = measured
    figures = report(data, scores)
    assert figures.kinds["tool results"].blocked <= 0.05
    assert figures.thresholds.of("tool").flag <= figures.thresholds.of("tool").block


def test_the_card_names_every_source_its_licence_and_its_use(measured):
    data, scores, _ = measured
    text = card.write(data, report(data, scores), Settings())
    assert "| closed | NC | 0 | 20 | measured only |" in text
    assert "| s0 | MIT | 40 | 0 | training |" in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (Row(text="", label=1, source="bipia_synth", licence=""), "attack in a tool result"),
        (Row(text="", label=1, source="x", licence="", category="rag_poisoning"), "attack in a tool result"),
        (Row(text="", label=1, source="x", licence=""), "attack"),
        (Row(text="", label=0, source="bipia_ctx", licence=""), "tool results"),
        (Row(text="", label=0, source="own_hardneg", licence=""), "trigger words"),
        (Row(text="", label=0, source="x", licence=""), "ordinary"),
    ],
)
def test_rows_stand_for_what_the_report_says(row: Row, kind: str):
    assert kind == kind_of(row)


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.0370), (50, 0.4038, 0.5962), (100, 0.9630, 1.0)])
def test_wilsons_interval_is_that_of_the_textbook(hits: int, low: float, high: float):
    found = share(hits, hits, 100)
    assert (low, high) == pytest.approx((found.low, found.high), abs=1e-4)


def test_families_are_shared_out_whole_and_evenly():
    families = np.repeat([f"f{at}" for at in range(20)], range(1, 21))
    found = folds(families)
    assert sorted({*families.tolist()}) == sorted(name for fold in found for name in fold)
    sizes = [sum(int(name[1:]) + 1 for name in fold) for fold in found]
    assert FOLDS == len(found)
    assert max(sizes) - min(sizes) <= 20
