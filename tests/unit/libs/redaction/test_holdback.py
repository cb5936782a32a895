"""However a text is cut into pieces, what is handed on joins to its redaction, and never more than a bounded part waits."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from libs.redaction.holdback import Holdback
from libs.redaction.secret_shapes import KINDS
from libs.redaction.secrets import LONGEST_HELD, find, redact
from tests.unit.libs.redaction.test_secrets import BASE64, PEM, RANDOM, SECRETS, TEXTS

ALL = frozenset(KINDS)
CUTS = st.lists(st.integers(1, 30), max_size=60)


def pieces(text: str, cuts: list[int]) -> list[str]:
    parts = []
    for cut in cuts:
        parts.append(text[:cut])
        text = text[cut:]
    return [*parts, text]


def handed_on(parts: list[str], kinds: frozenset[str] = ALL) -> str:
    holdback = Holdback(kinds)
    released = []
    for part in parts:
        released.append(holdback.feed(part))
        assert len(holdback.held) <= LONGEST_HELD
    return "".join([*released, holdback.close()])


@settings(max_examples=400)
@given(TEXTS, TEXTS, CUTS)
@example(f"token={RANDOM}", "=" + RANDOM, [1] * 60)
@example(PEM.format(BASE64 * 20), "\\", [7] * 60)
@example("eyJ" + "a" * 150 + "." + RANDOM * 20, " and on", [1] * 400)
@example("secret: " + RANDOM * 20, ".sk-proj-" + RANDOM, [1] * 900)
@example(f"sk-ant-{RANDOM}-hooks.slack.com/services/", "", [])
@example("glsa_AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", [25])
@example(f"\\npplx-{RANDOM}", "", [4])
def test_the_pieces_join_to_the_redaction_of_the_whole(text: str, more: str, cuts: list[int]):
    whole = text + more
    assert redact(whole, find(whole)) == handed_on(pieces(whole, cuts))


@given(TEXTS, CUTS, st.sets(st.sampled_from(KINDS)).map(frozenset))
def test_only_the_chosen_kinds_are_replaced(text: str, cuts: list[int], kinds: frozenset[str]):
    chosen = [finding for finding in find(text) if finding.kind in kinds]
    assert redact(text, chosen) == handed_on(pieces(text, cuts), kinds)


@given(st.sampled_from(SECRETS), st.text(alphabet="abc .\n", max_size=20), CUTS)
def test_a_secret_is_never_handed_on(secret: tuple[str, str], around: str, cuts: list[int]):
    assert secret[1] not in handed_on(pieces(f"{around} {secret[1]} {around}", cuts))


def test_text_that_begins_no_secret_is_handed_on_at_once():
    holdback = Holdback(ALL)
    for part in ("Hello", " wor", "ld, to", "day is ", "Sunday:", " 2 + 2 = ", "4", "\n"):
        assert part == holdback.feed(part)


def test_a_long_secret_is_replaced_as_soon_as_the_bound_is_reached():
    holdback = Holdback(ALL)
    opening = "-----BEGIN PRIVATE KEY-----\n"
    released = holdback.feed(opening + BASE64.rstrip("=") * 10)
    assert (f"{opening}[redacted:private_key]", "", {"private_key": 1}) == (released, holdback.held, holdback.found)
    assert "" == holdback.feed("bW9yZQ\n")
    assert "-----END" == holdback.feed("-----END")
