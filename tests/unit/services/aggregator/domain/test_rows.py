"""A row repeats what the event says, in the integers that credit reckons with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import VerdictLabelled, VerdictReached
from libs.contracts.topics import ALL
from libs.routing.credit import Hop, Rating, SessionRecord, contributions
from services.aggregator.domain.rows import Origin, row_of, score_micro, table_of
from tests.unit.services.aggregator.world import failed, feedback, request

ORIGIN = Origin(partition=3, offset=7, timestamp_ms=11, value=b'{"as":"sent"}', ingested_at_ms=13)


@given(score=st.floats(0, 1))
def test_a_score_in_millionths_is_the_one_that_credit_uses(score):
    hop = Hop(request_id="r", task="chat", model="m", day=1, counted=True)
    rating = Rating(event_id="f", source="session", score=score)
    (moments,) = contributions(SessionRecord(hops={"r": hop}, ratings={"session:": rating})).values()
    assert moments.sum_x == score_micro(score)


def test_a_request_row_says_where_it_stood_and_what_counts():
    row = row_of(request(attempts=(failed("m2"), failed("m2"))), ORIGIN)
    assert (3, 7, 11, 13) == (row["log_partition"], row["log_offset"], row["log_timestamp_ms"], row["ingested_at_ms"])
    assert ('{"as":"sent"}', 1, 1, ["m2", "m2"]) == (row["event"], row["counts"], row["decided"], row["failed_models"])


@pytest.mark.parametrize("fields", [{"status": "cancelled"}, {"cache": "exact"}, {"decision": None}])
def test_a_request_that_no_model_served_does_not_count(fields):
    assert 0 == row_of(request(**fields), ORIGIN)["counts"]


def test_a_rating_without_a_verdict_keeps_it_unknown():
    assert row_of(feedback(), ORIGIN)["useful"] is None
    assert 0 == row_of(feedback(useful=False), ORIGIN)["useful"]


def test_a_verdict_and_a_label_are_rows_of_one_table_with_the_same_columns():
    verdict = VerdictReached(
        event_id="v", tenant="t", session_id="s", request_id="r", action="block", score=0.9, reached_at_ms=1
    )
    label = VerdictLabelled(event_id="l", tenant="t", session_id="s", label="correct", labelled_at_ms=1, comment="yes")
    assert ("verdicts", "verdicts") == (table_of(verdict), table_of(label))
    assert list(row_of(verdict, ORIGIN)) == list(row_of(label, ORIGIN))
    assert ("", "correct", "yes") == tuple(row_of(label, ORIGIN)[name] for name in ("request_id", "label", "comment"))


def test_every_topic_has_a_table_of_its_name():
    assert ("requests", "feedback") == (table_of(request()), table_of(feedback()))
    assert {"requests", "feedback", "transcripts", "verdicts", "control", "weights"} == {topic.name for topic in ALL}
