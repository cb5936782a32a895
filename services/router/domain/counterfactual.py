"""Logged choices as another policy would have made them: the draws that off-policy estimates are made of."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from libs.contracts.events import Decision, FeedbackReceived, RequestCompleted, SourceWeights, WeightsPublished
from libs.routing.offpolicy import Draw
from libs.routing.plans import ORDERED, choose
from libs.routing.replay import Past, UnreplayableError, planned, request_of
from services.router.domain.refusals import RefusedError


class Alternative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another policy: one *model* for everything, or the same routing with other weights; what is None stays as it was."""

    model: str | None = None
    cost_weight: float | None = None
    latency_weight: float | None = None
    exploration_floor: float | None = None
    source_weights: SourceWeights | None = None

    @property
    def routes(self) -> bool:
        """Say whether the policy chooses anew, for which the weights of then are needed."""
        return self.model is None


class Course(msgspec.Struct, kw_only=True):
    """
    The choices of a session for a task, one after the other, under both policies.

    *propensity* and *target* are the probabilities of all of them; *lost* estimates how often the other policy makes a choice
    that the log could not have made. It is mutable: each request adds to it.
    """

    expected_taken: float
    expected_target: float
    propensity: float = 1.0
    target: float = 1.0
    lost: float = 0.0
    cost_micro_usd: int = 0


class Courses:
    """
    Collects requests, oldest first, into one course per session and task.

    What the other policy would do is asked at every request, given the model that the session has: a session that the log
    moved to another model speaks for no policy that would have stayed. *skipped* counts courses that cannot be used, by reason.
    """

    def __init__(self, alternative: Alternative, past: Past) -> None:
        self._alternative = alternative
        self._past = past
        self._found: dict[tuple[str, str], Course | None] = {}
        self.skipped: Counter[str] = Counter()

    def add(self, event: RequestCompleted, snapshots: Mapping[str, WeightsPublished]) -> None:
        """Take one request; *snapshots* by event id are those its decision needs."""
        decision = event.decision
        if decision is None or event.session_inferred or decision.strategy in ORDERED:
            return
        key = (event.session_id, decision.task)
        if key in self._found and self._found[key] is None:
            return
        try:
            self._found[key] = self._continued(self._found.get(key), event, decision, snapshots)
        except UnreplayableError as error:
            self._found[key] = None
            self.skipped[str(error)] += 1

    def sessions(self) -> list[str]:
        """Return the sessions whose ratings are wanted."""
        return sorted({session_id for (session_id, _), course in self._found.items() if course is not None})

    def draws(self, ratings: Iterable[FeedbackReceived]) -> Iterator[Draw]:
        """Yield the courses of rated sessions, each with the first rating that its user gave."""
        scores = first_scores(ratings)
        for (session_id, _), course in self._found.items():
            if course is not None and session_id in scores:
                yield Draw(
                    propensity=course.propensity,
                    target=course.target,
                    covered=1.0 - course.lost,
                    reward=scores[session_id],
                    cost_micro_usd=float(course.cost_micro_usd),
                    expected_taken=course.expected_taken,
                    expected_target=course.expected_target,
                )

    def _continued(
        self,
        course: Course | None,
        event: RequestCompleted,
        decision: Decision,
        snapshots: Mapping[str, WeightsPublished],
    ) -> Course:
        if event.model != decision.winner:
            raise UnreplayableError("another model answered than was chosen")
        logged, target = chances_of(decision), self._target(event, decision, snapshots)
        if course is None:
            if decision.pinned:
                raise UnreplayableError("the session began before the time range")
            expected = {item.model: item.score for item in decision.candidates}
            course = Course(
                expected_taken=expected[decision.winner],
                expected_target=sum(chance * expected.get(model, 0.0) for model, chance in target.items()),
            )
        covered = sum(chance for model, chance in target.items() if logged.get(model, 0.0) > 0)
        course.lost += course.target / course.propensity * (1.0 - covered)
        course.propensity *= logged[decision.winner]
        course.target *= target.get(decision.winner, 0.0)
        course.cost_micro_usd += event.cost_micro_usd
        return course

    def _target(
        self, event: RequestCompleted, decision: Decision, snapshots: Mapping[str, WeightsPublished]
    ) -> Mapping[str, float]:
        other = self._alternative
        if other.model is not None:
            return {other.model: 1.0}
        request = request_of(decision, event.tenant, event.session_id)
        given = {
            name: value
            for name in ("cost_weight", "latency_weight", "exploration_floor")
            if (value := getattr(other, name)) is not None
        }
        routing = msgspec.structs.replace(request.policy.routing, **given)
        policy = msgspec.structs.replace(request.policy, routing=routing)
        request = msgspec.structs.replace(request, policy=policy, gates=None)
        plan = planned(decision, request, snapshots, self._past, sources=other.source_weights)
        return chances_of(choose(plan, request, seed=decision.seed))


def check(alternative: Alternative) -> None:
    """Raise `RefusedError` unless *alternative* is a policy: one model, or at least one other weight."""
    weights = (alternative.cost_weight, alternative.latency_weight, alternative.exploration_floor)
    if (alternative.model is None) == (weights == (None, None, None) and alternative.source_weights is None):
        raise RefusedError("policy: give either model, or other weights", param="policy")
    if not all(value is None or (math.isfinite(value) and value >= 0) for value in weights):
        raise RefusedError("policy: weights have to be 0 or more", param="policy")
    sources = alternative.source_weights
    if sources is not None:
        shares = msgspec.structs.astuple(sources)
        if not (all(share >= 0 for share in shares) and math.isclose(sum(shares), 1.0, abs_tol=1e-6)):
            raise RefusedError(
                "policy.source_weights: have to be 0 or more and add up to 1", param="policy.source_weights"
            )


def chances_of(decision: Decision) -> dict[str, float]:
    """Return the probability of each model at this place: certainty where a session's model or a stage left no choice."""
    chances = {item.model: item.propensity for item in decision.candidates}
    return chances if chances[decision.winner] == decision.propensity else {decision.winner: 1.0}


def first_scores(ratings: Iterable[FeedbackReceived]) -> dict[str, float]:
    """Return the first score that the user gave each session."""
    given = [rating for rating in ratings if rating.source == "session" and rating.request_id is None]
    given.sort(key=lambda rating: (rating.received_at_ms, rating.event_id), reverse=True)
    return {rating.session_id: rating.score for rating in given}
