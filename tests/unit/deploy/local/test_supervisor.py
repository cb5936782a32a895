"""The table of processes is checked before anything starts."""

from pathlib import Path

import pytest

from deploy.local.process import ProcessSpec, TcpProbe
from deploy.local.supervisor import Backoff, Supervisor


def spec(name: str, *needs: str) -> ProcessSpec:
    return ProcessSpec(name=name, argv=("true",), ready=TcpProbe(port=1), depends_on=needs)


def supervisor(*specs: ProcessSpec) -> Supervisor:
    return Supervisor(specs, logs=Path("logs"), changed=lambda _status: None)


def test_processes_start_after_what_they_need():
    names = [status.name for status in supervisor(spec("c", "b"), spec("b", "a"), spec("a")).statuses]

    assert ["a", "b", "c"] == names


@pytest.mark.parametrize("specs", [(spec("a", "b"), spec("b", "a")), (spec("a", "missing"),), (spec("a"), spec("a"))])
def test_a_table_that_cannot_be_started_is_refused(specs: tuple[ProcessSpec, ...]):
    with pytest.raises(ValueError, match="a"):
        supervisor(*specs)


def test_restarts_wait_longer_each_time_up_to_a_bound():
    backoff = Backoff(first_s=1, most_s=5)

    assert [1, 2, 4, 5, 5] == [backoff.delay_s(restart) for restart in range(1, 6)]
