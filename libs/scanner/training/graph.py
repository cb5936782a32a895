"""The ONNX graph: hashing, weights, windows and the logistic function in one file that needs no code of ours to run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from libs.scanner.hashing import LONGEST, MULTIPLIERS, NGRAM_SIZES, SALTS, SLOTS
from libs.scanner.tokens import Ids

_OPSET: Final = 18
_IR_VERSION: Final = 9


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


def write(path: Path, senses: Ids, slots: npt.NDArray[np.float32], bias: float, metadata: Mapping[str, str]) -> None:
    """
    Write the model: `tokens` (int32, 3 x n) and `windows` (int64, w x 2) in; `scores` (w) and `contributions` (5 x n) out.

    `tokens` holds each token and the two after it. Weights are stored as float16. Raises `onnx.checker.ValidationError` when the graph
    is not valid.
    """
    model = helper.make_model(
        _graph(senses, slots, bias), opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _graph(senses: Ids, slots: npt.NDArray[np.float32], bias: float) -> onnx.GraphProto:
    graph = _Graph()
    contributions = _contributions(graph, senses, slots)
    _scores(graph, contributions, bias)
    return helper.make_graph(
        graph.nodes,
        "firewall",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT32, [LONGEST, "n"]),
            helper.make_tensor_value_info("windows", TensorProto.INT64, ["w", 2]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["w"]),
            helper.make_tensor_value_info("contributions", TensorProto.FLOAT, [len(NGRAM_SIZES), "n"]),
        ],
        graph.constants,
    )


def _contributions(graph: _Graph, senses: Ids, slots: npt.NDArray[np.float32]) -> str:
    """Hash as `libs.scanner.hashing.slots_of` does, then look the weights up."""
    meant = graph.add("Gather", graph.constant(senses, np.int32), "tokens")
    read = graph.add("Concat", "tokens", meant, axis=0)
    mixed = graph.add("MatMul", graph.constant(MULTIPLIERS, np.int32), read)
    salted = graph.add("Add", mixed, graph.constant(SALTS, np.int32))
    hashed = graph.add("BitwiseAnd", salted, graph.constant(SLOTS - 1, np.int32))
    weights = graph.add("Gather", graph.constant(slots, np.float16), hashed)
    return graph.add("Cast", weights, output="contributions", to=TensorProto.FLOAT)


def _scores(graph: _Graph, contributions: str, bias: float) -> str:
    """Take window sums as differences of one running sum: cost does not grow with the overlap of windows."""
    summed = graph.add("ReduceSum", contributions, graph.constant([0]), keepdims=0)
    running = graph.add(
        "CumSum", graph.add("Pad", summed, graph.constant([1, 0]), graph.constant(0, np.float32)), graph.constant(0)
    )
    difference = graph.constant([-1, 1], np.float32)
    total = graph.add("MatMul", graph.add("Gather", running, "windows"), difference)
    length = graph.add("MatMul", graph.add("Cast", "windows", to=TensorProto.FLOAT), difference)
    grams = graph.add(
        "Add", graph.add("Mul", length, graph.constant(len(NGRAM_SIZES), np.float32)), graph.constant(1, np.float32)
    )
    scaled = graph.add("Div", total, graph.add("Sqrt", grams))
    return graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(bias, np.float32)), output="scores")
