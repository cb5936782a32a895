"""The head learns which span decides a row, and the graph says what the head says."""

import numpy as np
import onnxruntime
import pytest

from libs.scanner.second_opinion_calibration import Calibration
from libs.scanner.training import second_opinion_graph as graph
from libs.scanner.training.second_opinion_fit import Head, Settings, Spans, fit, log_odds
from libs.scanner.verdict import Band, Thresholds

ROWS, SPANS, SIZE = 240, 5, 12
SETTINGS = Settings(hidden=8, epochs=30, learning_rate=1e-2, dropped=0.0, dropped_inputs=0.0)
CALIBRATION = Calibration(
    first=1.0, second=1.0, bias=0.0, worth_reading=0.0, thresholds=Thresholds(default=Band(flag=0.5, block=0.9))
)


@pytest.fixture(scope="module")
def spans() -> Spans:
    """Rows of noise; of every second row one span says what the label knows."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(3, 2, (ROWS * SPANS, SIZE)).astype(np.float32)
    for row in range(0, ROWS, 2):
        vectors[row * SPANS + rng.integers(SPANS), :3] += 12
    return Spans(vectors, np.arange(0, ROWS * SPANS + 1, SPANS))


@pytest.fixture(scope="module")
def labels() -> "np.ndarray":
    return (np.arange(ROWS) % 2 == 0).astype(np.float32)


@pytest.fixture(scope="module")
def head(spans: Spans, labels: "np.ndarray") -> Head:
    return fit(spans, labels, np.ones(ROWS), SETTINGS)


def test_one_telling_span_among_many_is_found(spans: Spans, labels: "np.ndarray", head: Head):
    assert np.mean((log_odds(spans, head) > 0) == (labels > 0)) > 0.97


def test_the_same_seed_gives_the_same_head(spans: Spans, labels: "np.ndarray", head: Head):
    again = fit(spans, labels, np.ones(ROWS), SETTINGS)
    assert all(np.array_equal(one, other) for one, other in zip(head, again, strict=True))


def test_rows_keep_their_spans_in_any_order(spans: Spans, head: Head):
    order = np.array([7, 3, 3, 100])
    assert np.allclose(log_odds(spans, head)[order], log_odds(spans.take(order), head))


def test_the_graph_says_what_the_head_says(spans: Spans, head: Head, tmp_path):
    graph.write(tmp_path / "head.onnx", head, CALIBRATION)
    session = onnxruntime.InferenceSession(str(tmp_path / "head.onnx"), providers=["CPUExecutionProvider"])
    assert np.allclose(head.log_odds(spans.vectors), session.run(None, {"spans": spans.vectors})[0], atol=1e-4)
