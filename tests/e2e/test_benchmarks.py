"""A Day-0 table that an operator loads is what the running gateways decide by, and can be taken back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from libs.routing.priors import load_priors, table_id
from tests.e2e.platform import Platform
from tests.e2e.test_learning import STORED_S, chat, is_stored
from tests.support.process import wait_until

TENANT = "beta"
SHIPPED = load_priors()
# Nobody is ranked, and whatever costs anything is held to be superb.
PRICY = msgspec.structs.replace(
    SHIPPED, families={"nobody": SHIPPED.families["gpt-5-4"]}, lines={}, price_slope=0.0, price_intercept=8.0
)


@pytest.fixture
def loaded(platform: Platform, tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "table.json"
    file.write_bytes(msgspec.json.encode(PRICY))
    done = platform.shell("feedback_ingest", "priors", "load", str(file))
    assert 0 == done.returncode, done.stderr
    yield done.stdout
    assert "in force" in platform.shell("feedback_ingest", "priors", "reset").stdout


def benchmarks_of(platform: Platform, number: int) -> list[float]:
    """Return what the gateway held the candidates to be worth by benchmarks, in a new session."""
    request_id, _ = chat(platform, TENANT, f"table-{number}")
    wait_until(lambda: is_stored(platform, TENANT, request_id), timeout_s=STORED_S, what="the decision to be stored")
    trace = platform.floopy(TENANT).decisions.get(request_id).decision_trace
    return [candidate["scores"]["benchmark"] for candidate in trace["candidates"]]


def test_a_loaded_table_is_taken_up_by_gateways_that_run(platform: Platform, loaded: str):
    assert f"table {table_id(PRICY)}: in force" in loaded
    numbers = iter(range(100))
    wait_until(
        lambda: min(benchmarks_of(platform, next(numbers))) > 0.9, timeout_s=STORED_S, what="the table in decisions"
    )
    told = httpx.get(
        f"{platform.base_url}/optimization/benchmarks", headers={"Authorization": f"Bearer sk-{TENANT}"}, timeout=10
    ).json()
    assert table_id(PRICY) == told["table"]
    assert len(SHIPPED.boards) == len(told["boards"])
    assert all("standard_error" in model for model in told["models"].values())
    shown = platform.shell("feedback_ingest", "priors", "show", "nobody").stdout
    assert f"  nobody on math: {PRICY.families['nobody'].tasks['math']:+.3f} ± " in shown


def test_a_table_that_cannot_be_used_is_refused_with_its_faults(platform: Platform, tmp_path: Path):
    file = tmp_path / "table.json"
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(SHIPPED, built_on="soon", price_slope=99.0)))
    done = platform.shell("feedback_ingest", "priors", "load", str(file))
    assert 2 == done.returncode
    assert all(fault in done.stderr for fault in ("built_on: has to be a date", "price_slope: has to be a z-score"))
