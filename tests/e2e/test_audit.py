"""What the running platform decided, under weights that changed meanwhile, comes out bit for bit when it is replayed."""

from datetime import UTC, datetime, timedelta

import httpx

from tests.e2e.platform import Platform
from tests.e2e.test_learning import FRESH_S, STORED_S, chat, is_stored
from tests.support.process import wait_until

TENANT = "audited"
RATED = 4
HEADERS = {"Authorization": f"Bearer sk-{TENANT}"}


def test_every_decision_is_replayed_as_it_was_made(platform: Platform):
    for number in range(RATED):
        chat(platform, TENANT, f"a-{number}")
        chat(platform, TENANT, f"a-{number}")
        platform.floopy(TENANT).feedback.submit(score=9, useful=True, session_id=f"a-{number}")
        wait_until(
            lambda rated=number + 1: platform.rated_sessions(TENANT) == rated,
            timeout_s=FRESH_S,
            what="the rating in the weights",
        )
    last, _ = chat(platform, TENANT, "a-last")
    wait_until(lambda: is_stored(platform, TENANT, last), timeout_s=STORED_S, what="the decision to be stored")

    def replayed() -> bool:
        # The weights are a topic of their own and may be stored a little later than the decision.
        return f"\n{2 * RATED + 1} decisions replayed, 0 differ\n" == f"\n{replay(platform)}"

    wait_until(replayed, timeout_s=STORED_S, what="every decision to come out as it was logged")
    trace = platform.floopy(TENANT).decisions.get(last).decision_trace
    assert trace["snapshot_version"] > 0


def test_in_the_shadow_the_default_serves_and_the_choice_is_told(platform: Platform):
    gates = f"{platform.base_url}/optimization/constraints"
    answer = httpx.put(gates, json={"require_shadow_before_live": True}, headers=HEADERS, timeout=10)
    assert "shadow" == answer.json()["stage"], answer.text
    number = 0

    def shadowed() -> bool:
        nonlocal number
        number += 1
        request_id, _ = chat(platform, TENANT, f"shadow-{number}")
        wait_until(
            lambda: is_stored(platform, TENANT, request_id), timeout_s=STORED_S, what="the decision to be stored"
        )
        decision = platform.floopy(TENANT).decisions.get(request_id)
        trace = decision.decision_trace
        return trace["stage"] == "shadow" and trace["shadowed"] and decision.model == trace["baseline"]

    wait_until(shadowed, timeout_s=STORED_S, what="the gates to be in force")
    verification = httpx.get(f"{platform.base_url}/optimization/verification", headers=HEADERS, timeout=10).json()
    assert "insufficient_data" == verification["status"]
    assert "0 differ" in replay(platform)
    assert "live" == httpx.put(gates, json={}, headers=HEADERS, timeout=10).json()["stage"]


def replay(platform: Platform) -> str:
    now = datetime.now(UTC)  # noqa: TID251 - the platform's clock is the machine's
    begin, end = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    return platform.audit("replay", "--from", begin, "--to", end, "--tenant", TENANT).stdout
