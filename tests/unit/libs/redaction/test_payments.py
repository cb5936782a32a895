"""Check digits are checked as the standards say."""

from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from libs.redaction.payments import has_luhn_digit, iban_length, is_card


@given(st.text("0123456789", min_size=1, max_size=25))
def test_luhns_digit_is_that_of_the_library(digits: str):
    assert luhn.is_valid(digits) == has_luhn_digit(digits)


def test_a_card_has_its_issuers_prefix_and_length():
    assert is_card("4111111111111111")
    assert not is_card("41111111111111")
    assert not is_card("9111111111111111")


def test_an_iban_ends_where_its_country_says():
    assert len("NL91 ABNA 0417 1643 00") == iban_length("NL91 ABNA 0417 1643 00 12 EUR")
    assert 0 == iban_length("NL91 ABNA 0417 1643 01")
    assert 0 == iban_length("XX91 ABNA 0417 1643 00")
