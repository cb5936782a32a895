"""Every value of a kind is found wherever it stands, and ordinary text holds none."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.state import USUAL_PII
from libs.redaction.detection import find
from tests.unit.libs.redaction.values import VALUES

ALL = USUAL_PII | {"ip"}


def found(text: str, kinds=USUAL_PII, context: str = "") -> list[tuple[str, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in find(text, kinds, context)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to john.doe+x@example.co.uk.", [("email", "john.doe+x@example.co.uk")]),
        ("josé@müller.de", [("email", "josé@müller.de")]),
        ("say \\nfoo@bar.com", [("email", "foo@bar.com")]),
        ("Visa 4111 1111 1111 1111 123", [("card", "4111 1111 1111 1111")]),
        ("3782 822463 10005", [("card", "3782 822463 10005")]),
        ("1234 4111-1111-1111-1111", [("card", "4111-1111-1111-1111")]),
        ("DE89 3704 0044 0532 0130 00 AND MORE", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("gb29nwbk60161331926819", [("iban", "gb29nwbk60161331926819")]),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", [("iban", "MT84 MALT 0110 0001 2345 MTLC AST0 01S")]),
        ("\\nDE89370400440532013000", [("iban", "DE89370400440532013000")]),
        ("+49\u00a030\u00a0901820", [("phone", "+49\u00a030\u00a0901820")]),
        ("+44 (0)20 7946 0958", [("phone", "+44 (0)20 7946 0958")]),
        ("0049 30 901820", [("phone", "0049 30 901820")]),
        ("Tel. 01 23 45 67 89", [("phone", "01 23 45 67 89")]),
        ("call 020 7946 0958", [("phone", "020 7946 0958")]),
        ("My number is 0171 1234567", [("phone", "0171 1234567")]),
        ("4111  1111  1111  1111", [("card", "4111  1111  1111  1111")]),
        ("SSN: 078-05-1120", [("national_id", "078-05-1120")]),
        ("PAN: ABCDE1234F", [("national_id", "ABCDE1234F")]),
        ("QQ 12 34 56 C", [("national_id", "QQ 12 34 56 C")]),
        ("SSN 123-45-6789", [("national_id", "123-45-6789")]),
        ("my social security number is 123 45 6789", [("national_id", "123 45 6789")]),
        ("Steuer-ID 36 574 261 809", [("national_id", "36 574 261 809")]),
        ("2 95 10 99 126 111 93", [("national_id", "2 95 10 99 126 111 93")]),
        ("key sk-proj-abcdefghijklmnopqrstuvwx1234567890", [("secret", "sk-proj-abcdefghijklmnopqrstuvwx1234567890")]),
        ("postgres://app:hunter22!x@db.example.com/x", [("email", "hunter22!x@db.example.com")]),
    ],
)
def test_what_is_personal_is_found(text: str, expected: list[tuple[str, str]]):
    if text.startswith("postgres"):  # The password and what looks like an address are one secret.
        expected = [("secret", expected[0][1])]
    assert expected == found(text)


@pytest.mark.parametrize(
    "text",
    [
        "icon@2x.png and lib@next.js, git@github.com:owner/name.git",
        "on 2024-01-15 10:30:45,123 at 1700000000000 or 1700000000",
        "version 1.2.3.4-5, pi is 3.14159265358979, and 0.4111111111111111 is a share",
        "order 4111111111111112, invoice 2024-000123456",
        "550e8400-e29b-41d4-a716-446655440000 and 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2002 2003 2004 2007 2008 2010 2011 2012 2014",
        "@decorator\ndef f(x, *, y=@z): return x @ y",
        "DE00 3704 1144 0532 0130 00",
        "the 900-12-3456 and 000-12-3456 are no numbers of people",
        "999 999 999 999 999",
        "x4111111111111111 and 4111111111111111y",
        "[email] [phone] 5551234 [card] [national_id] [iban:abcdefghijkl]",
    ],
)
def test_what_looks_like_it_is_left(text: str):
    assert [] == found(text)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("ssn", "123456789", "national_id"),
        ("phone_number", "07911123456", "phone"),
        ("mobilePhone", "0301234567", "phone"),
        ("bsn", "111222333", "national_id"),
        ("api_key", "h7Gk29sLqPz81MvB0xTy", "secret"),
    ],
)
def test_the_name_of_the_field_tells(name: str, value: str, kind: str):
    assert [(kind, value)] == found(value, context=name)
    assert [] == found(value, context="count")


def test_addresses_of_machines_are_found_where_they_are_asked_for():
    text = "from 10.0.0.1 and 2001:db8::1 not 1.2.3 or 300.1.1.1"
    assert [("ip", "10.0.0.1"), ("ip", "2001:db8::1")] == found(text, ALL)
    assert [] == found(text)


def test_a_kind_that_is_skipped_is_left():
    assert [] == found("a@b.org", USUAL_PII - {"email"})


BEFORE = ["", " ", "\n", '"', "(", ": ", "I am ", "名前:", "é ", "x = ", "12, ", "<b>", "\\n", "- ", "a\\n"]
AFTER = ["", " ", "\n", '"', ")", ", ", ". And", " I am", " 12", "<br>", "\\n", " -", "; 4111", " é"]


@given(
    st.sampled_from(sorted(VALUES)).flatmap(lambda kind: VALUES[kind]), st.sampled_from(BEFORE), st.sampled_from(AFTER)
)
def test_every_valid_value_is_found_whole_in_any_context(value: str, before: str, after: str):
    text = f"{before}{value}{after}"
    covered = "".join(text[finding.start : finding.end] for finding in find(text, USUAL_PII))
    said = value.removeprefix("phone: ").removeprefix("BSN ")
    assert said in covered


@given(
    st.lists(
        st.sampled_from(["a", "@", ".", "4", "1111", " ", "-", "+49", "DE89", "X", "\\n", "://", "é", "名"]),
        max_size=60,
    )
)
def test_findings_are_in_order_and_apart(parts: list[str]):
    text = "".join(parts)
    findings = find(text, ALL)
    assert all(finding.start < finding.end <= len(text) for finding in findings)
    assert all(before.end <= after.start for before, after in itertools.pairwise(findings))
