"""The topic table: each event has its topic, and what is read together is cut the same way."""

from typing import get_args

from libs.contracts import topics
from libs.contracts.events import Event


def test_every_event_has_exactly_one_topic():
    assert sorted(kind.__name__ for kind in get_args(Event)) == sorted(
        kind.__name__ for topic in topics.ALL for kind in topic.events
    )


def test_names_are_unique_and_no_topic_is_another_ones_dead_letters():
    names = [name for topic in topics.ALL for name in (topic.name, topic.dlq)]
    assert len(names) == len(set(names))


def test_topics_that_meet_by_session_have_the_same_partitions():
    assert {topics.PARTITIONS} == {topic.partitions for topic in topics.ALL if topic.key == "tenant:session"}


def test_only_what_is_kept_for_good_is_compacted():
    assert {"control", "weights"} == {topic.name for topic in topics.ALL if topic.compacted}


def test_everything_written_is_read():
    assert all(topic.produced_by and topic.consumed_by for topic in topics.ALL)


def test_topics_are_found_by_name():
    assert topics.BY_NAME == {topic.name: topic for topic in topics.ALL}
