"""A long beginning that was seen before is billed as cached."""

from deploy.local.prompt_cache import PromptCache

LONG = "x" * 8000


def test_the_first_request_is_not_cached():
    assert 0 == PromptCache().cached_tokens("m", [LONG])


def test_a_conversation_that_goes_on_finds_its_beginning_in_steps_of_128():
    cache = PromptCache()
    cache.cached_tokens("m", [LONG])

    assert 1920 == cache.cached_tokens("m", [LONG, "and then?"])


def test_short_prompts_other_models_and_other_beginnings_are_not_cached():
    cache = PromptCache()
    cache.cached_tokens("m", ["short"])
    cache.cached_tokens("m", [LONG])

    assert [0, 0, 0] == [
        cache.cached_tokens("m", ["short", "again"]),
        cache.cached_tokens("n", [LONG, "again"]),
        cache.cached_tokens("m", ["system", LONG]),
    ]
