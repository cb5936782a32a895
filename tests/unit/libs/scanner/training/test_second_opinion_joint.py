"""Two models that err on different texts are joined into one that errs less, with bands that keep their promise."""

import numpy as np
import pytest

from libs.scanner.second_opinion_calibration import log_odds, position, probability
from libs.scanner.training.corpus import Row
from libs.scanner.training.evaluation import BLOCKED_ORDINARY
from libs.scanner.training.second_opinion_joint import Figures, Scores, joined

TEXTS = 9_000


def rows() -> list[Row]:
    return [
        Row(
            text=str(at),
            label=at % 2,
            source=("slabs", "gsm8k", "bipia_ctx")[at % 3] if at % 2 == 0 else "slabs",
            licence="MIT",
        )
        for at in range(TEXTS)
    ]


@pytest.fixture(scope="module")
def scores() -> Scores:
    rng = np.random.default_rng(3)
    signs = np.array([4.0 if row.label else -4.0 for row in rows()])
    first, second = (signs + rng.normal(0, 4, TEXTS) for _ in range(2))
    first[:5] = np.nan
    return Scores(first=first, second=second)


@pytest.fixture(scope="module")
def figures(scores: Scores) -> Figures:
    return joined(rows(), scores)


def test_both_together_find_more_than_either(figures: Figures):
    assert figures.joint.mean_recall > max(figures.first.mean_recall, figures.second.mean_recall) + 0.1


def test_ordinary_texts_are_blocked_as_rarely_as_promised(figures: Figures):
    assert figures.joint.kinds["ordinary"].blocked <= BLOCKED_ORDINARY + 1e-3


def test_figures_are_those_of_the_shipped_calibration(scores: Scores, figures: Figures):
    calibration, band = figures.calibration, figures.first.thresholds.default
    attacks = [at for at, row in enumerate(rows()) if row.label and not np.isnan(scores.first[at])]
    places = {at: position(probability(scores.first[at]), band) for at in attacks}
    blocked = [
        places[at] >= calibration.worth_reading
        and calibration.joint(places[at], scores.second[at]) >= calibration.thresholds.default.block
        for at in attacks
    ]
    assert figures.joint.kinds["attack"].blocked == pytest.approx(np.mean(blocked), abs=2 / len(attacks))


def test_hardly_an_attack_goes_unread_and_many_an_ordinary_text(figures: Figures):
    assert figures.calibration.worth_reading <= 0
    assert figures.read["attack"] > 0.8
    assert figures.read["ordinary"] < 0.6


def test_what_may_not_measure_is_left_out(figures: Figures):
    assert TEXTS - 5 == sum(share.rows for share in figures.joint.kinds.values())
    assert log_odds(0.5) == 0
