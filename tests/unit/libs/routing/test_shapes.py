"""The head tells a shape from the words at both ends, says `chat` where no other shape leads, and is the same everywhere."""

import hashlib
from importlib.resources import files

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.routing.shapes import (
    HEAD_CHARS,
    TAIL_CHARS,
    ShapeHead,
    ShapeModel,
    load_head,
    read_model,
    words_of,
)
from libs.routing.tasks import TASKS, RequestFeatures, Told, UnknownTaskError, task_of

SMALL = ShapeModel(
    version="v1",
    shapes=("chat", "coding", "math"),
    lead=0.5,
    bias=(0, 0, 0),
    words={"loop": (0, 100, 0), "sum": (0, 40, 60), "hi": (100, 0, 0), "kind:math": (0, 0, 100)},
)


def told(text: str, kind: str = "chat", **changes: object) -> str:
    return ShapeHead(msgspec.structs.replace(SMALL, **changes)).shape_of(text, kind)


@pytest.mark.parametrize(
    ("text", "kind", "shape"),
    [
        ("a loop", "chat", "coding"),
        ("LOOP!", "chat", "coding"),
        ("sum", "math", "math"),
        ("hi", "chat", "chat"),
        ("nothing known", "chat", "chat"),
        ("", "chat", "chat"),
    ],
)
def test_words_and_the_kind_of_the_key_words_decide(text: str, kind: str, shape: str) -> None:
    assert shape == told(text, kind)


def test_a_shape_without_the_lead_over_chat_is_not_said() -> None:
    assert ("math", "chat") == (told("sum", lead=0.59), told("sum", lead=0.61))


def test_a_word_counts_once_and_many_words_count_less_each() -> None:
    head = ShapeHead(SMALL)
    assert head.best_other("loop", "chat") == head.best_other("loop loop loop", "chat") == ("coding", 1.0)
    assert ("coding", pytest.approx(1.4 / 2**0.5)) == head.best_other("loop sum", "chat")


@given(st.text(max_size=HEAD_CHARS), st.text(min_size=1), st.text(max_size=TAIL_CHARS))
def test_what_stands_between_the_ends_does_not_matter(begin: str, middle: str, end: str) -> None:
    begin, end = begin.ljust(HEAD_CHARS), end.rjust(TAIL_CHARS)
    assert words_of(f"{begin}{middle}{end}", "chat") == words_of(f"{begin} {end}", "chat")


@given(st.text(max_size=2_000), st.sampled_from(TASKS))
def test_any_text_has_a_shape_of_the_taxonomy_and_always_the_same(text: str, kind: str) -> None:
    first, again = load_head().shape_of(text, kind), load_head().shape_of(text, kind)
    assert first == again
    assert first in TASKS


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Write a function in Go that merges two sorted lists", "coding"),
        ("Natalia sold 48 clips in April and half as many in May. How many clips did she sell altogether?", "math"),
        ("Is the following review of the hotel positive or negative?", "structured"),
        ("Write a poem about the sea in a warm tone", "writing"),
        ("hi, how are you?", "chat"),
        ("What is the capital of France?", "chat"),
    ],
)
def test_the_shipped_head_knows_typical_requests(text: str, shape: str) -> None:
    assert shape == task_of(RequestFeatures(text=text), named=None, own=(), head=load_head()).task


def test_the_version_of_the_shipped_head_follows_from_its_content() -> None:
    content = msgspec.json.encode(msgspec.structs.replace(_shipped(), version=""))
    assert f"shapes-{hashlib.sha256(content).hexdigest()[:8]}" == load_head().version


def test_a_model_whose_parts_do_not_fit_is_refused() -> None:
    for wrong in ({"bias": (0, 0)}, {"words": {"loop": (1,)}}, {"shapes": ("reasoning", "coding", "math")}):
        with pytest.raises(ValueError, match="one weight per shape"):
            read_model(msgspec.json.encode(msgspec.structs.replace(SMALL, **wrong)))


class TestWhoTells:
    HEAD = ShapeHead(SMALL)

    @pytest.mark.parametrize(
        ("features", "named", "expected"),
        [
            (RequestFeatures(text="loop"), "triage", Told(task="triage", by="client")),
            (RequestFeatures(text="loop"), "math", Told(task="math", by="client")),
            (RequestFeatures(text="loop", images=True), None, Told(task="vision", by="structure")),
            (RequestFeatures(text="loop"), None, Told(task="coding", by="v1")),
        ],
    )
    def test_the_client_goes_before_structure_and_structure_before_the_head(
        self, features: RequestFeatures, named: str | None, expected: Told
    ) -> None:
        assert expected == task_of(features, named=named, own=("triage",), head=self.HEAD)

    def test_without_a_head_key_words_tell(self) -> None:
        expected = Told(task="writing", by="words")
        assert expected == task_of(RequestFeatures(text="write a poem"), named=None, own=())

    def test_a_task_that_nobody_declared_is_refused(self) -> None:
        with pytest.raises(UnknownTaskError, match="juggling"):
            task_of(RequestFeatures(), named="juggling", own=("triage",), head=self.HEAD)


def _shipped() -> ShapeModel:
    return read_model(files("libs.routing").joinpath("data/shapes.json").read_bytes())
