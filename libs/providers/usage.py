"""Token usage in disjoint buckets, whatever dialect the provider reports it in."""

from typing import TypeAlias

import msgspec

from libs.contracts.events import Usage
from libs.contracts.unreadable import UNREADABLE

Count: TypeAlias = int | float | None

MAX_TOKENS = 1_000_000_000  # Of one counter: a provider's nonsense must not overflow what counts all requests.


class _Details(msgspec.Struct, frozen=True, kw_only=True):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    reasoning_tokens: Count = None


class _Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The union of what OpenAI (chat, responses), Anthropic, Gemini and DeepSeek call their counters."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: Count = None
    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    prompt_token_count: Count = msgspec.field(default=None, name="promptTokenCount")
    candidates_token_count: Count = msgspec.field(default=None, name="candidatesTokenCount")
    thoughts_token_count: Count = msgspec.field(default=None, name="thoughtsTokenCount")
    cached_content_token_count: Count = msgspec.field(default=None, name="cachedContentTokenCount")


_decoder = msgspec.json.Decoder(_Reported)


def parse_usage(raw: bytes | msgspec.Raw) -> Usage | None:
    """
    Read a provider's usage object; None where *raw* is no usage object that can be understood.

    OpenAI, DeepSeek and Gemini count cached tokens within the prompt, Anthropic beside it. Reasoning lies within the
    completion unless the total says that it was counted on top (xAI, Gemini).
    """
    try:
        reported = _decoder.decode(raw)
    except UNREADABLE:
        return None
    if reported.prompt_tokens is not None or reported.completion_tokens is not None:
        return _openai_chat(reported)
    if reported.prompt_token_count is not None:
        return _gemini(reported)
    if reported.input_tokens is None and reported.output_tokens is None:
        return None
    return _anthropic(reported) if reported.input_tokens_details is None else _openai_responses(reported)


def _openai_chat(reported: _Reported) -> Usage:
    prompt = reported.prompt_tokens_details or _Details()
    cached = prompt.cached_tokens or reported.prompt_cache_hit_tokens or reported.cache_read_input_tokens
    written = prompt.cache_write_tokens or reported.cache_creation_input_tokens
    return _within(
        prompt=_count(reported.prompt_tokens),
        completion=_count(reported.completion_tokens),
        total=_count(reported.total_tokens),
        cached=_count(cached),
        written=_count(written),
        reasoning=_count((reported.completion_tokens_details or _Details()).reasoning_tokens),
    )


def _openai_responses(reported: _Reported) -> Usage:
    details = reported.input_tokens_details or _Details()
    return _within(
        prompt=_count(reported.input_tokens),
        completion=_count(reported.output_tokens),
        total=_count(reported.total_tokens),
        cached=_count(details.cached_tokens),
        written=_count(details.cache_write_tokens),
        reasoning=_count((reported.output_tokens_details or _Details()).reasoning_tokens),
    )


def _gemini(reported: _Reported) -> Usage:
    prompt, cached = _count(reported.prompt_token_count), _count(reported.cached_content_token_count)
    cached = min(cached, prompt)
    return Usage(
        fresh_input=prompt - cached,
        cache_read=cached,
        output=_count(reported.candidates_token_count),
        reasoning=_count(reported.thoughts_token_count),
    )


def _anthropic(reported: _Reported) -> Usage:
    return Usage(
        fresh_input=_count(reported.input_tokens),
        cache_read=_count(reported.cache_read_input_tokens),
        cache_write=_count(reported.cache_creation_input_tokens),
        output=_count(reported.output_tokens),
    )


def _within(*, prompt: int, completion: int, total: int, cached: int, written: int, reasoning: int) -> Usage:
    """Split inclusive counters into disjoint ones; a part never exceeds its whole."""
    on_top = max(0, total - prompt - completion)
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    inside = 0 if on_top else min(reasoning, completion)
    return Usage(
        fresh_input=prompt - cached - written,
        cache_read=cached,
        cache_write=written,
        output=completion - inside,
        reasoning=on_top or inside,
    )


def _count(value: Count) -> int:
    return int(min(max(0, value or 0), MAX_TOKENS))
