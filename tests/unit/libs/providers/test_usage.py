"""Every provider's counters come out in disjoint buckets that add up to what it counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.providers.usage import MAX_TOKENS, parse_usage

counts = st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, Usage(fresh_input=10, output=4)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 9,
                "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(fresh_input=4, cache_read=6, output=4, reasoning=5),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 34,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(fresh_input=10, output=4, reasoning=20),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3},
            Usage(fresh_input=3, cache_read=7, output=4),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 5},
            },
            Usage(fresh_input=3, cache_read=2, cache_write=5, output=1),
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(fresh_input=6, cache_read=4, output=3, reasoning=2),
        ),
        (
            {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            Usage(fresh_input=10, cache_read=100, cache_write=20, output=5),
        ),
        (
            {
                "promptTokenCount": 10,
                "cachedContentTokenCount": 8,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 2,
            },
            Usage(fresh_input=2, cache_read=8, output=3, reasoning=2),
        ),
        ({"prompt_tokens": 5, "completion_tokens": None, "prompt_tokens_details": None}, Usage(fresh_input=5)),
        ({"prompt_tokens": -5, "completion_tokens": 2.0}, Usage(output=2)),
    ],
)
def test_each_dialect(reported: dict[str, object], usage: Usage) -> None:
    assert usage == parse_usage(json.dumps(reported).encode())


@pytest.mark.parametrize("nonsense", [b"1e300", b"1" + b"0" * 30])
def test_nonsense_cannot_overflow_what_counts_all_requests(nonsense: bytes) -> None:
    raw = b'{"prompt_tokens":' + nonsense + b',"completion_tokens":3}'
    assert Usage(fresh_input=MAX_TOKENS, output=3) == parse_usage(raw)


@pytest.mark.parametrize("raw", [b"null", b"{}", b"[]", b"", b'"x"', b'{"prompt_tokens":"7"}', b'{"total_tokens":7}'])
def test_what_is_no_usage_reads_as_none(raw: bytes) -> None:
    assert parse_usage(raw) is None


@given(counts, counts, counts, counts, counts)
def test_inclusive_counters_are_split_without_loss(
    prompt: int, completion: int, cached: int, written: int, thought: int
) -> None:
    usage = parse_usage(
        json.dumps(
            {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
                "completion_tokens_details": {"reasoning_tokens": thought},
            }
        ).encode()
    )
    assert usage is not None
    assert prompt == usage.fresh_input + usage.cache_read + usage.cache_write
    assert completion == usage.output + usage.reasoning
    assert min(usage.fresh_input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning) >= 0
