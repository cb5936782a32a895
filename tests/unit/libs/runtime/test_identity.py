"""An identity is believed when the gateway signed it and it has not expired, and never otherwise."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts import http
from libs.runtime.errors import ApiError
from libs.runtime.identity import IDENTITY, Identity, IdentityError, require_identity, sign, verify

SECRET = b"secret"

names = st.text(st.characters(codec="utf-8"), max_size=30)
identities = st.builds(
    Identity,
    tenant=names,
    key_id=names,
    permissions=st.lists(names, max_size=3).map(tuple),
    project=st.none() | names,
    plan=names,
    expires_at=st.integers(1, 2**40),
)
CLAIMS = Identity(tenant="acme", key_id="k1", permissions=("read",), plan="pro", expires_at=1000)


@given(identities)
def test_what_was_signed_is_verified_until_it_expires(claims):
    value = sign(claims, SECRET)
    assert claims == verify(value, SECRET, now=claims.expires_at - 1)
    with pytest.raises(IdentityError, match="expired"):
        verify(value, SECRET, now=claims.expires_at)


@given(identities, st.binary().filter(lambda secret: secret != SECRET))
def test_another_secret_is_refused(claims, secret):
    with pytest.raises(IdentityError, match="wrong signature"):
        verify(sign(claims, secret), SECRET, now=0)


@given(st.data())
def test_a_changed_character_is_refused(data):
    value = sign(CLAIMS, SECRET)
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda character: character != value[at]))
    with pytest.raises(IdentityError):
        verify(value[:at] + other + value[at + 1 :], SECRET, now=0)


@given(st.text())
def test_any_other_text_is_refused(text):
    with pytest.raises(IdentityError):
        verify(text, SECRET, now=0)


def test_a_header_is_fit_for_the_wire():
    assert sign(CLAIMS, SECRET).isascii()
    assert sign(CLAIMS, SECRET).isprintable()


async def answer(request: web.Request) -> web.Response:
    return web.Response(text=request[IDENTITY].tenant if IDENTITY in request else "nobody")


def request(path: str, value: str | None) -> web.Request:
    return make_mocked_request("GET", path, headers={http.IDENTITY: value} if value else {})


async def test_the_middleware_hands_on_the_caller():
    middleware = require_identity(SECRET, clock=lambda: 0)
    assert "acme" == (await middleware(request("/v1/feedback", sign(CLAIMS, SECRET)), answer)).text


@pytest.mark.parametrize("value", [None, "v1.x.y", sign(CLAIMS, b"other")])
async def test_the_middleware_answers_401_without_a_valid_identity(value):
    with pytest.raises(ApiError) as raised:
        await require_identity(SECRET, clock=lambda: 0)(request("/v1/feedback", value), answer)
    assert (401, "INVALID_API_KEY") == (raised.value.status, raised.value.code)


async def test_the_middleware_lets_health_checks_pass():
    assert "nobody" == (await require_identity(SECRET)(request("/readyz", None), answer)).text
