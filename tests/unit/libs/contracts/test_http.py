"""Paths have one owner, and every error status has a type."""

import pytest

from libs.contracts.http import ERROR_TYPES, OWNED_PREFIXES, owner_of


@pytest.mark.parametrize("prefix", OWNED_PREFIXES)
def test_a_prefix_and_everything_below_it_have_the_same_owner(prefix: str):
    assert OWNED_PREFIXES[prefix] == owner_of(prefix) == owner_of(f"{prefix}/1/2")


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/models", "/healthz", "/", "", "/v1/feedbacks", "/v1/sessions", "/v2/feedback"]
)
def test_other_paths_are_nobodys(path: str):
    assert owner_of(path) is None


@pytest.mark.parametrize(
    "path", ["/v1/decisions/../../metrics", "/v1/decisions/..", "/v1/./feedback", "/v1/feedback/."]
)
def test_a_path_that_leads_out_of_its_prefix_is_nobodys(path: str):
    assert owner_of(path) is None


def test_no_prefix_hides_another_of_a_different_owner():
    hidden = {
        inner
        for outer, owner in OWNED_PREFIXES.items()
        for inner, other in OWNED_PREFIXES.items()
        if inner.startswith(f"{outer}/") and other != owner
    }
    assert set() == hidden


def test_error_types_are_those_that_the_sdks_know():
    assert all(kind.endswith("_error") for kind in ERROR_TYPES.values())
    assert {400, 401, 403, 404, 413, 429, 502, 504} <= ERROR_TYPES.keys()
