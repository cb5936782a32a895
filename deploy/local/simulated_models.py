"""The models that the simulated provider plays: well-known names, so that published prices and benchmarks hold for them."""

import msgspec

MODELS = {
    "openai": ("gpt-5.2", "gpt-5", "gpt-5-mini", "gpt-4o-mini"),
    "anthropic": ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"),
    "google": ("gemini-2.5-pro", "gemini-2.5-flash"),
    "deepseek": ("deepseek-v3.2",),
}


def model_ids() -> tuple[str, ...]:
    """Return the id of every simulated model."""
    return tuple(model for models in MODELS.values() for model in models)


def providers_file(base_url: str) -> bytes:
    """Return a providers file (TOML) that sends all of them to `base_url`, at each vendor's published prices."""
    providers = {
        f"simulated-{vendor}": {
            "base_url": base_url,
            "prices_id": vendor,
            "models": [{"upstream_id": model} for model in models],
        }
        for vendor, models in MODELS.items()
    }
    return msgspec.toml.encode({"providers": providers})
