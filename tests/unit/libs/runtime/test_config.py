"""Configuration is what the environment says, else the file, else the default; what is wrong is named, never its secret."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from libs.runtime.config import ConfigError, Secret, ServiceConfig, describe, load


class Nested(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="Where.")] = "here"
    token: Secret | None = None
    mode: Literal["fast", "safe"] = "fast"

    def __post_init__(self) -> None:
        if self.url == "nowhere":
            raise ValueError("nowhere is no place")


class Config(ServiceConfig, frozen=True, kw_only=True):
    secret: Annotated[Secret, Meta(description="Signs things.")]
    names: tuple[str, ...] = ()
    weights: dict[str, float] = msgspec.field(default_factory=dict)
    directory: Path | None = None
    ratio: float = 0.5
    enabled: bool = False
    nested: Nested = Nested()


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def test_the_environment_beats_the_file_and_the_file_beats_the_default(tmp_path):
    file = written(tmp_path, 'port = 1\nlog_level = "debug"\n[nested]\nurl = "there"\n')
    config = load(Config, env={"SECRET": "s", "PORT": "2"}, file=file)
    assert (2, "debug", "there", "fast") == (config.port, config.log_level, config.nested.url, config.nested.mode)


def test_every_kind_of_value_is_read_from_text():
    env = {
        "SECRET": "s",
        "NAMES": "a, b,c",
        "WEIGHTS": '{"a": 1}',
        "DIRECTORY": "/srv/x",
        "RATIO": "0.25",
        "ENABLED": "true",
        "NESTED_TOKEN": "t",
    }
    config = load(Config, env=env)
    assert (("a", "b", "c"), {"a": 1.0}, Path("/srv/x")) == (config.names, config.weights, config.directory)
    assert (0.25, True, Secret("t")) == (config.ratio, config.enabled, config.nested.token)


def test_an_empty_variable_counts_as_absent():
    assert 8080 == load(Config, env={"SECRET": "s", "PORT": ""}).port


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "SECRET: missing"),
        ({"SECRET": "s", "PORT": "many"}, "PORT: "),
        ({"SECRET": "s", "PORT": "70000"}, "PORT: "),
        ({"SECRET": "s", "LOG_LEVEL": "loud"}, "LOG_LEVEL: "),
        ({"SECRET": "s", "NESTED_MODE": "slow"}, "NESTED_MODE: "),
        ({"SECRET": "s", "NESTED_URL": "nowhere"}, "NESTED: nowhere is no place"),
        ({"SECRET": "s", "WEIGHTS": "{broken"}, "WEIGHTS: "),
    ],
)
def test_what_is_missing_or_wrong_is_named(env, named):
    with pytest.raises(ConfigError) as raised:
        load(Config, env=env)
    assert str(raised.value).startswith(named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "prot: unknown key"),
        ("[nested]\nurk = 1", "nested.urk: unknown key"),
        ("nested = 1", "nested: expected a table"),
        ('port = "1"', "PORT: "),
        ("port = ", "CONFIG_FILE: "),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, named):
    with pytest.raises(ConfigError) as raised:
        load(Config, env={"SECRET": "s"}, file=written(tmp_path, text))
    assert str(raised.value).startswith(named)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="CONFIG_FILE: cannot read"):
        load(Config, env={}, file=tmp_path / "absent.toml")


def test_a_secret_is_never_shown(tmp_path):
    config = load(Config, env={"SECRET": "hush", "NESTED_TOKEN": "hush"})
    assert "hush" not in f"{config!r} {config.secret} {config.nested.token}"
    with pytest.raises(ConfigError) as raised:
        load(Config, env={}, file=written(tmp_path, "secret = 12345"))
    assert "12345" not in str(raised.value)


def test_the_description_lists_every_variable_with_default_and_purpose():
    lines = {line.split()[0]: line for line in describe(Config).splitlines()}
    assert {"HOST", "PORT", "SECRET", "NESTED_URL", "NESTED_TOKEN", "NESTED_MODE"} <= set(lines)
    assert "(required)" in lines["SECRET"]
    assert "Signs things." in lines["SECRET"]
    assert "here" in lines["NESTED_URL"]


@given(
    port=st.integers(0, 65_535),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    enabled=st.booleans(),
    url=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
        lambda text: text != "nowhere"
    ),
)
def test_whatever_is_written_out_is_read_back(port, ratio, enabled, url):
    env = {"SECRET": "s", "PORT": str(port), "RATIO": repr(ratio), "ENABLED": str(enabled).lower(), "NESTED_URL": url}
    config = load(Config, env=env)
    assert (port, ratio, enabled, url) == (config.port, config.ratio, config.enabled, config.nested.url)


@given(st.dictionaries(st.sampled_from(["SECRET", "PORT", "RATIO", "NAMES", "WEIGHTS", "NESTED_MODE"]), st.text()))
def test_any_text_is_either_taken_or_refused_by_name(env):
    assert refused_by(env) in {None, "SECRET", "PORT", "RATIO", "NAMES", "WEIGHTS", "NESTED_MODE"}


def refused_by(env):
    try:
        load(Config, env=env)
    except ConfigError as error:
        return str(error).partition(":")[0]
    return None
