"""Configuration: a frozen Struct filled from a TOML file and from environment variables, complained about by name."""

import tomllib
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T", bound=msgspec.Struct)

HIDDEN = "********"


class ConfigError(Exception):
    """The configuration cannot be used; the message names the variable and what is expected of it."""


class Secret:
    """A text that no log, error or `repr` shows; `reveal()` gives it to the code that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What every service is told; services add their own fields by inheritance."""

    host: Annotated[str, Meta(description="Address to listen on; 0.0.0.0 in a container.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")] = 8080
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning, error.")
    ] = "info"
    drain_timeout_s: Annotated[float, Meta(ge=0, description="How long requests in flight may take after SIGTERM.")] = (
        20.0
    )
    max_body_bytes: Annotated[int, Meta(ge=1, description="Largest request body; a larger one answers 413.")] = (
        10_485_760
    )


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of a configuration: `path` in the file, `name` in the environment."""

    path: tuple[str, ...]
    type: Any
    required: bool
    default: Any
    description: str

    @property
    def name(self) -> str:
        """Return the environment variable: the path in upper case, joined by underscores."""
        return "_".join(self.path).upper()


def load(cls: type[T], *, env: Mapping[str, str], file: Path | None = None) -> T:
    """
    Return *cls* from the TOML *file*, overridden by *env*.

    Field `port` is read from `PORT`, field `url` of a nested Struct `redis` from `REDIS_URL` (in the file: table `redis`).
    An empty variable counts as absent. Lists are comma separated or JSON, tables are JSON. Raises `ConfigError`.
    """
    table = _read(file) if file else {}
    _refuse_unknown(cls, table, ())
    return _build(cls, {variable.path: _value(variable, env, table) for variable in variables(cls)}, ())


def variables(cls: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[Variable]:
    """Yield every variable of *cls*, nested Structs flattened, in the order of declaration."""
    hints = get_type_hints(cls, include_extras=True)
    for field in msgspec.structs.fields(cls):
        hint = hints[field.name]
        nested = _nested(hint)
        if nested:
            yield from variables(nested, (*path, field.name))
        else:
            yield Variable(
                path=(*path, field.name),
                type=hint,
                required=field.required,
                default=None if field.required else _default(field),
                description=_description(hint),
            )


def describe(cls: type[msgspec.Struct]) -> str:
    """Return one line per variable: name, type, default (never a secret's) and what it is for."""
    rows = [(v.name, _type_name(v.type), _shown_default(v), v.description) for v in variables(cls)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])).rstrip()
        for row in rows
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"CONFIG_FILE: cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"CONFIG_FILE: {file} is not valid TOML: {error}") from error


def _refuse_unknown(cls: type[msgspec.Struct], table: Mapping[str, Any], path: tuple[str, ...]) -> None:
    hints = get_type_hints(cls, include_extras=True)
    for key, value in table.items():
        where = ".".join((*path, key))
        if key not in hints:
            raise ConfigError(f"{where}: unknown key in the configuration file; known: {', '.join(sorted(hints))}")
        nested = _nested(hints[key])
        if nested and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a table in the configuration file")
        if nested:
            _refuse_unknown(nested, value, (*path, key))


def _value(variable: Variable, env: Mapping[str, str], table: Mapping[str, Any]) -> Any:
    text = env.get(variable.name, "")
    if text:
        return _convert(variable, _parsed(text, variable.type), strict=False)
    found: Any = table
    for key in variable.path:
        if not isinstance(found, Mapping) or key not in found:
            if variable.required:
                raise ConfigError(f"{variable.name}: missing; {_expectation(variable)}")
            return variable.default
        found = found[key]
    return _convert(variable, found, strict=True)


def _convert(variable: Variable, value: Any, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, variable.type, strict=strict, dec_hook=_from_text)
    except (msgspec.ValidationError, ValueError) as error:
        reason = "not usable" if _is_secret(variable.type) else str(error)
        raise ConfigError(f"{variable.name}: {reason}; {_expectation(variable)}") from None


def _expectation(variable: Variable) -> str:
    return f"expected {_type_name(variable.type)}. {variable.description}".rstrip()


def _parsed(text: str, hint: Any) -> Any:
    origin = get_origin(_bare(hint)) or _bare(hint)
    if origin not in (list, tuple, set, frozenset, dict, Mapping):
        return text
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _from_text(cls: type, value: Any) -> Any:
    if cls in (Secret, Path) and isinstance(value, str):
        return cls(value)
    raise ValueError("expected text")


def _build(cls: type[T], values: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> T:
    hints = get_type_hints(cls, include_extras=True)
    arguments = {}
    for name in (field.name for field in msgspec.structs.fields(cls)):
        nested = _nested(hints[name])
        arguments[name] = _build(nested, values, (*path, name)) if nested else values[(*path, name)]
    try:
        return cls(**arguments)
    except ValueError as error:
        raise ConfigError(f"{'_'.join(path).upper() or 'configuration'}: {error}") from error


def _nested(hint: Any) -> type[msgspec.Struct] | None:
    bare = _bare(hint)
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _default(field: Any) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _description(hint: Any) -> str:
    metas = (
        (meta.description for meta in get_args(hint)[1:] if isinstance(meta, Meta))
        if get_origin(hint) is Annotated
        else ()
    )
    return next((description for description in metas if description), "")


def _is_secret(hint: Any) -> bool:
    bare = _bare(hint)
    return bare is Secret or Secret in get_args(bare)


def _shown_default(variable: Variable) -> str:
    if variable.required:
        return "(required)"
    if variable.default is not None and _is_secret(variable.type):
        return HIDDEN
    return str(variable.default)


def _type_name(hint: Any) -> str:
    bare = _bare(hint)
    if get_origin(bare) in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in get_args(bare) if part is not type(None))
    return bare.__name__ if isinstance(bare, type) and not get_args(bare) else str(bare).replace("typing.", "")
