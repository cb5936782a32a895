"""Small models, snapshots and requests for the tests of routing."""

from typing import Any

from libs.contracts.events import Estimate, ModelEstimates, SourceWeights, WeightsPublished
from libs.contracts.state import TenantPolicy
from libs.providers.catalogue import Model, Price
from libs.routing.phases import weights_of
from libs.routing.selection import RoutingRequest


def a_model(name: str, *, price: float | None = 1.0, **fields: Any) -> Model:
    """A model whose output costs four times its input, and whose cached input a tenth."""
    listed = (
        Price(fresh_input=price, cache_read=price / 10, cache_write=price, output=4 * price)
        if price is not None
        else None
    )
    return Model(**{"id": name, "provider": "p", "upstream_id": name, "family": name, "price": listed, **fields})


def catalogue(*models: Model) -> dict[str, Model]:
    return {model.id: model for model in models}


def known(benchmark: float, **sources: float) -> ModelEstimates:
    """Estimates with a variance as after a handful of sessions."""
    parts = {source: Estimate(mean=mean, variance=0.004, samples=8.0) for source, mean in sources.items()}
    return ModelEstimates(benchmark=Estimate(mean=benchmark, variance=0.0153), **parts)


def a_snapshot(estimates: dict[str, ModelEstimates], **fields: Any) -> WeightsPublished:
    values: dict[str, Any] = {
        "event_id": "w",
        "scope": "acme",
        "version": 7,
        "published_at_ms": 0,
        "phase": "nps",
        "weights": weights_of(fields.get("phase", "nps")),
        "tasks": {"chat": estimates},
    }
    return WeightsPublished(**{**values, **fields})


def a_request(**fields: Any) -> RoutingRequest:
    values: dict[str, Any] = {
        "tenant": "acme",
        "session_id": "s1",
        "task": "chat",
        "policy": TenantPolicy(tenant="acme"),
    }
    return RoutingRequest(**{**values, **fields})


EVEN = SourceWeights(session=0.25, auto=0.25, manual=0.25, benchmark=0.25)
