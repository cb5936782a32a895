"""
Senses: groups of tokens that mean alike, so that a synonym of a word that was trained on counts a little as that word.

`python -m libs.scanner.training.senses --embedder model.safetensors` builds them anew, in a few minutes: each token of the vocabulary goes
through all-MiniLM-L6-v2 by itself, and k-means groups what comes out. The groups are kept in this package, so training needs no embedder.
"""

import argparse
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from libs.scanner.tokens import Ids

SENSES: Final = Path(__file__).parent / "senses.npy"

GROUPS: Final = 1_024

_DIMENSIONS: Final = 64
_ROUNDS: Final = 30
_SEED: Final = 7
_HEADS: Final = 12
_LAYERS: Final = 6
_BEGIN, _END = 101, 102
_BATCH_TOKENS: Final = 512

Floats = npt.NDArray[np.float32]


@cache
def bundled_senses() -> Ids:
    """Return the sense of each token of the vocabulary, from 0 to `GROUPS` - 1."""
    return np.asarray(np.load(SENSES), np.int32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Group the vocabulary of an embedder and keep the groups."""
    parser = argparse.ArgumentParser(prog="python -m libs.scanner.training.senses", description=__doc__)
    parser.add_argument("--embedder", type=Path, required=True, help="weights of all-MiniLM-L6-v2 as safetensors")
    weights = _weights(parser.parse_args(arguments).embedder)
    tokens = np.arange(len(weights["embeddings.word_embeddings.weight"]))
    parts = [_embedded(batch, weights) for batch in np.array_split(tokens, len(tokens) // _BATCH_TOKENS)]
    np.save(SENSES, grouped(_principal(np.concatenate(parts)), GROUPS, _ROUNDS).astype(np.uint16))


def grouped(points: Floats, groups: int, rounds: int) -> npt.NDArray[np.intp]:
    """Return the group of each of `points` (n x d, of length one) by k-means on the angle; a group left empty stays so."""
    centres = points[np.random.default_rng(_SEED).choice(len(points), groups, replace=False)]
    for _ in range(rounds):
        nearest = (points @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        centres = _of_length_one(sums)
    return np.asarray((points @ centres.T).argmax(axis=1))


def _principal(points: Floats) -> Floats:
    centred = points - points.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return _of_length_one(centred @ vectors[:, -_DIMENSIONS:])


def _of_length_one(points: Floats) -> Floats:
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9), np.float32)


def _weights(path: Path) -> dict[str, Floats]:
    """Read safetensors: the length of a JSON header, the header, and the numbers it points at."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = msgspec.json.decode(content[8:begin])
    return {name: _tensor(content, begin, entry) for name, entry in header.items() if name != "__metadata__"}


def _tensor(content: bytes, begin: int, entry: Any) -> Floats:
    dtype = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
    values = np.frombuffer(content, dtype, offset=begin + entry["data_offsets"][0], count=math.prod(entry["shape"]))
    return np.asarray(values.reshape(entry["shape"]), np.float32)


def _embedded(tokens: npt.NDArray[np.intp], weights: dict[str, Floats]) -> Floats:
    """Return the mean over the last layer of each token between the marks for begin and end (n x 384)."""
    ids = np.stack([np.full_like(tokens, _BEGIN), tokens, np.full_like(tokens, _END)], axis=1)
    words, places, kinds = (
        weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    hidden = _normed(words[ids] + places[: ids.shape[1]] + kinds[0], "embeddings.LayerNorm", weights)
    for layer in range(_LAYERS):
        hidden = _layer(hidden, f"encoder.layer.{layer}.", weights)
    return np.asarray(hidden.mean(axis=1))


def _layer(hidden: Floats, at: str, weights: dict[str, Floats]) -> Floats:
    attended = _linear(_attention(hidden, at, weights), f"{at}attention.output.dense", weights)
    hidden = _normed(hidden + attended, f"{at}attention.output.LayerNorm", weights)
    wide = _gelu(_linear(hidden, f"{at}intermediate.dense", weights))
    return _normed(hidden + _linear(wide, f"{at}output.dense", weights), f"{at}output.LayerNorm", weights)


def _attention(hidden: Floats, at: str, weights: dict[str, Floats]) -> Floats:
    rows, length, width = hidden.shape
    query, key, value = (
        _linear(hidden, f"{at}attention.self.{name}", weights).reshape(rows, length, _HEADS, -1).swapaxes(1, 2)
        for name in ("query", "key", "value")
    )
    scores = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(np.float32(width / _HEADS)))
    mixed = scores / scores.sum(axis=-1, keepdims=True) @ value
    return np.asarray(mixed.swapaxes(1, 2).reshape(rows, length, width))


def _linear(values: Floats, name: str, weights: dict[str, Floats]) -> Floats:
    return np.asarray(values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])


def _normed(values: Floats, name: str, weights: dict[str, Floats]) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + np.float32(1e-12))
    return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def _gelu(values: Floats) -> Floats:
    """Return GELU by its usual approximation with a hyperbolic tangent."""
    cubic = values + np.float32(0.044715) * values * values * values
    return np.asarray(0.5 * values * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * cubic)), np.float32)


if __name__ == "__main__":
    main()
