"""A cursor is read by who made it, for what it was made, as it was made."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.router.domain.cursor import CursorError, Position, seal, unseal

SECRET, SCOPE = b"secret", b"scope"
POSITIONS = st.builds(Position, st.integers(-(2**53), 2**53), st.text(max_size=40))


@given(POSITIONS, st.binary(), st.binary(min_size=1))
def test_what_is_sealed_is_unsealed(position: Position, scope: bytes, secret: bytes):
    assert position == unseal(seal(position, scope=scope, secret=secret), scope=scope, secret=secret)


@given(POSITIONS, st.data())
def test_any_change_is_refused(position: Position, data: st.DataObject):
    cursor = seal(position, scope=SCOPE, secret=SECRET)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(codec="utf-8"))
    assume(cursor[at] != other)
    with pytest.raises(CursorError):
        unseal(cursor[:at] + other + cursor[at + 1 :], scope=SCOPE, secret=SECRET)


@given(st.text())
def test_what_was_never_sealed_is_refused(text: str):
    with pytest.raises(CursorError):
        unseal(text, scope=SCOPE, secret=SECRET)


@pytest.mark.parametrize(("scope", "secret"), [(b"other", SECRET), (SCOPE, b"other")])
def test_another_scope_or_secret_is_refused(scope: bytes, secret: bytes):
    cursor = seal(Position(1, "r1"), scope=SCOPE, secret=SECRET)
    with pytest.raises(CursorError):
        unseal(cursor, scope=scope, secret=secret)
