"""A key is looked up or refused, whatever bytes it is made of."""

import pytest

from services.gateway.domain.errors import RefusedError
from services.gateway.pipeline.authentication import authenticate
from tests.unit.services.gateway.fakes import SECRET, FakeDirectory, caller


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", " BEARER "])
async def test_the_holder_of_a_key_is_found(scheme: str):
    known = caller()
    assert known is await authenticate(FakeDirectory(**{SECRET: known}), f"{scheme} {SECRET}")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic sk-1", "Bearer \udcff", "Bearer a\tb"])
async def test_what_cannot_be_a_key_is_refused(authorization: str | None):
    with pytest.raises(RefusedError) as refused:
        await authenticate(FakeDirectory(), authorization)
    assert (401, "INVALID_API_KEY") == (refused.value.status, refused.value.code)
