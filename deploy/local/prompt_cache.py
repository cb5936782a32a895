"""A provider's prompt cache: which conversations it has seen begin the same way."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from deploy.local.answers import prompt_tokens

MOST_PREFIXES = 10_000
SMALLEST_TOKENS = 1024
STEP_TOKENS = 128


class PromptCache:
    """Remembers the beginnings of conversations per model, as OpenAI does: from 1,024 tokens, in steps of 128."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def cached_tokens(self, model: str, texts: Sequence[str]) -> int:
        """Return how many tokens of the prompt were seen before, and remember all of it."""
        keys = _prefix_keys(model, texts)
        known = max((length for length, key in enumerate(keys, 1) if key in self._seen), default=0)
        for key in keys:
            self._remember(key)
        size = prompt_tokens(texts[:known])
        return size // STEP_TOKENS * STEP_TOKENS if size >= SMALLEST_TOKENS else 0

    def _remember(self, key: bytes) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > MOST_PREFIXES:
            self._seen.popitem(last=False)


def _prefix_keys(model: str, texts: Sequence[str]) -> list[bytes]:
    digest = hashlib.sha256(model.encode())
    keys = []
    for text in texts:
        digest.update(b"\0" + text.encode())
        keys.append(digest.digest())
    return keys
