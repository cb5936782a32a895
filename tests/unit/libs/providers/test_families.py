"""A model is one family however its name is written, and different models stay apart."""

import pytest

from libs.providers.families import family_of, line_of, version_of


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (
            ("anthropic/claude-4.5-sonnet-20250929", "Claude 4.5 Sonnet (20250929)", "claude-sonnet-4-5"),
            "claude-sonnet-4-5",
        ),
        (("gpt-5.4-high", "GPT-5.4", "openai/gpt-5.4", "gpt-5.4-2026-03-05"), "gpt-5-4"),
        (("gpt-5.4-mini-xhigh", "GPT-5.4-mini"), "gpt-5-4-mini"),
        (("accounts/fireworks/models/kimi-k2p5", "Kimi-K2.5", "kimi-k2.5-thinking"), "kimi-k2-5"),
        (("gemini-3-pro-preview-11-2025-low", "Gemini 3 Pro"), "gemini-3-pro"),
        (("mistral-medium-2505", "Mistral-Medium"), "mistral-medium"),
        (("qwen3-max", "Qwen3-Max-Thinking"), "qwen3-max"),
        (("deepseek-chat",), "deepseek-chat"),
    ],
)
def test_every_spelling_is_the_same_family(names: tuple[str, ...], family: str) -> None:
    assert [family] * len(names) == [family_of(name) for name in names]


@pytest.mark.parametrize(
    "names", [("gpt-5", "gpt-5-mini"), ("gpt-5.1", "gpt-5"), ("mistral-small", "mistral-medium"), ("o3", "o3-mini")]
)
def test_sizes_and_versions_stay_apart(names: tuple[str, str]) -> None:
    assert family_of(names[0]) != family_of(names[1])


@pytest.mark.parametrize("name", ["", "-", "()", "thinking", "!!", "é"])
def test_any_text_has_a_family(name: str) -> None:
    assert family_of(name) == family_of(name.upper())


def test_a_line_outlives_its_versions() -> None:
    assert "claude-opus" == line_of("claude-opus-4-8") == line_of("claude-opus-5")
    assert version_of("claude-opus-4-8") < version_of("claude-opus-5")
