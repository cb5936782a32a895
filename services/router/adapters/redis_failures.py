"""Failures of Redis in the words of the ports."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import LockError, RedisError

from services.router.ports import PolicyUnavailableError


@contextmanager
def policy_unavailable() -> Iterator[None]:
    """Raise `PolicyUnavailableError` for what Redis could not do; a lock that is held is no failure."""
    try:
        yield
    except LockError:
        raise
    except (RedisError, OSError) as error:
        raise PolicyUnavailableError(f"{type(error).__name__}: {error}") from error
