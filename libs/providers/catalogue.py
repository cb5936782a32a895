"""The model catalogue: which models exist, what they can do, what a token of them costs."""

from collections.abc import Iterator, Mapping

import msgspec

from libs.contracts.events import Usage


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Price of each token bucket in micro-dollars per token, which equals dollars per million tokens."""

    fresh_input: float
    cache_read: float
    cache_write: float
    output: float


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """
    One model at one provider.

    *id* is unique in the catalogue and what clients name; *upstream_id* is what the provider calls it; *family* is what
    benchmarks call it (`libs.providers.families`). *price* None means unknown, never free. *renames_max_tokens* says that
    the provider wants `max_completion_tokens`.
    """

    id: str
    provider: str
    upstream_id: str
    family: str
    context_tokens: int = 128_000
    max_output_tokens: int | None = None
    tools: bool = True
    vision: bool = False
    json_schema: bool = True
    price: Price | None = None
    renames_max_tokens: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """
    One OpenAI-compatible upstream.

    *base_url* ends before `/chat/completions`; *api_key_env* names the environment variable that holds the key, None where
    the upstream takes none; *headers* go with every call.
    """

    name: str
    base_url: str
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    timeout_s: float = 600.0
    connect_timeout_s: float = 5.0


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Every provider by name and every model by id."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]

    def find(self, name: str) -> Model | None:
        """Return the model a client means by *name*: its id, or `provider/upstream id`."""
        found = self.models.get(name)
        if found is not None or "/" not in name:
            return found
        provider, upstream_id = name.split("/", 1)
        return next((model for model in self._of(provider) if model.upstream_id == upstream_id), None)

    def provider_of(self, model: Model) -> Provider:
        """Return the provider that serves *model*."""
        return self.providers[model.provider]

    def _of(self, provider: str) -> Iterator[Model]:
        return (model for model in self.models.values() if model.provider == provider)


def cost_micro_usd(price: Price, usage: Usage) -> int:
    """Return what *usage* costs, rounded to whole micro-dollars; reasoning is billed as output."""
    return round(
        price.fresh_input * usage.fresh_input
        + price.cache_read * usage.cache_read
        + price.cache_write * usage.cache_write
        + price.output * (usage.output + usage.reasoning)
    )
