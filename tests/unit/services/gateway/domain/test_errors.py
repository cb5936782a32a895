"""Every refusal is the one error object; a provider's explanation of the client's mistake is passed on in it."""

import json

import pytest

from services.gateway.domain.errors import RefusedError, bad_request, provider_fault


def test_a_refusal_is_the_contracts_error_object():
    expected = {"message": "why", "type": "invalid_request_error", "param": "model", "code": "BAD_REQUEST"}
    assert {"error": expected} == json.loads(bad_request("why", "model").body())


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 502, 503, 504])
def test_each_status_has_a_type_of_its_own(status):
    kind = json.loads(RefusedError(status, "BAD_REQUEST", "x").body())["error"]["type"]
    assert kind.endswith("_error")


def test_a_providers_explanation_is_kept():
    explained = {
        "message": "too long",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    fault = provider_fault(400, json.dumps({"error": explained | {"internal": "dropped"}}).encode())
    assert {"error": explained} == json.loads(fault.body())


def test_an_explanation_whose_code_is_a_number_is_kept():
    fault = provider_fault(400, b'{"error": {"message": "too long", "code": 400}}')
    error = json.loads(fault.body())["error"]
    assert ("too long", 400) == (error["message"], error["code"])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {"message": 5}}'])
def test_an_explanation_that_cannot_be_read_is_replaced(body):
    error = json.loads(provider_fault(422, body).body())["error"]
    assert ("BAD_REQUEST", None) == (error["code"], error["param"])
    assert "422" in error["message"]
