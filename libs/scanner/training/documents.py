"""Documents: source code and manuals that agents read all day, from the standard library and the installed packages."""

import importlib.metadata
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from libs.scanner.training.corpus import Row

DOCUMENT_CHARS: Final = 6_000

PIECES: Final = 3
"""Most pieces taken of one file of the standard library, or manual."""

FILES: Final = 40
"""Most files taken of one installed package."""

_FILE_BYTES: Final = range(200, 400_000)

_PERMISSIVE: Final = ("MIT", "Apache", "BSD", "ISC", "PSF", "Python Software Foundation")
_LICENCES: Final = "MIT, BSD, Apache-2.0, ISC or PSF-2.0, by package"
_KINDS: Final = frozenset(
    [
        ".py",
        ".pyi",
        ".pyx",
        ".pxd",
        ".c",
        ".h",
        ".cpp",
        ".hpp",
        ".js",
        ".ts",
        ".sh",
        ".md",
        ".rst",
        ".txt",
        ".json",
        ".toml",
        ".yaml",
        ".yml",
        ".ini",
        ".cfg",
        ".csv",
        ".xml",
        ".html",
        ".css",
    ]
)
_SKIPPED: Final = frozenset({"site-packages", "test", "tests", "idle_test", "lib2to3", "config"})


def documents(rng: random.Random) -> list[Row]:
    """Return ordinary documents of at most `DOCUMENT_CHARS` characters; which ones depends on the interpreter and the lock file."""
    return [*_library(rng), *_manuals(rng), *_sources(rng)]


def _library(rng: random.Random) -> Iterator[Row]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if not _SKIPPED & {*path.parts}:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _rows("python_stdlib", "PSF-2.0", text, rng)


def _manuals(rng: random.Random) -> Iterator[Row]:
    for package in _packages():
        for text in (package.read_text("METADATA") or "", *_licence_texts(package)):
            yield from _rows("package_manuals", _LICENCES, text, rng)


def _sources(rng: random.Random) -> Iterator[Row]:
    for package in _packages():
        paths = [path for path in map(_path, package.files or ()) if _is_source(path)]
        for path in rng.sample(paths, min(FILES, len(paths))):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _rows("package_sources", _LICENCES, text, rng, pieces=1)


def _packages() -> list[importlib.metadata.Distribution]:
    found = sorted(importlib.metadata.distributions(), key=lambda package: package.name)
    return [package for package in found if _is_permissive(package)]


def _path(file: importlib.metadata.PackagePath) -> Path:
    return Path(str(file.locate()))


def _is_source(path: Path) -> bool:
    return (
        path.suffix in _KINDS
        and ".dist-info" not in path.parent.name
        and path.is_file()
        and path.stat().st_size in _FILE_BYTES
    )


def _is_permissive(package: importlib.metadata.Distribution) -> bool:
    said = [*package.metadata.get_all("License-Expression", []), *package.metadata.get_all("Classifier", [])]
    return any(name in text for text in said for name in _PERMISSIVE)


def _licence_texts(package: importlib.metadata.Distribution) -> Iterator[str]:
    for file in package.files or ():
        if "licenses" in file.parts and "LICENSE" in file.name.upper():
            yield _path(file).read_text(encoding="utf-8", errors="replace")


def _rows(source: str, licence: str, text: str, rng: random.Random, pieces: int = PIECES) -> Iterator[Row]:
    starts = range(0, len(text), DOCUMENT_CHARS)
    for start in rng.sample(starts, min(pieces, len(starts))):
        piece = text[start : start + DOCUMENT_CHARS]
        if not piece.isspace():
            yield Row(text=piece, label=0, source=source, licence=licence)
