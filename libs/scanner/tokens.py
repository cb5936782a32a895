"""Tokens: a text as BERT WordPiece ids."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import nanotoken
import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]

VOCABULARY: Final = Path(__file__).parent / "data" / "vocab.txt"

_LONGEST_WORD_CHARS: Final = 1_000
"""A longer run without a space becomes one unknown token; BERT's own limit of 100 would hide a sentence without spaces."""


class Tokenizer:
    """WordPiece over the BERT uncased vocabulary; text that spells a special token is text, and nothing is cut off or padded."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._backend = nanotoken.WordPieceTokenizer.from_json(_definition(vocabulary))

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Return the token ids of each text, on the calling thread."""
        flat, offsets = self._backend.encode_batch(texts, add_special_tokens=False, parallel=False)
        ids = flat.astype(np.int32)
        return [ids[start:end] for start, end in pairwise(offsets.tolist())]

    def spell(self, ids: Sequence[int]) -> str:
        """Return the text that `ids` stand for, lower case."""
        return str(self._backend.decode(list(ids)))


@cache
def bundled_tokenizer() -> Tokenizer:
    """Return the tokenizer of the vocabulary that the model was trained with."""
    return Tokenizer(VOCABULARY.read_text(encoding="utf-8").splitlines())


def _definition(vocabulary: Sequence[str]) -> bytes:
    return msgspec.json.encode(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": True,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": _LONGEST_WORD_CHARS,
                "vocab": {token: number for number, token in enumerate(vocabulary)},
            },
        }
    )
