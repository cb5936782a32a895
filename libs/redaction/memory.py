"""What was searched before: an agent sends its whole conversation again with each step of it."""

from typing import Final

CAPACITY: Final = 16_384
SHORTEST: Final = 64
"""Characters of the shortest text that is worth remembering."""


class CleanTexts:
    """
    Texts that were found to hold nothing, the last `CAPACITY` of them.

    Only 64-bit hashes are kept, keyed anew in each process: that a text with a finding has the hash of one without is as likely
    as to guess the hash, 1 in 10^15 with the memory full.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._hashes: dict[int, None] = {}

    def has(self, text: str, *circumstances: object) -> bool:
        """Say whether *text* is known to hold nothing in *circumstances*, which are hashable."""
        return len(text) >= SHORTEST and hash((text, circumstances)) in self._hashes

    def add(self, text: str, *circumstances: object) -> None:
        """Remember that *text* holds nothing in *circumstances*, in place of the one that is remembered longest."""
        if len(text) < SHORTEST:
            return
        self._hashes[hash((text, circumstances))] = None
        if len(self._hashes) > self._capacity:
            del self._hashes[next(iter(self._hashes))]
