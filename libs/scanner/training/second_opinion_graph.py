"""The head of the second opinion as an ONNX graph: vectors of spans in, their log-odds out."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from libs.scanner.second_opinion import CALIBRATION
from libs.scanner.second_opinion_calibration import Calibration
from libs.scanner.training.second_opinion_fit import Head

_OPSET: Final = 17
_IR_VERSION: Final = 9


def write(path: Path, head: Head, calibration: Calibration) -> None:
    """Write the head: `spans` (float32, n x dimensions) in, `log_odds` (n) out. Raises `onnx.checker.ValidationError`."""
    constants = {
        "first": head.first,
        "first_bias": head.first_bias,
        "second": head.second[:, None],
        "second_bias": head.second_bias,
        "last": np.array([1]),
    }
    steps = (
        ("MatMul", ("spans", "first"), "products"),
        ("Add", ("products", "first_bias"), "sums"),
        ("Relu", ("sums",), "units"),
        ("MatMul", ("units", "second"), "joined"),
        ("Add", ("joined", "second_bias"), "column"),
        ("Squeeze", ("column", "last"), "log_odds"),
    )
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [output]) for operator, inputs, output in steps],
        "second_opinion",
        [helper.make_tensor_value_info("spans", TensorProto.FLOAT, ["spans", len(head.first)])],
        [helper.make_tensor_value_info("log_odds", TensorProto.FLOAT, ["spans"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    helper.set_model_props(model, {CALIBRATION: msgspec.json.encode(calibration).decode()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
