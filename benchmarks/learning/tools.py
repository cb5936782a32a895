"""World "tools": tool calls, grade-school maths and code reasoning, with costs from answer lengths and published prices."""

from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks.build_priors import read_rows
from benchmarks.learning.world import World, priors_for, recorded_model
from libs.providers.catalogue import Price

COST_WEIGHT = 5.0
TOKENS = (600, 150)
CHARS_PER_TOKEN = 4
CALL_TOKENS = (600, 100)  # Of a tool call, whose recorded answers have no length.
PUZZLE_INPUT_TOKENS = 200
MIN_ITEMS = 40
PUZZLES = {"gsm": "math", "crux": "coding"}


class _Recorded(msgspec.Struct, frozen=True):
    """One model under its names on both boards, its family, and dollars per million tokens in and out."""

    calls: str
    puzzles: str
    family: str
    fresh_input: float
    output: float


RECORDED = (
    _Recorded("claude-3-5-sonnet-20240620-FC", "claude-3-5-sonnet-20240620", "claude-sonnet-3-5", 3.0, 15.0),
    _Recorded("claude-3-haiku-20240307-FC", "claude-3-haiku-20240307", "claude-haiku-3", 0.25, 1.25),
    _Recorded("claude-3-opus-20240229-FC", "claude-3-opus-20240229", "claude-opus-3", 15.0, 75.0),
    _Recorded("claude-3-sonnet-20240229-FC", "claude-3-sonnet-20240229", "claude-sonnet-3", 3.0, 15.0),
    _Recorded("gpt-4o-2024-05-13-FC", "gpt-4o-2024-05-13", "gpt-4o", 5.0, 15.0),
    _Recorded("gpt-4o-2024-08-06-FC", "gpt-4o-2024-08-06", "gpt-4o", 2.5, 10.0),
    _Recorded("gpt-4o-mini-2024-07-18-FC", "gpt-4o-mini-2024-07-18", "gpt-4o-mini", 0.15, 0.6),
    _Recorded("gpt-3.5-turbo-0125-FC", "gpt-3.5-turbo-0125", "gpt-3-5-turbo", 0.5, 1.5),
    _Recorded("gemini-1.5-pro-preview-0514", "gemini-1.5-pro", "gemini-1-5-pro", 1.25, 5.0),
    _Recorded("gemini-1.5-flash-preview-0514", "gemini-1.5-flash", "gemini-1-5-flash-001", 0.075, 0.3),
    _Recorded("meta-llama_Meta-Llama-3-70B-Instruct", "Meta-Llama-3-70B-Instruct", "llama-3-70b", 0.59, 0.79),
    _Recorded("meta-llama_Meta-Llama-3-8B-Instruct", "Meta-Llama-3-8B-Instruct", "llama-3-8b", 0.05, 0.08),
    _Recorded("mistral-large-2407-FC-Auto", "Mistral-Large-2", "mistral-large", 2.0, 6.0),
)

Outcomes = dict[str, dict[str, dict[str, tuple[float, float]]]]  # task → item → model → score, output tokens


def load_tools(data: Path) -> World:
    """Read the world from bfcl_2024_08.parquet, zeroeval.parquet and priors_long.csv in *data*."""
    calls = _outcomes(data / "bfcl_2024_08.parquet", {model.calls: model.puzzles for model in RECORDED})
    puzzles = _outcomes(data / "zeroeval.parquet", {model.puzzles: model.puzzles for model in RECORDED})
    kinds = dict.fromkeys(sorted(calls), "tool_use") | PUZZLES
    scores, costs = {}, {}
    for task in kinds:
        known = [item for _, item in sorted({**calls, **puzzles}[task].items()) if len(item) == len(RECORDED)]
        if len(known) >= MIN_ITEMS:
            scores[task] = np.array([[item[model.puzzles][0] for model in RECORDED] for item in known])
            costs[task] = np.array(
                [[_dollars(model, task, item[model.puzzles][1]) for model in RECORDED] for item in known]
            )
    return World(
        name="tools",
        models={model.puzzles: recorded_model(model.puzzles, model.family, _price(model)) for model in RECORDED},
        scores=scores,
        costs=costs,
        priors=priors_for(read_rows(data / "priors_long.csv"), {task: kinds[task] for task in scores}),
        cost_weight=COST_WEIGHT,
        tokens=TOKENS,
    )


def _outcomes(path: Path, names: dict[str, str]) -> Outcomes:
    found: Outcomes = defaultdict(lambda: defaultdict(dict))
    for row in pq.read_table(path).to_pylist():
        name = names.get(row["model"])
        if name is not None and row["score"] is not None:
            chars = row.get("out_chars")
            tokens = CALL_TOKENS[1] if chars is None else chars / CHARS_PER_TOKEN
            found[row["task"]][row["item"]][name] = (row["score"], tokens)
    return found


def _dollars(model: _Recorded, task: str, output_tokens: float) -> float:
    input_tokens = PUZZLE_INPUT_TOKENS if task in PUZZLES else CALL_TOKENS[0]
    return (input_tokens * model.fresh_input + output_tokens * model.output) / 1e6


def _price(model: _Recorded) -> Price:
    return Price(
        fresh_input=model.fresh_input, cache_read=model.fresh_input, cache_write=model.fresh_input, output=model.output
    )
