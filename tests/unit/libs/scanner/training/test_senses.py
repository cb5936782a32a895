"""Senses cover the vocabulary, and points that lie together are of one group."""

import numpy as np

from libs.scanner.tokens import VOCABULARY
from libs.scanner.training.senses import GROUPS, bundled_senses, grouped


def test_every_token_has_a_sense():
    senses = bundled_senses()
    assert len(VOCABULARY.read_text(encoding="utf-8").splitlines()) == len(senses)
    assert 0 <= senses.min() <= senses.max() < GROUPS
    assert GROUPS / 2 < len(np.unique(senses))


def test_a_word_and_its_plural_mean_alike_far_more_often_than_chance():
    number = {token: at for at, token in enumerate(VOCABULARY.read_text(encoding="utf-8").splitlines())}
    pairs = [(at, number[f"{word}s"]) for word, at in number.items() if len(word) > 4 and f"{word}s" in number]
    singular, plural = bundled_senses()[np.array(pairs).T]
    assert (singular == plural).mean() > 0.3
    assert (singular == np.roll(plural, 1)).mean() < 0.02


def test_points_in_one_direction_are_of_one_group():
    rng = np.random.default_rng(1)
    points = np.repeat(np.eye(8, dtype=np.float32), 30, axis=0) + rng.normal(0, 0.01, (240, 8)).astype(np.float32)
    groups = grouped(points / np.linalg.norm(points, axis=1, keepdims=True), 40, 10)
    assert [1] * 8 <= [len(set(groups[at : at + 30].tolist())) for at in range(0, 240, 30)]
    assert not set(groups[:30].tolist()) & set(groups[30:60].tolist())
