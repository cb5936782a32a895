"""Every integer that differs is named, an absent one counts as zero."""

from services.aggregator.domain.comparison import Difference, differences


def test_equal_sums_have_no_differences():
    assert [] == list(differences({("acme", "chat"): {"n": 1}}, {("acme", "chat"): {"n": 1, "zero": 0}}))


def test_what_differs_or_is_absent_is_named_in_order():
    streamed = {("acme", "chat"): {"b": 2, "a": 1}, ("beta", ""): {"requests": 3}}
    logged = {("acme", "chat"): {"b": 2, "a": 5}}
    expected = [
        Difference(tenant="acme", task="chat", field="a", streamed=1, logged=5),
        Difference(tenant="beta", task="", field="requests", streamed=3, logged=0),
    ]
    assert expected == list(differences(streamed, logged))
