"""One routing decision: what callers need to ask for it, and to go on when the winner does not answer."""

import hashlib

from libs.contracts.events import Candidate, Decision, WeightsPublished
from libs.routing.candidates import Models, NoCandidateError, Requirements, RoutingRequest
from libs.routing.plans import ORDERED, SEED_BITS, choose, plan_of

__all__ = ["NoCandidateError", "Requirements", "RoutingRequest", "decide", "fallbacks", "seed_of"]


def decide(request: RoutingRequest, weights: WeightsPublished, models: Models, *, seed: int) -> Decision:
    """
    Choose a model: the same arguments give the same Decision, bit for bit.

    Raises NoCandidateError with what removed each model. A service that decides often keeps a `libs.routing.selector.Selector`,
    which gives the same answers at a tenth of the time.
    """
    return choose(plan_of(request, weights, models), request, seed=seed)


def seed_of(tenant: str, session_id: str, task: str) -> int:
    """Return the seed of the one draw of a (session, task): 53 bits of a hash."""
    text = f"{len(tenant)}:{tenant}{len(session_id)}:{session_id}{task}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> (64 - SEED_BITS)


def fallbacks(decision: Decision) -> tuple[Candidate, ...]:
    """Return the candidates to try after the winner: a chain in its order, else by utility."""
    rest = tuple(item for item in decision.candidates if item.model != decision.winner)
    if decision.strategy in ORDERED:
        return rest
    return tuple(sorted(rest, key=lambda item: (-item.utility, item.model)))
