"""The judge of the served run says what was planned, and nothing on steps that nobody judges."""

from benchmarks.learning.mock_judge import NO_VERDICT, MockJudge

ANSWER = r'{"choices":[{"message":{"content":"{\"item\":\"gsm/1\",\"score\":1.0}"}}]}'


def test_it_repeats_the_recorded_score_and_turns_it_around_where_it_errs() -> None:
    judge = MockJudge({"<step a/0>": False, "<step a/1>": True})
    assert '{"score": 10}' == judge.verdict(f"<step a/0> do it {ANSWER}")
    assert '{"score": 0}' == judge.verdict(f"<step a/1> do it {ANSWER}")
    assert {"<step a/0>", "<step a/1>"} == judge.judged


def test_a_step_that_is_not_judged_is_seen_and_passed_over() -> None:
    judge = MockJudge({})
    assert NO_VERDICT == judge.verdict(f"<step a/0> do it {ANSWER}")
    assert ({"<step a/0>"}, set()) == (judge.asked, judge.judged)
