"""The head learns what several sources share, is measured on what it has not seen, and the same texts give the same model."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shapes.card import card
from benchmarks.shapes.corpus import OWN, Sample
from benchmarks.shapes.fit import SHAPES, fit
from benchmarks.shapes.measure import Answer, best_lead, by_source, difference, precision, unseen
from benchmarks.shapes.prompts import FRAMES, written
from libs.routing.shapes import KIND, ShapeHead

WORDS = {"chat": "dear", "coding": "kernel", "math": "angle", "reasoning": "hence", "writing": "verse"}


def sample(shape: str, source: str, number: int, *, learnable: bool = True) -> Sample:
    text = f"{WORDS[shape]} {source.replace('/', '')}only {'abcdefgh'[number % 8] * 4}"
    return Sample(text=text, shapes=(shape,), source=source, learnable=learnable)


CORPUS = [
    sample(shape, source, number)
    for shape in WORDS
    for source in (OWN, f"{shape}/a", f"{shape}/b", f"{shape}/c")
    for number in range(6)
]


def test_written_requests_are_filled_in_different_and_of_every_shape():
    found = list(written(100, random.Random(1)))  # noqa: S311 - a seeded choice of texts
    assert set(FRAMES) == {shape for _, shape in found} == set(SHAPES)
    assert not [text for text, _ in found if re.search(r"[{}]", text)]
    assert len(found) == len({text for text, _ in found})


def test_the_head_learns_what_sources_share_and_not_their_own_words():
    model = fit(CORPUS)
    assert set(WORDS.values()) <= model.words.keys()
    assert not [word for word in model.words if word.endswith("only")]
    assert any(word.startswith(KIND) for word in model.words)
    head = ShapeHead(model)
    assert ["coding", "math"] == [head.shape_of(text, "chat") for text in ("a kernel", "an angle")]


def test_the_same_texts_give_the_same_model():
    assert fit(CORPUS) == fit(CORPUS)


def test_a_source_is_asked_of_a_model_that_never_saw_it():
    hidden = [sample("math", "alien", number) for number in range(3)]
    told = [
        Sample(text="zzz unheard of", shapes=("math",), source="alien", learnable=True),
        Sample(text="a kernel", shapes=("coding",), source="measured"),
    ]
    answers = {(answer.source, answer.head) for answer in unseen([*CORPUS, *hidden, *told]) if answer.source != OWN}
    assert ("measured", "coding") in answers
    assert {source for source, _ in answers} == {s.source for s in [*CORPUS, *hidden, *told]} - {OWN}


def answer(
    right: str, head: str, lead: float, *, words: str = "chat", source: str = "s", learnable: bool = True
) -> Answer:
    return Answer(source=source, right=(right,), words=words, head=head, lead=lead, learnable=learnable)


def test_the_lead_is_chosen_where_chat_is_half_of_all():
    timid = [answer("chat", "math", 0.35), answer("chat", "math", 0.55), answer("math", "math", 0.8)]
    assert 0.8 == best_lead(timid)
    assert 0.3 == best_lead([answer("chat", "math", -1.0), answer("math", "math", 0.3)])


def test_sources_that_never_train_do_not_choose_the_lead():
    assert 2.0 == best_lead([answer("chat", "math", 9.0, learnable=False), answer("chat", "math", -1.0)])


def test_accuracy_abstention_and_precision_are_shares():
    answers = [
        answer("math", "math", 1.0),
        answer("math", "coding", 1.0, words="math"),
        answer("math", "math", 0.1),
        answer("chat", "math", -1.0, source="t"),
    ]
    accuracy = by_source(answers, 0.5)
    assert (3, pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(1 / 3)) == tuple(accuracy["s"].values())
    assert (1, 1.0, 1.0, 0.0) == tuple(accuracy["t"].values())
    assert (0.0, 0.0, 0.0) == difference(accuracy)
    said = precision(answers, 0.5)
    assert (1, 1.0) == (said["math"]["head_said"], said["math"]["head_precision"])
    assert (2, 0.5) == (said["chat"]["head_said"], said["chat"]["head_precision"])


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_intervals_are_shares_and_of_no_width_where_all_agree(hits: list[bool]):
    answers = [answer("math" if hit else "chat", "math", 1.0, source=str(n % 4)) for n, hit in enumerate(hits)]
    said = precision(answers, 0.5)["math"]
    assert 0.0 <= said["head_low"] <= said["head_high"] <= 1.0
    if len(set(hits)) == 1:
        assert said["head_low"] == said["head_precision"] == said["head_high"]


def test_the_card_names_every_source_and_the_model():
    timings = {"words_p50": 1.0, "words_p99": 2.0, "head_p50": 3.0, "head_p99": 4.0}
    answers = [answer("math", "math", 1.0), answer("chat", "math", -1.0, source="alien", learnable=False)]
    page = card(fit(CORPUS, version="shapes-1"), answers, timings, written=5)
    assert all(part in page for part in ("shapes-1", "| s | 1 |", "| alien * | 1 |", "p50 3"))
