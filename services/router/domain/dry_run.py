"""A routing decision without a request: the gateway's own steps on a question, told in full, with no effect."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from libs.contracts.events import Decision, FirewallVerdict, WeightsPublished
from libs.contracts.http import SESSION_HEADERS
from libs.contracts.state import (
    MAX_SESSION_ID_CHARS,
    ApiKey,
    FirewallMode,
    FirewallPolicy,
    OptimizationGates,
    RoutingRule,
    SessionState,
    TenantPolicy,
)
from libs.providers.catalogue import Catalogue
from libs.routing.constraints import gates_for
from libs.routing.explain import explanation
from libs.routing.request import ChatRequest, ChoiceError, ModelChoice, Reading, inferred_session_id, read, read_choice
from libs.routing.selection import NoCandidateError, Requirements, RoutingRequest, decide, fallbacks, seed_of
from libs.routing.tasks import Head, Told, UnknownTaskError, task_of
from services.router.domain.refusals import RefusedError

ALIASES = ("floopy-", "helicone-")
FLAGS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


class ExplainedChat(ChatRequest):
    """The fields of a chat request that decide on its routing."""

    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request to be explained: *body* as it would be sent, *chat* as it was read, headers in lower case."""

    body: bytes
    chat: ExplainedChat
    reading: Reading
    headers: Mapping[str, str]

    def option(self, name: str) -> str | None:
        """Return the value of header `floopy-<name>` or of its alias."""
        return next((self.headers[alias + name] for alias in ALIASES if alias + name in self.headers), None)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision depends on beside the question."""

    key: ApiKey
    policy: TenantPolicy
    rules: Sequence[RoutingRule]
    weights: WeightsPublished
    session: SessionState
    gates: Mapping[str, OptimizationGates] = {}
    head: Head | None = None


class _Envelope(msgspec.Struct):
    request: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    headers: dict[str, str] = {}


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_CHAT = msgspec.json.Decoder(ExplainedChat)


def read_question(body: bytes, headers: Mapping[str, str]) -> Question:
    """
    Read a flat chat body, or `{"request", "headers"}` whose headers go before those of the call.

    Raises `msgspec.DecodeError` naming the field at fault, and `RefusedError` where it is empty.
    """
    envelope = _ENVELOPE.decode(body)
    flat = envelope.request is msgspec.UNSET
    asked = body if isinstance(envelope.request, msgspec.UnsetType) else bytes(envelope.request)
    chat = _CHAT.decode(asked)
    if not chat.messages:
        raise RefusedError("messages: has to hold at least one message", param="messages")
    given = {} if flat else {name.lower(): value for name, value in envelope.headers.items()}
    merged = {name.lower(): value for name, value in headers.items()} | given
    return Question(body=asked, chat=chat, reading=read(chat), headers=merged)


def session_of(question: Question, key_id: str) -> str:
    """Return the session: header, then `metadata.session_id`, then `prompt_cache_key`, else inferred."""
    chat = question.chat
    headers = (question.headers.get(name) for name in SESSION_HEADERS)
    metadata = (chat.metadata or {}).get("session_id")
    for given in (*headers, metadata, chat.prompt_cache_key):
        if isinstance(given, str) and given:
            if len(given) > MAX_SESSION_ID_CHARS:
                raise RefusedError(f"session id: at most {MAX_SESSION_ID_CHARS} characters", param="session_id")
            return given
    return inferred_session_id(chat.messages, key_id)


def firewall_mode(question: Question, policy: FirewallPolicy) -> FirewallMode:
    """Return how the question is scanned, as the gateway would."""
    return policy.mode_for(asked=FLAGS.get((question.option("llm-security-enabled") or "").lower()))


def rule_for(question: Question, situation: Situation) -> RoutingRule | None:
    """Return the rule that the question names, else the one attached to its key; raises `RefusedError` on an unknown one."""
    choice = _choice(question)
    enabled = [rule for rule in situation.rules if rule.enabled]
    if choice.rule_name is None:
        return next((rule for rule in enabled if rule.rule_id == situation.key.rule_id), None)
    named = next((rule for rule in enabled if rule.name == choice.rule_name), None)
    if named is None:
        raise RefusedError(f"model: there is no enabled routing rule {choice.rule_name!r}", param="model")
    return named


def route(question: Question, situation: Situation, catalogue: Catalogue, *, session_id: str) -> Decision:
    """Return the decision; raises `NoCandidateError`, and `RefusedError` naming what does not exist."""
    rule = rule_for(question, situation)
    requested = tuple(_known(name, catalogue) for name in _choice(question).models)
    as_named = len(requested) == 1 and rule is None
    told = _told(question, situation)
    tenant = situation.policy.tenant
    request = RoutingRequest(
        tenant=tenant,
        session_id=session_id,
        task=told.task,
        task_by=told.by,
        policy=situation.policy,
        requirements=Requirements() if as_named else question.reading.requirements,
        requested=requested,
        rule=rule,
        pinned=situation.session.pins.get(told.task),
        in_tool_loop=question.reading.in_tool_loop,
        unavailable=_elsewhere(question.option("provider"), catalogue),
        expected_output_tokens=question.reading.expected_output_tokens,
        gates=gates_for(rule, situation.gates),
    )
    return decide(request, situation.weights, catalogue.models, seed=seed_of(tenant, session_id, told.task))


def answer(
    question: Question, situation: Situation, catalogue: Catalogue, *, session_id: str, verdict: FirewallVerdict
) -> dict[str, Any]:
    """Return the explanation on the wire: the SDK's keys, and the whole trace beside them."""
    rule = rule_for(question, situation)
    shown = {
        "would_select": None,
        "firewall_decision": "block_input" if verdict.action == "block" else "allow",
        "routing_rule_id": None if rule is None else rule.rule_id,
        "session_id": session_id,
        "firewall": msgspec.to_builtins(verdict),
    }
    if verdict.action == "block":
        return shown | {"reasoning": f"The firewall would block the request ({verdict.category or 'a threat'})."}
    try:
        decision = route(question, situation, catalogue, session_id=session_id)
    except NoCandidateError as error:
        return shown | {
            "reasoning": f"No model can serve this request: {error}",
            "filtered": msgspec.to_builtins(error.filtered),
        }
    trace: dict[str, Any] = msgspec.to_builtins(decision)
    return {
        **trace,
        **shown,
        "would_select": {"provider": decision.provider, "model": decision.winner},
        "reasoning": explanation(decision).replace(" served ", " would serve ", 1),
        "fallbacks": [candidate.model for candidate in fallbacks(decision)],
    }


def _choice(question: Question) -> ModelChoice:
    fallback = tuple(filter(None, (name.strip() for name in (question.option("fallback") or "").split(","))))
    try:
        return read_choice(question.chat.model, fallback)
    except ChoiceError as error:
        raise RefusedError(str(error), param="model") from error


def _told(question: Question, situation: Situation) -> Told:
    named, own = question.option("task"), situation.policy.tasks
    try:
        return task_of(question.reading.features, named=named, own=own, head=situation.head)
    except UnknownTaskError as error:
        raise RefusedError(f"floopy-task: {error}", param="floopy-task") from error


def _known(name: str, catalogue: Catalogue) -> str:
    model = catalogue.find(name)
    if model is None:
        raise RefusedError(f"model: there is no model {name!r}: GET /v1/models lists them", param="model")
    return model.id


def _elsewhere(provider: str | None, catalogue: Catalogue) -> frozenset[str]:
    if provider is None:
        return frozenset()
    if provider not in catalogue.providers:
        raise RefusedError(f"floopy-provider: there is no provider {provider!r}", param="floopy-provider")
    return frozenset(model.id for model in catalogue.models.values() if model.provider != provider)
