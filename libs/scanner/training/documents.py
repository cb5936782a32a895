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
"""Most pieces taken of one file."""

_PERMISSIVE: Final = ("MIT", "Apache", "BSD", "ISC", "PSF", "Python Software Foundation")
_SKIPPED: Final = frozenset({"site-packages", "test", "tests", "idle_test", "lib2to3", "config"})


def documents(rng: random.Random) -> list[Row]:
    """Return ordinary documents of at most `DOCUMENT_CHARS` characters; which ones depends on the interpreter and the lock file."""
    return [*_library(rng), *_manuals(rng)]


def _library(rng: random.Random) -> Iterator[Row]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if not _SKIPPED & {*path.parts}:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from _rows("python_stdlib", "PSF-2.0", text, rng)


def _manuals(rng: random.Random) -> Iterator[Row]:
    for package in sorted(importlib.metadata.distributions(), key=lambda found: found.name):
        if _is_permissive(package):
            for text in (package.read_text("METADATA") or "", *_licence_texts(package)):
                yield from _rows("package_manuals", "MIT, BSD, Apache-2.0, ISC or PSF-2.0, by package", text, rng)


def _is_permissive(package: importlib.metadata.Distribution) -> bool:
    said = [*package.metadata.get_all("License-Expression", []), *package.metadata.get_all("Classifier", [])]
    return any(name in text for text in said for name in _PERMISSIVE)


def _licence_texts(package: importlib.metadata.Distribution) -> Iterator[str]:
    for file in package.files or ():
        if "licenses" in file.parts and "LICENSE" in file.name.upper():
            yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def _rows(source: str, licence: str, text: str, rng: random.Random) -> Iterator[Row]:
    starts = range(0, len(text), DOCUMENT_CHARS)
    for start in rng.sample(starts, min(PIECES, len(starts))):
        piece = text[start : start + DOCUMENT_CHARS]
        if not piece.isspace():
            yield Row(text=piece, label=0, source=source, licence=licence)
