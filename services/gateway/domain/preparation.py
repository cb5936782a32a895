"""From bytes and headers to a prepared request: the part of the pipeline that needs nobody else."""

from collections.abc import Iterable

from libs.contracts.state import CachedAnswer
from services.gateway.domain.cachekey import CacheKey, cache_digest
from services.gateway.domain.caller import Caller
from services.gateway.domain.options import Options, read_options
from services.gateway.domain.request import read_body, read_choice, read_shape
from services.gateway.domain.session import session_of
from services.gateway.domain.trace import Prepared


def prepare(caller: Caller, headers: Iterable[tuple[str, str]], body: bytes, draw: float) -> Prepared:
    """
    Read one request; *draw* in [0, 1) picks the variant where several answers per request are cached.

    Raises `RefusedError`: 403 without write permission, 400 naming the field at fault.
    """
    caller.require("write")
    options = read_options(headers)
    chat = read_body(body)
    choice = read_choice(chat.model, options.fallback)
    rule = caller.rule_for(choice)
    caches = caller.policy.exact_cache if options.cache_enabled is None else options.cache_enabled
    key = CacheKey(
        tenant=caller.tenant,
        model=",".join((chat.model, *options.fallback)),
        rule_id=rule.rule_id if rule else None,
        provider=options.provider,
        seed=options.cache_seed,
        bucket=int(draw * options.cache_bucket_size),
        scanned=caller.policy.firewall.mode_for(asked=options.security_enabled) != "off",
    )
    return Prepared(
        options=options,
        chat=chat,
        choice=choice,
        rule=rule,
        session=session_of(options, chat, caller.key.key_id),
        shape=read_shape(chat),
        caches=caches,
        cache_digest=cache_digest(key, body, ignore_keys=options.cache_ignore_keys) if caches else None,
    )


def fresh(cached: CachedAnswer | None, options: Options, now_ms: int) -> CachedAnswer | None:
    """Return *cached* where the request's `cache-control` lets it be served at *now_ms*."""
    control = options.cache_control
    if cached is None or control.no_cache:
        return None
    if control.max_age_s is not None and now_ms - cached.stored_at_ms > control.max_age_s * 1000:
        return None
    return cached


def storable_for_s(caller: Caller, options: Options) -> int:
    """Return for how many seconds an answer to this request may be kept, 0 for not at all."""
    control = options.cache_control
    if control.no_store:
        return 0
    ttl_s = caller.policy.cache_ttl_s
    return ttl_s if control.max_age_s is None else min(ttl_s, control.max_age_s)
