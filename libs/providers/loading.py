"""Where a catalogue comes from: a TOML file, or the known providers whose API key is in the environment."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from libs.providers.catalogue import Catalogue, Model, Price, Provider
from libs.providers.families import family_of
from libs.providers.known import BY_NAME, KNOWN, Known, calls_tools, is_chat, sees_images
from libs.providers.prices import Published, published


class CatalogueError(Exception):
    """The catalogue cannot be used; the message names the entry and what is wrong with it."""


class _ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str | None = None
    upstream_id: str
    family: str | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    vision: bool | None = None
    json_schema: bool | None = None
    price: Price | None = None
    renames_max_tokens: bool | None = None


class _ProviderEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base_url: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    timeout_s: float = 600.0
    connect_timeout_s: float = 5.0
    prices_id: str | None = None
    models: list[_ModelEntry] | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    providers: dict[str, _ProviderEntry]


def load_catalogue(path: Path | None, env: Mapping[str, str], *, at: datetime | None = None) -> Catalogue:
    """
    Read the catalogue at *path*, or without one register each known provider whose API key is in *env*.

    A provider entry without `models` gets every chat model in the published price list; a model entry takes what it leaves
    out from there. Prices are those of *at*, by default now. Raises CatalogueError.
    """
    when = at or datetime.now(UTC)  # noqa: TID251 - prices change by date and every service loads its catalogue once
    if path is None:
        return _joined(_registered(known, when) for known in KNOWN if env.get(known.api_key_env))
    return parse_catalogue(_read(path), when)


def parse_catalogue(text: bytes, at: datetime) -> Catalogue:
    """Return the catalogue that TOML *text* describes, with published prices of *at*. Raises CatalogueError."""
    try:
        file = msgspec.toml.decode(text, type=_File)
    except msgspec.DecodeError as error:
        raise CatalogueError(f"providers file: {error}") from error
    return _joined(_described(name, entry, at) for name, entry in file.providers.items())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CatalogueError(f"providers file {path}: {error.strerror}") from error


def _joined(parts: Iterable[tuple[Provider, list[Model]]]) -> Catalogue:
    """Join providers in order; a model id that an earlier provider has becomes `provider/upstream id`."""
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    for provider, offered in parts:
        providers[provider.name] = provider
        for model in offered:
            taken = model.id in models
            unique = f"{provider.name}/{model.upstream_id}" if taken else model.id
            models[unique] = msgspec.structs.replace(model, id=unique)
    return Catalogue(providers=providers, models=models)


def _registered(known: Known, at: datetime) -> tuple[Provider, list[Model]]:
    provider = Provider(name=known.name, base_url=known.base_url, api_key_env=known.api_key_env)
    return provider, _offered(known, known.prices_id, at)


def _described(name: str, entry: _ProviderEntry, at: datetime) -> tuple[Provider, list[Model]]:
    known = BY_NAME.get(name)
    base_url = entry.base_url or (known.base_url if known is not None else None)
    if base_url is None:
        raise CatalogueError(f"providers.{name}: base_url is missing")
    provider = Provider(
        name=name,
        base_url=base_url.rstrip("/"),
        api_key_env=entry.api_key_env or (known.api_key_env if known is not None and not entry.base_url else None),
        headers=entry.headers,
        timeout_s=entry.timeout_s,
        connect_timeout_s=entry.connect_timeout_s,
    )
    shape = known or Known(name=name, base_url=base_url, api_key_env="", prices_id="")
    offered = _offered(shape, entry.prices_id or shape.prices_id, at)
    if entry.models is None:
        if not offered:
            raise CatalogueError(f"providers.{name}: list its models, no published price list knows it")
        return provider, offered
    listed = {model.upstream_id: model for model in offered}
    return provider, [_of_entry(shape, model, listed.get(model.upstream_id)) for model in entry.models]


def _offered(known: Known, prices_id: str, at: datetime) -> list[Model]:
    if not prices_id:
        return []
    try:
        return [_of_published(known, item) for item in published(prices_id, at) if is_chat(item.upstream_id)]
    except LookupError as error:
        raise CatalogueError(f"providers.{known.name}: prices_id {prices_id!r} is unknown") from error


def _of_published(known: Known, item: Published) -> Model:
    return Model(
        id=item.upstream_id,
        provider=known.name,
        upstream_id=item.upstream_id,
        family=family_of(item.upstream_id),
        context_tokens=item.context_tokens,
        tools=calls_tools(item.upstream_id),
        vision=sees_images(item.upstream_id),
        json_schema=known.json_schema,
        price=item.price,
        renames_max_tokens=known.renames_max_tokens,
    )


def _of_entry(known: Known, entry: _ModelEntry, listed: Model | None) -> Model:
    """Return the model of an entry: what it says, else what is published, else what its name suggests."""
    base = listed or Model(
        id=entry.upstream_id,
        provider=known.name,
        upstream_id=entry.upstream_id,
        family=family_of(entry.upstream_id),
        tools=calls_tools(entry.upstream_id),
        vision=sees_images(entry.upstream_id),
        json_schema=known.json_schema,
        renames_max_tokens=known.renames_max_tokens,
    )
    said = {name: value for name, value in msgspec.structs.asdict(entry).items() if value is not None}
    return msgspec.structs.replace(base, **said)
