"""A catalogue comes from a file or from the keys that are there, and a wrong file says what is wrong with it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.providers.catalogue import Price
from libs.providers.loading import CatalogueError, load_catalogue, parse_catalogue

AT = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_known_provider_is_there_as_soon_as_its_key_is() -> None:
    catalogue = load_catalogue(None, {"ANTHROPIC_API_KEY": "x", "OPENAI_API_KEY": ""}, at=AT)
    assert {"anthropic"} == set(catalogue.providers)
    model = catalogue.models["claude-opus-4-8"]
    assert Price(fresh_input=5.0, cache_read=0.5, cache_write=6.25, output=25.0) == model.price
    assert (True, True) == (model.tools, model.vision)


def test_without_any_key_the_catalogue_is_empty() -> None:
    assert {} == load_catalogue(None, {}, at=AT).models


def test_only_models_that_chat_are_offered() -> None:
    names = load_catalogue(None, {"OPENAI_API_KEY": "x"}, at=AT).models
    assert "gpt-5.4" in names
    assert not [
        name for name in names if any(word in name for word in ("embedding", "whisper", "image", "tts", "moderation"))
    ]


def test_a_file_describes_providers_and_models(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(
        """
        [providers.local]
        base_url = "http://127.0.0.1:9000/v1/"
        headers = { "x-team" = "a" }
        models = [
          { upstream_id = "small", context_tokens = 8000, tools = false, price = { fresh_input = 1, cache_read = 0.1, cache_write = 1, output = 2 } },
          { id = "big", upstream_id = "vendor/Big-1.0", max_output_tokens = 512 },
        ]
        """
    )
    catalogue = load_catalogue(file, {})
    assert "http://127.0.0.1:9000/v1" == catalogue.providers["local"].base_url
    assert ["small", "big"] == list(catalogue.models)
    assert (8000, False) == (catalogue.models["small"].context_tokens, catalogue.models["small"].tools)
    assert ("big-1-0", None, 512) == (
        catalogue.models["big"].family,
        catalogue.models["big"].price,
        catalogue.models["big"].max_output_tokens,
    )


def test_an_entry_takes_what_it_leaves_out_from_the_price_list() -> None:
    text = b'[providers.mine]\nbase_url="http://x"\nprices_id="openai"\nmodels=[{upstream_id="gpt-5.4", id="mine"}]'
    model = parse_catalogue(text, AT).models["mine"]
    assert model.price is not None
    assert ("mine", "gpt-5.4", 2.5) == (model.provider, model.upstream_id, model.price.fresh_input)


def test_the_second_provider_of_a_model_gets_a_longer_id() -> None:
    entry = 'base_url="http://x"\nmodels=[{upstream_id="m"}]\n'
    catalogue = parse_catalogue(f"[providers.a]\n{entry}[providers.b]\n{entry}".encode(), AT)
    assert {"m": "a", "b/m": "b"} == {name: model.provider for name, model in catalogue.models.items()}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"nonsense", "providers file"),
        (b"[providers.x]\nmodels=[]", "providers.x: base_url is missing"),
        (b'[providers.x]\nbase_url="http://x"', "providers.x: list its models"),
        (b'[providers.x]\nbase_url="http://x"\ncolour="red"', "colour"),
        (b'[providers.x]\nbase_url="http://x"\nmodels=[{}]', "upstream_id"),
        (b'[providers.x]\nbase_url="http://x"\nprices_id="nobody"', "nobody"),
        (b'[providers.x]\nbase_url="http://x"\nmodels=[{upstream_id="m", price={fresh_input=1}}]', "cache_read"),
    ],
)
def test_a_wrong_file_names_the_entry(text: bytes, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        parse_catalogue(text, AT)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"absent\.toml"):
        load_catalogue(tmp_path / "absent.toml", {})
