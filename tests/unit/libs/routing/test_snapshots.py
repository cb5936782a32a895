"""A tenant's own estimates lie over the pool's, and these over the shipped benchmarks; each layer stays known by its id."""

from libs.contracts.state import POOL
from libs.routing.snapshots import base_id_of, effective, estimates_of
from tests.unit.libs.routing.builders import a_snapshot, known

DAY0 = a_snapshot({"a": known(0.1), "b": known(0.1)}, event_id="day0", scope=POOL, version=0, phase="day0")
OF_POOL = a_snapshot({"b": known(0.2)}, event_id="pool", scope=POOL, version=4)
OWN = a_snapshot({"a": known(0.3)}, event_id="own", tasks={"chat": {"a": known(0.3)}, "new": {"a": known(0.4)}})


def test_the_nearest_layer_that_knows_a_model_speaks_for_it() -> None:
    found = effective(OWN, OF_POOL, DAY0)
    assert {"a": known(0.3), "b": known(0.2)} == estimates_of(found, "chat")
    assert ("own", "pool", 7) == (found.event_id, base_id_of(found), found.version)


def test_a_tenant_without_weights_is_on_day_zero_as_the_pool_corrects_it() -> None:
    found = effective(None, OF_POOL, DAY0)
    assert ("day0", DAY0.weights, True) == (found.phase, found.weights, found.pool_used)
    assert ("pool", "day0") == (found.event_id, base_id_of(found))


def test_without_a_pool_only_the_benchmarks_are_beneath() -> None:
    assert "day0" == base_id_of(effective(OWN, None, DAY0))
    assert DAY0 is effective(None, None, DAY0)
    assert base_id_of(DAY0) is None
