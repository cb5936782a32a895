"""One rating per session reaches the weights that gateways decide by within two seconds, once, whenever it came."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from floopy import FloopyValidationError

from tests.e2e.platform import Platform
from tests.support.process import wait_until

QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
FRESH_S = 2.0
STORED_S = 20.0


def chat(platform: Platform, tenant: str, session_id: str) -> tuple[str, str]:
    """Return request id and completion id of one request of the session."""
    raw = platform.openai(tenant).chat.completions.with_raw_response.create(
        model="auto", messages=QUESTION, extra_headers={"floopy-session-id": session_id}
    )
    return raw.headers["x-request-id"], raw.parse().id


def test_ratings_are_in_the_weights_within_two_seconds_and_change_the_phase(platform: Platform):
    for number in range(11):
        chat(platform, "learner", f"s-{number}")
        before = platform.weights("learner")
        answer = platform.floopy("learner").feedback.submit(score=9, useful=True, session_id=f"s-{number}")
        assert (False, f"s-{number}") == (answer.duplicate, answer.session_id)
        wait_until(
            lambda rated=number + 1: platform.rated_sessions("learner") == rated,
            timeout_s=FRESH_S,
            what="the rating in the weights",
        )
        after = platform.weights("learner")
        assert after is not None
        assert after.version > (0 if before is None else before.version)
    assert ("nps", 0.5, 0.3, 0.1, 0.1) == (
        after.phase,
        after.weights.session,
        after.weights.auto,
        after.weights.manual,
        after.weights.benchmark,
    )
    learnt = [found.session for models in after.tasks.values() for found in models.values() if found.session]
    assert learnt
    request_id, _ = chat(platform, "learner", "s-after")
    wait_until(lambda: is_stored(platform, "learner", request_id), timeout_s=STORED_S, what="the decision to be stored")
    trace = platform.floopy("learner").decisions.get(request_id).decision_trace
    assert "nps" == trace["phase"]
    assert trace["snapshot_version"] >= 1


def test_a_second_rating_changes_nothing(platform: Platform, session_id: str):
    chat(platform, "acme", session_id)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda score: platform.floopy().feedback.submit(score=score, useful=True, session_id=session_id),
                range(8),
            )
        )
    assert 1 == sum(not answer.duplicate for answer in answers)


def test_feedback_may_be_early(platform: Platform, session_id: str):
    before = platform.rated_sessions("early")
    platform.floopy("early").feedback.submit(score=10, useful=True, session_id=session_id)
    request_id, _ = chat(platform, "early", session_id)
    wait_until(
        lambda: platform.rated_sessions("early") == before + 1,
        timeout_s=FRESH_S,
        what="the early rating in the weights",
    )
    wait_until(lambda: is_rated(platform, "early", request_id), timeout_s=STORED_S, what="the rating in the decision")


def test_completion_id_request_id_and_silence_all_mean_the_session(platform: Platform, session_id: str):
    request_id, completion_id = chat(platform, "acme", session_id)
    named = [
        platform.floopy().feedback.submit(score=9, useful=True, session_id=name)
        for name in (completion_id, request_id, None)
    ]
    assert [session_id] * 3 == [answer.session_id for answer in named]
    assert [False, True, True] == [answer.duplicate for answer in named]


def test_a_rating_reaches_every_decision_of_its_session(platform: Platform, session_id: str):
    requests = [chat(platform, "acme", session_id)[0] for _ in range(3)]
    platform.floopy().feedback.submit(score=7, useful=True, session_id=session_id)
    for request_id in requests:
        wait_until(
            lambda wanted=request_id: is_rated(platform, "acme", wanted),
            timeout_s=STORED_S,
            what="the rating in the decision",
        )
        [rating] = platform.floopy().decisions.get(request_id).decision_trace["ratings"]
        assert ("session", 0.7) == (rating["source"], rating["score"])


@pytest.mark.parametrize("score", [-1, 11])
def test_a_score_off_the_scale_is_refused(platform: Platform, session_id: str, score: int):
    with pytest.raises(FloopyValidationError) as caught:
        platform.floopy().feedback.submit(score=score, useful=True, session_id=session_id)
    assert "BAD_REQUEST" == caught.value.code


def test_an_admin_rates_one_request(platform: Platform, session_id: str):
    request_id, _ = chat(platform, "acme", session_id)
    answer = httpx.post(
        f"{platform.base_url}/ratings",
        json={"score": 2, "request_id": request_id},
        headers={"Authorization": "Bearer sk-acme"},
    )
    assert (200, {"duplicate": False, "session_id": session_id}) == (answer.status_code, answer.json())
    wait_until(lambda: is_rated(platform, "acme", request_id), timeout_s=STORED_S, what="the rating in the decision")


def ratings(platform: Platform, tenant: str, request_id: str) -> list[Any] | None:
    answer = httpx.get(
        f"{platform.base_url}/decisions/{request_id}", headers={"Authorization": f"Bearer sk-{tenant}"}, timeout=10
    )
    return list(answer.json()["decision_trace"]["ratings"]) if answer.status_code == 200 else None


def is_stored(platform: Platform, tenant: str, request_id: str) -> bool:
    return ratings(platform, tenant, request_id) is not None


def is_rated(platform: Platform, tenant: str, request_id: str) -> bool:
    return bool(ratings(platform, tenant, request_id))
