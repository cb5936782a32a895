"""Documents come from the standard library and permissively licensed packages, in pieces, the same for the same seed."""

import random

import pytest

from libs.scanner.training.corpus import Row
from libs.scanner.training.documents import DOCUMENT_CHARS, documents


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return documents(random.Random(1))  # noqa: S311 texts, not secrets


def test_every_kind_is_found_and_may_train(found: list[Row]):
    assert {"python_stdlib", "package_manuals", "package_sources"} == {row.source for row in found}
    assert all(row.label == 0 and row.learnable and not row.written for row in found)


def test_documents_are_bounded_and_say_something(found: list[Row]):
    assert all(0 < len(row.text.strip()) <= len(row.text) <= DOCUMENT_CHARS for row in found)
