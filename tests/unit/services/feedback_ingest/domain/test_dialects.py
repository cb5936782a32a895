"""Three dialects become one rating, wrong bodies name their field, and no body that is read leaves [0, 1]."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_ingest.domain.dialects import (
    InvalidFeedbackError,
    Probe,
    Submission,
    body_type,
    portkey_score,
    rounded_nps,
)


def read(body: bytes) -> Submission:
    probe = msgspec.json.decode(body, type=Probe)
    return msgspec.json.decode(body, type=body_type(probe)).submission()


def test_the_sdk_body_is_a_rating_of_its_session():
    expected = Submission(score=0.9, nps=9, useful=True, session="s-1")
    assert expected == read(b'{"score":9,"useful":true,"session_id":"s-1"}')


def test_session_id_may_be_absent_or_null():
    assert read(b'{"score":0,"useful":false}') == read(b'{"score":0,"useful":false,"session_id":null}')


def test_unknown_keys_are_tolerated_even_where_another_dialect_knows_them():
    assert Submission(score=1.0, nps=10, useful=True) == read(b'{"score":10,"useful":true,"value":"x","weight":[]}')


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"score":11,"useful":true}', "$.score"),
        (b'{"score":-1,"useful":true}', "$.score"),
        (b'{"score":"9","useful":true}', "$.score"),
        (b'{"score":true,"useful":true}', "$.score"),
        (b'{"score":9.0,"useful":true}', "$.score"),
        (b'{"score":null,"useful":true}', "$.score"),
        (b'{"useful":true}', "score"),
        (b'{"score":9}', "useful"),
        (b'{"score":9,"useful":1}', "$.useful"),
        (b'{"score":9,"useful":true,"session_id":""}', "$.session_id"),
        (b'{"score":9,"useful":true,"session_id":7}', "$.session_id"),
        (b'{"score":9,"useful":true,"session_id":"%s"}' % (b"s" * 257), "$.session_id"),
        (b'{"metric_name":"m","value":1.01,"episode_id":"e"}', "$.value"),
        (b'{"metric_name":"comment","value":"nice","episode_id":"e"}', "$.value"),
        (b'{"metric_name":"m","episode_id":"e"}', "value"),
        (b'{"trace_id":"t","value":11}', "$.value"),
        (b'{"trace_id":"t","value":true}', "$.value"),
        (b'{"trace_id":"t","value":1,"weight":1.5}', "$.weight"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, field: str):
    with pytest.raises(msgspec.ValidationError) as caught:
        read(body)
    assert f"`{field}`" in str(caught.value)


@pytest.mark.parametrize("body", [b"[]", b'"9"', b"9", b"null"])
def test_a_body_is_an_object(body: bytes):
    with pytest.raises(msgspec.ValidationError, match="Expected `object`"):
        read(body)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_numbers_that_json_does_not_know_are_refused(number: bytes):
    with pytest.raises(msgspec.DecodeError):
        read(b'{"metric_name":"m","episode_id":"e","value":%s}' % number)


@pytest.mark.parametrize(("value", "nps"), [(b"true", 10), (b"false", 0), (b"1", 10), (b"0.55", 6), (b"0.54", 5)])
def test_a_tensorzero_metric_is_a_share_of_ten(value: bytes, nps: int):
    submission = read(b'{"metric_name":"solved","value":%s,"episode_id":"e-1"}' % value)
    assert (nps, "e-1", "tensorzero") == (submission.nps, submission.session, submission.dialect)


def test_a_tensorzero_inference_stands_for_its_session():
    assert read(b'{"metric_name":"m","value":true,"inference_id":"chatcmpl-1"}').session == "chatcmpl-1"


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        (b"", "episode_id"),
        (b',"inference_id":"i","episode_id":"e"', "episode_id"),
        (b',"episode_id":"e","dryrun":true', "dryrun"),
    ],
)
def test_tensorzero_fields_that_do_not_go_together_are_refused(rest: bytes, field: str):
    with pytest.raises(InvalidFeedbackError) as caught:
        read(b'{"metric_name":"m","value":true%s}' % rest)
    assert field == caught.value.field


@pytest.mark.parametrize(("value", "nps"), [(-10, 0), (-1, 2), (0, 5), (1, 8), (10, 10)])
def test_portkey_thumbs_are_clear_and_the_ends_are_the_ends(value: int, nps: int):
    assert nps == read(b'{"trace_id":"t","value":%d}' % value).nps


@given(st.integers(-10, 9), st.floats(0, 1))
def test_portkey_keeps_order_and_weight_only_weakens(value: int, weight: float):
    assert portkey_score(value, 1.0) < portkey_score(value + 1, 1.0)
    assert portkey_score(value, weight) <= portkey_score(value + 1, weight)
    assert abs(portkey_score(value, weight) - 0.5) <= abs(portkey_score(value, 1.0) - 0.5)


@given(st.integers(0, 10))
def test_a_whole_score_survives_the_trip_through_the_unit_interval(nps: int):
    assert nps == rounded_nps(nps / 10)


keys = st.sampled_from(["score", "useful", "session_id", "metric_name", "value", "episode_id", "trace_id", "weight"])
values = st.sampled_from(
    [0, 1, 5, 10, -1, 11, 2**70, True, False, None, 0.5, -0.0, 1e308, "", "s", [], {}]
) | st.floats(0, 1)


@given(st.dictionaries(keys, values))
def test_whatever_is_read_is_a_rating(body: dict[str, object]):
    try:
        submission = read(msgspec.json.encode(body))
    except (msgspec.DecodeError, InvalidFeedbackError):
        return
    assert 0.0 <= submission.score <= 1.0
    assert math.isfinite(submission.score)
    assert submission.nps in range(11)
    assert submission.session is None or 0 < len(submission.session) <= 256
