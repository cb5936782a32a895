"""Misbehaviour is asked for by header or by metadata, and a misspelt wish is an error."""

import pytest

from deploy.local.simulation import Script, ScriptError, read_script


def test_an_ordinary_request_asks_for_nothing():
    assert Script() == read_script({"Content-Type": "application/json"}, {"user": "u"})


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [({"X-Sim-Status": "503", "x-sim-delay-ms": "20"}, {}), ({}, {"x-sim-status": "503", "x-sim-delay-ms": "20"})],
)
def test_a_script_comes_from_headers_or_metadata(headers: dict[str, str], metadata: dict[str, str]):
    assert Script(status=503, delay_ms=20) == read_script(headers, metadata)


def test_headers_win():
    assert 429 == read_script({"x-sim-status": "429"}, {"x-sim-status": "503"}).status


def test_metadata_may_name_an_item_in_short():
    assert "task-1" == read_script({}, {"item": "task-1"}).item


@pytest.mark.parametrize("headers", [{"x-sim-staus": "503"}, {"x-sim-status": "soon"}])
def test_a_mistake_is_an_error(headers: dict[str, str]):
    with pytest.raises(ScriptError, match="x-sim"):
        read_script(headers, {})


def test_a_script_can_concern_some_models_only():
    script = Script(models="a,b")

    assert [True, True, False] == [script.concerns(model) for model in "abc"]
