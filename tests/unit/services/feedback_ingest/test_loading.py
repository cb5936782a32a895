"""A Day-0 table goes into the log once, and its effect is waited for but never taken for granted."""

import msgspec
import pytest

from libs.contracts.events import ControlChanged
from libs.routing.priors import Priors, load_priors
from services.feedback_ingest.domain.benchmarks import digest, loaded, rows, summary
from services.feedback_ingest.loading import Loader
from services.feedback_ingest.ports import LogUnavailableError

SHIPPED = load_priors()
OWN = msgspec.structs.replace(
    SHIPPED,
    built_on="2027-01-01",
    families={"gpt-5-4": SHIPPED.families["gpt-5-4"], "house-1": SHIPPED.families["gpt-5-4"]},
    lines={},
)


class FakeBenchmarks:
    """What everybody reads, and a log whose changes a materialiser applies at once, unless it is *slow*."""

    def __init__(self, *, slow: bool = False, away: bool = False) -> None:
        self.table = SHIPPED
        self.changes: list[ControlChanged] = []
        self._slow = slow
        self._away = away

    async def in_force(self) -> Priors:
        return self.table

    async def append(self, change: ControlChanged) -> None:
        if self._away:
            raise LogUnavailableError("no broker")
        self.changes.append(change)
        if not self._slow:
            self.table = SHIPPED if change.value is None else msgspec.convert(change.value, Priors)


def change(after: Priors, before: Priors = SHIPPED) -> ControlChanged:
    return loaded(before, after, actor="cli", now_ms=7)


def loader(fake: FakeBenchmarks) -> Loader:
    return Loader(fake, fake, visible_within_s=0.01)


async def test_a_new_table_comes_into_force_and_the_same_again_changes_nothing():
    fake = FakeBenchmarks()
    assert "in force" == await loader(fake).load(change(OWN))
    assert OWN == await loader(fake).in_force()
    assert "unchanged" == await loader(fake).load(change(OWN, before=OWN))
    assert 1 == len(fake.changes)


async def test_the_shipped_table_is_restored_by_an_empty_value():
    fake = FakeBenchmarks()
    await loader(fake).load(change(OWN))
    assert "in force" == await loader(fake).load(change(SHIPPED, before=OWN))
    assert [None, SHIPPED] == [fake.changes[-1].value, fake.table]


async def test_an_effect_that_does_not_show_is_not_claimed():
    assert "not in force yet" == await loader(FakeBenchmarks(slow=True)).load(change(OWN))


async def test_a_broker_that_is_away_is_told():
    with pytest.raises(LogUnavailableError):
        await loader(FakeBenchmarks(away=True)).load(change(OWN))


def test_the_change_proves_what_was_replaced_by_what():
    fact = change(OWN)
    assert (digest(SHIPPED), digest(OWN), "priors", "*platform") == (
        fact.before_sha256,
        fact.after_sha256,
        fact.kind,
        fact.tenant,
    )
    assert OWN == msgspec.convert(fact.value, Priors)
    assert fact == change(OWN)
    assert fact.event_id != loaded(SHIPPED, OWN, actor="cli", now_ms=8).event_id


def test_the_operator_is_told_sources_dates_and_families():
    lines = list(summary(SHIPPED, OWN))
    assert f"built on 2027-01-01 (before: {SHIPPED.built_on}), 2 families" == lines[0]
    assert SHIPPED.boards[0].source in lines[1]
    assert "  new: house-1" in lines
    assert lines[-1].endswith(f"and {len(SHIPPED.families) - 6} more")


def test_the_operator_is_told_how_sure_the_boards_are_of_each_task():
    errors = [item.standard_errors["math"] for item in SHIPPED.families.values() if "math" in item.standard_errors]
    line = f"  math: {len(errors)} families, standard error {min(errors):.3f} to {max(errors):.3f}"
    assert line in list(summary(SHIPPED, SHIPPED))


def test_a_models_scores_are_told_with_their_standard_errors():
    known = SHIPPED.families["gpt-5-4"]
    told = list(rows(SHIPPED, ["openai/GPT-5.4", "nobody-1"]))
    assert f"  gpt-5-4 on math: {known.tasks['math']:+.3f} ± {known.standard_errors['math']:.3f}" in told
    assert "  nobody-1: on no board" == told[-1]
    assert len(known.tasks) + 1 == len(told)


def test_of_a_table_without_standard_errors_none_is_made_up():
    bare = msgspec.structs.replace(SHIPPED.families["gpt-5-4"], standard_errors=msgspec.UNSET)
    table = msgspec.structs.replace(SHIPPED, families={"gpt-5-4": bare})
    assert all(line.endswith("± unknown") for line in rows(table, ["gpt-5-4"]))
    assert not [line for line in summary(table, table) if "standard error" in line]
