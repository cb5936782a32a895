"""The ONNX graph: hashing, weights, windows and the logistic function in one file that needs no code of ours to run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from libs.scanner.hashing import MULTIPLIERS, NGRAM_SIZES, SALTS, SLOTS

_OPSET: Final = 17
_IR_VERSION: Final = 9
_END: Final = np.iinfo(np.int64).max


class _Graph:
    """Collects nodes and constants; every method returns the name of what it added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.int64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def from_token(self, start: int) -> str:
        """Add the ids moved left by `start`, zeros at the end."""
        if start == 0:
            return "ids"
        moved = self.add("Slice", "ids", self.constant([start]), self.constant([_END]), self.constant([0]))
        return self.add("Pad", moved, self.constant([0, start]), self.constant(0))


def write(path: Path, slots: npt.NDArray[np.float32], bias: float, metadata: Mapping[str, str]) -> None:
    """
    Write the model: `ids` (int64, n), `starts` and `ends` (int64, w) in; `scores` (w) and `contributions` (2 x n) out.

    Weights are stored as float16. Raises `onnx.checker.ValidationError` when the graph is not valid.
    """
    model = helper.make_model(
        _graph(slots, bias), opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _graph(slots: npt.NDArray[np.float32], bias: float) -> onnx.GraphProto:
    graph = _Graph()
    contributions = _contributions(graph, slots)
    _scores(graph, contributions, bias)
    return helper.make_graph(
        graph.nodes,
        "firewall",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, [size])
            for name, size in (("ids", "n"), ("starts", "w"), ("ends", "w"))
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["w"]),
            helper.make_tensor_value_info("contributions", TensorProto.FLOAT, [NGRAM_SIZES, "n"]),
        ],
        graph.constants,
    )


def _contributions(graph: _Graph, slots: npt.NDArray[np.float32]) -> str:
    """Hash as `libs.scanner.hashing.slots_of` does, then look the weights up."""
    axis = graph.constant([0])
    rows, total = [], graph.constant([0])
    for at, (multiplier, salt) in enumerate(zip(MULTIPLIERS, SALTS, strict=True)):
        term = graph.add("Mul", graph.from_token(at), graph.constant(multiplier))
        total = graph.add("Add", total, term)
        rows.append(graph.add("Unsqueeze", graph.add("Add", total, graph.constant(salt)), axis))
    hashed = graph.add("Mod", graph.add("Concat", *rows, axis=0), graph.constant(SLOTS))
    weights = graph.add("Gather", graph.constant(slots, np.float16), hashed)
    return graph.add("Cast", weights, output="contributions", to=TensorProto.FLOAT)


def _scores(graph: _Graph, contributions: str, bias: float) -> str:
    """Take window sums as differences of one running sum: cost does not grow with the overlap of windows."""
    summed = graph.add("ReduceSum", contributions, graph.constant([0]), keepdims=0)
    running = graph.add(
        "CumSum", graph.add("Pad", summed, graph.constant([1, 0]), graph.constant(0, np.float32)), graph.constant(0)
    )
    total = graph.add("Sub", graph.add("Gather", running, "ends"), graph.add("Gather", running, "starts"))
    length = graph.add("Cast", graph.add("Sub", "ends", "starts"), to=TensorProto.FLOAT)
    grams = graph.add(
        "Add", graph.add("Mul", length, graph.constant(NGRAM_SIZES, np.float32)), graph.constant(1, np.float32)
    )
    scaled = graph.add("Div", total, graph.add("Sqrt", grams))
    return graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(bias, np.float32)), output="scores")
