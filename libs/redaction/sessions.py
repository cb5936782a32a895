"""Session ids without addresses: what joins requests with ratings has to be the same everywhere, and say nothing."""

from functools import lru_cache
from typing import Final

from libs.contracts.state import RedactionPolicy
from libs.redaction.redactor import Redactor

_ADDRESSES: Final = RedactionPolicy(mode="hash", skip=("secret", "card", "iban", "national_id"))
_REMEMBERED: Final = 1_024


class SessionNames:
    """
    Names sessions by the ids that clients give them.

    Each service does so where an id comes in, whatever the tenant's redaction says, so that they mean the same session before
    and after a change of it. *secret* is what the services share.
    """

    def __init__(self, secret: str) -> None:
        self._redactor = lru_cache(_REMEMBERED)(lambda tenant: Redactor(_ADDRESSES, tenant=tenant, secret=secret))

    def of(self, tenant: str, given: str) -> str:
        """Return *given*, with a digest in place of an e-mail address or an international telephone number in it."""
        if "@" not in given and "+" not in given:  # Nearly always, and at no cost to a request.
            return given
        return self._redactor(tenant).text(given)
