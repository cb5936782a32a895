"""Simulated rated traffic of a tenant: decided by the real routing, rated by how good the chosen model really is."""

import random

import msgspec

from libs.contracts.events import FeedbackReceived, RequestCompleted
from libs.contracts.state import RoutingPolicy, TenantPolicy
from libs.routing.priors import day0, load_priors
from libs.routing.replay import Past
from libs.routing.selection import decide, seed_of
from libs.routing.snapshots import effective
from tests.unit.libs.routing.builders import a_model, a_request, a_snapshot, catalogue, known
from tests.unit.services.router.events import rating, request

MODELS = catalogue(a_model("small", price=1.0), a_model("large", price=20.0))
PAST = Past(priors=load_priors(), models=MODELS)
DAY0 = day0(PAST.priors, MODELS.values(), now_ms=0)
OWN = a_snapshot({"small": known(0.6, session=0.6), "large": known(0.6, session=0.61)}, event_id="w7")
POLICY = TenantPolicy(tenant="acme", routing=RoutingPolicy(cost_weight=0.0))
QUALITY = {"small": 0.55, "large": 0.75}
COST = {"small": 100, "large": 2_000}


def traffic(sessions: int, *, hops: int = 2) -> tuple[list[RequestCompleted], list[FeedbackReceived]]:
    """Return the requests of sessions that stay with their first model, oldest first, and one rating of each."""
    rng = random.Random(7)  # noqa: S311 - a simulation
    weights = effective(OWN, None, DAY0)
    requests, ratings = [], []
    for number in range(sessions):
        session_id, pinned = f"s{number}", None
        for hop in range(hops):
            asked = a_request(session_id=session_id, policy=POLICY, pinned=pinned)
            decision = decide(asked, weights, MODELS, seed=seed_of("acme", session_id, "chat"))
            pinned = decision.winner
            made = request(number * hops + hop, session_id=session_id, decision=decision)
            requests.append(msgspec.structs.replace(made, model=pinned, cost_micro_usd=COST[pinned]))
        score = min(1.0, max(0.0, rng.gauss(QUALITY[pinned or ""], 0.15)))
        ratings.append(rating(score, session_id=session_id, event_id=f"f{number}"))
    return requests, ratings
