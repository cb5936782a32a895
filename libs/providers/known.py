"""Providers that are there as soon as their API key is, and what their model names say of a model."""

import re

import msgspec


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A provider with an OpenAI-compatible endpoint; *prices_id* is its name in the published price list."""

    name: str
    base_url: str
    api_key_env: str
    prices_id: str
    renames_max_tokens: bool = False
    json_schema: bool = True


KNOWN = (
    Known(
        name="openai",
        base_url="https://api.openai.com/v1",
        api_key_env="OPENAI_API_KEY",
        prices_id="openai",
        renames_max_tokens=True,
    ),
    Known(
        name="anthropic",
        base_url="https://api.anthropic.com/v1",
        api_key_env="ANTHROPIC_API_KEY",
        prices_id="anthropic",
        json_schema=False,
    ),
    Known(
        name="google",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        api_key_env="GEMINI_API_KEY",
        prices_id="google",
    ),
    Known(
        name="deepseek",
        base_url="https://api.deepseek.com/v1",
        api_key_env="DEEPSEEK_API_KEY",
        prices_id="deepseek",
        json_schema=False,
    ),
    Known(name="mistral", base_url="https://api.mistral.ai/v1", api_key_env="MISTRAL_API_KEY", prices_id="mistral"),
    Known(name="xai", base_url="https://api.x.ai/v1", api_key_env="XAI_API_KEY", prices_id="x-ai"),
    Known(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        api_key_env="GROQ_API_KEY",
        prices_id="groq",
        renames_max_tokens=True,
    ),
    Known(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        api_key_env="MOONSHOT_API_KEY",
        prices_id="moonshotai",
    ),
    Known(name="zai", base_url="https://api.z.ai/api/paas/v4", api_key_env="ZAI_API_KEY", prices_id="zai"),
    Known(name="minimax", base_url="https://api.minimax.io/v1", api_key_env="MINIMAX_API_KEY", prices_id="minimax"),
    Known(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        api_key_env="CEREBRAS_API_KEY",
        prices_id="cerebras",
        renames_max_tokens=True,
    ),
    Known(
        name="together", base_url="https://api.together.xyz/v1", api_key_env="TOGETHER_API_KEY", prices_id="together"
    ),
    Known(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        api_key_env="OPENROUTER_API_KEY",
        prices_id="openrouter",
    ),
)
BY_NAME = {known.name: known for known in KNOWN}

_NOT_CHAT = re.compile(
    r"embed|whisper|tts|audio|realtime|transcri|image|imagen|moderation|guard|rerank|ocr|voice|live|orpheus|voxtral|"
    r"robotics|banana|omni|computer-use|search|deep-research|davinci|curie|babbage|^ada$|instruct$(?<=turbo-instruct)|"
    r"^ft:|\.ft-|:batch$|:free$|:extended$|rosalind|cyber|multi-agent|claude-(?:v1|2|instant)|palm|-vision-preview"
)
_VISION = re.compile(
    r"gpt-(?:4o|4\.1|4\.5|5|6)|^o[134](?!-mini-?$)|o4|claude-(?!2|v1)|gemini|gemma-[34]|pixtral|grok-(?:4|2-vision)|llama-4|"
    r"kimi-k(?:2\.[5-9]|3)|qwen3\.[5-9]|glm-\d(?:\.\d)?v|minimax-m3|mistral-(?:medium-3|small-(?:3|2)|large-(?:25|4))|-vl"
)
_NO_TOOLS = re.compile(r"^o1-(?:mini|preview)|gpt-4-0314|gpt-3\.5-0301|gemma-?[1-3]|llama-?2|mixtral-8x7b$|-base$")


def is_chat(upstream_id: str) -> bool:
    """Say whether the name is that of a model which answers chat completions."""
    return _NOT_CHAT.search(upstream_id.lower()) is None


def sees_images(upstream_id: str) -> bool:
    """Say whether the name is that of a model known to take images."""
    return _VISION.search(upstream_id.lower()) is not None


def calls_tools(upstream_id: str) -> bool:
    """Say whether the model may be given tools: all but a few old ones."""
    return _NO_TOOLS.search(upstream_id.lower()) is None
