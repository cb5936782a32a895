"""From a prepared request to a decision, and from the decision to the models to call in order."""

from collections.abc import Iterator, Mapping

import msgspec

from libs.contracts.events import Decision, WeightsPublished
from libs.contracts.state import SessionState
from libs.providers.catalogue import Catalogue, Model
from libs.routing.constraints import gates_for
from libs.routing.selection import NoCandidateError, Requirements, RoutingRequest, fallbacks, seed_of
from libs.routing.selector import Selector
from libs.routing.tasks import Head, Told, UnknownTaskError, task_of
from services.gateway.domain.caller import Caller
from services.gateway.domain.errors import RefusedError, bad_request
from services.gateway.domain.trace import Prepared

STICKY = frozenset({"feedback_driven", "smart_cost", "latency_based", "weighted"})
"""Strategies whose choice a session keeps; the others follow from the request alone."""

MAX_PINS = 32
"""Tasks of which a session remembers the model."""


class Router:
    """Decides with one catalogue; *head* tells the shapes that structure leaves open, key words do where there is none."""

    def __init__(self, catalogue: Catalogue, head: Head | None = None) -> None:
        self._catalogue = catalogue
        self._head = head
        self._selector = Selector(catalogue.models)

    def task_of(self, caller: Caller, prepared: Prepared) -> Told:
        """Return the task: as the client names it, else as the request looks; raises `RefusedError` (400)."""
        try:
            return task_of(
                prepared.shape.features, named=prepared.options.task, own=caller.policy.tasks, head=self._head
            )
        except UnknownTaskError as error:
            raise bad_request(str(error), "floopy-task") from error

    def decide(
        self,
        caller: Caller,
        prepared: Prepared,
        told: Told,
        weights: WeightsPublished,
        *,
        session: SessionState,
        unavailable: frozenset[str],
    ) -> Decision:
        """Return the decision; raises `RefusedError` (400) for an unknown model, or when no model can serve the request."""
        requested = tuple(self._known(name) for name in prepared.choice.models)
        session_id = prepared.session.session_id
        as_named = len(requested) == 1 and prepared.rule is None
        request = RoutingRequest(
            tenant=caller.tenant,
            session_id=session_id,
            task=told.task,
            task_by=told.by,
            policy=caller.policy,
            requirements=Requirements() if as_named else prepared.shape.requirements,
            requested=requested,
            rule=prepared.rule,
            pinned=session.pins.get(told.task),
            in_tool_loop=prepared.shape.in_tool_loop,
            unavailable=self._left_out(prepared, frozenset() if as_named else unavailable),
            expected_output_tokens=prepared.shape.expected_output_tokens,
            gates=gates_for(prepared.rule, caller.gates),
        )
        try:
            return self._selector.decide(request, weights, seed=seed_of(caller.tenant, session_id, told.task))
        except NoCandidateError as error:
            raise _nobody(error) from error

    def order(self, decision: Decision) -> Iterator[Model]:
        """Yield the models to call: the winner, then the decision's fallbacks, which are ranked only when needed."""
        models = self._catalogue.models
        yield models[decision.winner]
        for candidate in fallbacks(decision):
            yield models[candidate.model]

    def _known(self, name: str) -> str:
        model = self._catalogue.find(name)
        if model is None:
            raise bad_request(f"The model {name!r} does not exist.", "model")
        return model.id

    def _left_out(self, prepared: Prepared, unavailable: frozenset[str]) -> frozenset[str]:
        provider = prepared.options.provider
        if provider is None:
            return unavailable
        if provider not in self._catalogue.providers:
            raise bad_request(f"The provider {provider!r} does not exist.", "floopy-provider")
        return unavailable | _elsewhere(self._catalogue.models, provider)


def pinned(session: SessionState, decision: Decision | None, served: str | None) -> SessionState | None:
    """Return the session's state with the model that served its task as the newest, None where there is nothing to keep."""
    if decision is None or served is None or decision.strategy not in STICKY:
        return None
    others = [(task, model) for task, model in session.pins.items() if task != decision.task]
    return msgspec.structs.replace(session, pins=dict([*others, (decision.task, served)][-MAX_PINS:]))


def _elsewhere(models: Mapping[str, Model], provider: str) -> frozenset[str]:
    return frozenset(model.id for model in models.values() if model.provider != provider)


def _nobody(error: NoCandidateError) -> RefusedError:
    if any(item.constraint == "unavailable" for item in error.filtered):
        message = "Every model that could serve this request is unavailable at the moment."
        return RefusedError(502, "PROVIDER_ERROR", message, retry_after_s=1)
    return bad_request(f"No model can serve this request: {error}", "model")
