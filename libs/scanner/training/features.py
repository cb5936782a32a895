"""Examples as arrays: for each row the slots of its n-grams and the windows that a scan would score."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from libs.scanner.detector import views_of
from libs.scanner.hashing import slots_of
from libs.scanner.model import batch_of
from libs.scanner.text import Segment
from libs.scanner.tokens import Ids, Tokenizer
from libs.scanner.training.senses import bundled_senses

Indices = npt.NDArray[np.intp]


class Examples(NamedTuple):
    """
    Rows in flat arrays; row r owns the tokens `tokens[r]:tokens[r + 1]` and the windows `owned[r]:owned[r + 1]`.

    `slots` is kind of n-gram by token; `starts` and `ends` bound each window within its row. All views of a text belong to its row, so that
    a row's score is that of its most suspicious window, as in a scan.
    """

    slots: npt.NDArray[np.int32]
    tokens: Indices
    owned: Indices
    starts: Indices
    ends: Indices

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self.tokens) - 1

    def take(self, rows: Indices) -> "Examples":
        """Return *rows*, in that order."""
        token_at, tokens = _ranges(self.tokens, rows)
        window_at, owned = _ranges(self.owned, rows)
        return Examples(self.slots[:, token_at], tokens, owned, self.starts[window_at], self.ends[window_at])


def examples(texts: Iterable[str], tokenizer: Tokenizer) -> Examples:
    """Return *texts* as a scan sees them; one without anything to read has one empty window."""
    rows = [batch_of(_views(text, tokenizer)) for text in texts]
    spans = [np.concatenate(of_row) for _, of_row in rows]
    bounds = np.concatenate(spans)
    slots = np.concatenate([slots_of(ids, bundled_senses()) for ids, _ in rows], axis=1)
    tokens, owned = _offsets(len(ids) for ids, _ in rows), _offsets(map(len, spans))
    return Examples(slots, tokens, owned, bounds[:, 0], bounds[:, 1])


def _views(text: str, tokenizer: Tokenizer) -> list[Ids]:
    readable = text.encode("utf-8", "replace").decode()
    views = [view.text for view in views_of(Segment(role="user", text=readable))]
    return tokenizer.encode(views or [""])


def _offsets(lengths: Iterable[int]) -> Indices:
    return np.cumsum(np.array([0, *lengths], np.intp))


def _ranges(offsets: Indices, rows: Indices) -> tuple[Indices, Indices]:
    """Return the positions that *rows* own, one row after the other, and the offsets of the rows among them."""
    lengths = offsets[rows + 1] - offsets[rows]
    kept = _offsets(lengths)
    return np.repeat(offsets[rows] - kept[:-1], lengths) + np.arange(kept[-1]), kept
