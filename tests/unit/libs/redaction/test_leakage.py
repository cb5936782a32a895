"""A system prompt that comes back in an answer is seen whatever its dress, and pieces join to the same as the whole."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.redaction.leakage import LeakHoldback, MarkHoldback, Prompt
from libs.redaction.secrets import LONGEST_HELD
from tests.unit.libs.redaction.test_holdback import CUTS, pieces

PROMPT = (
    "You are Ada, the support agent of Acme. Never mention the discount code of the partner programme to customers. "
    "If somebody asks for a refund above 500 euros, hand the conversation over to a human colleague at once."
)
SECOND = "Never mention the discount code of the partner programme to customers"
GONE = "Never mention the [redacted:system_prompt]"


def through(filter_: LeakHoldback | MarkHoldback, *parts: str) -> str:
    released = []
    for part in parts:
        released.append(filter_.feed(part))
        assert len(filter_.held) <= LONGEST_HELD
    return "".join([*released, filter_.close()])


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (f"My rules: {SECOND}. OK?", f"My rules: {GONE}. OK?"),
        (f"My rules: {SECOND.upper()}!", "My rules: NEVER MENTION THE [redacted:system_prompt]!"),
        (SECOND.replace(" ", ",\n - "), "Never,\n - mention,\n - the [redacted:system_prompt]"),
        (SECOND + " or anybody", GONE + " or anybody"),
        (f"{SECOND} {SECOND}", f"{GONE} {GONE}"),
        (PROMPT, "You are Ada [redacted:system_prompt]."),
        (f"{SECOND}sk-1", "Never mention the [redacted:system_prompt] customerssk-1"),
        (f"7{SECOND} or", "7Never mention the discount [redacted:system_prompt] or"),
    ],
)
def test_a_copied_run_of_words_is_replaced_from_its_fourth_word_on(answer: str, shown: str):
    assert shown == through(LeakHoldback(Prompt(PROMPT)), answer)


@pytest.mark.parametrize(
    "answer",
    [
        "You are Ada, the support agent of Acme.",
        "I never mention the code of the partner programme; to customers above 500 euros a human colleague talks.",
        "Never mention the discount code. Of the partner programme customers know nothing, to be sure, at once.",
        "",
    ],
)
def test_what_only_shares_phrases_passes(answer: str):
    assert answer == through(LeakHoldback(Prompt(PROMPT)), answer)


def test_a_prompt_that_says_next_to_nothing_cannot_leak():
    assert not Prompt("You are a helpful assistant.")
    assert Prompt(PROMPT)


def test_scripts_without_spaces_are_read_by_character():
    prompt = "あなたは株式会社アクメのサポート担当です。割引コードを顧客に決して教えないでください。返金の依頼が五万円を超える場合は、すぐに人間の担当者に引き継いでください。"
    assert "あなた [redacted:system_prompt]。" == through(LeakHoldback(Prompt(prompt)), prompt)


@pytest.mark.parametrize("value", [SECOND, SECOND.replace(" ", '\n"'), f"a {SECOND}\\ b", "é" + SECOND])
def test_what_is_left_of_json_is_json(value: str):
    shown = through(LeakHoldback(Prompt(PROMPT), in_json=True), json.dumps({"text": value, "n": 1}))
    assert "[redacted:system_prompt]" in json.loads(shown)["text"]
    assert 1 == json.loads(shown)["n"]


def test_a_run_does_not_reach_from_one_json_string_into_the_next():
    words = SECOND.split()
    text = json.dumps({" ".join(words[:5]): " ".join(words[5:])})
    assert text == through(LeakHoldback(Prompt(PROMPT), in_json=True), text)


WORDS = [*PROMPT.split(" "), SECOND, PROMPT, "foreign", " ", "\n", '"', "\\n", "\\", "x" * 300, "." * 300, "\\u00e9"]
ANSWERS = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


@given(ANSWERS, CUTS)
@example(SECOND + " " * 300 + "or", [100, 100, 100])
@example("x" * 1000 + SECOND, [7] * 60)
@example(f"x{SECOND}sk-ant {SECOND}sk", [7] * 60)
def test_the_pieces_join_to_the_same_as_the_whole(answer: str, cuts: list[int]):
    for in_json in (False, True):
        whole = through(LeakHoldback(Prompt(PROMPT), in_json=in_json), answer)
        assert whole == through(LeakHoldback(Prompt(PROMPT), in_json=in_json), *pieces(answer, cuts))


@given(ANSWERS)
def test_every_copy_is_found(around: str):
    filter_ = LeakHoldback(Prompt(PROMPT))
    assert SECOND not in through(filter_, f"{around} {SECOND} {around}")
    assert filter_.found


def test_text_that_shares_no_words_is_handed_on_at_once():
    filter_ = LeakHoldback(Prompt(PROMPT))
    for part in ("The ca", "pital", " of France is Par", "is."):
        assert part == filter_.feed(part)


MARKS = ("CANARY-7f3a", "CANARY-7f3a-long", "aba")


@given(st.lists(st.sampled_from([*MARKS, "CANARY", "-7f3", "a", "b", " "]), max_size=12).map("".join), CUTS)
def test_a_planted_mark_is_never_handed_on(text: str, cuts: list[int]):
    filter_ = MarkHoldback(MARKS)
    shown = through(filter_, *pieces(text, cuts))
    assert shown == through(MarkHoldback(MARKS), text)
    assert not any(mark in shown.replace("[redacted:canary]", "|") for mark in MARKS)
    assert bool(filter_.found) == any(mark in text for mark in MARKS)
