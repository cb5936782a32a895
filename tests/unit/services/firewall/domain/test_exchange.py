"""The deep scan reads what tools returned, what users said and what the model answered, and knows a text that comes again."""

from msgspec.structs import replace

from libs.scanner.text import Segment
from services.firewall.domain.exchange import Passage, digest, passages
from tests.unit.services.firewall.fakes import TRANSCRIPT

TOOL = Passage(origin="tool_result", segments=(Segment(role="tool", text="a page"),))
PROMPT = Passage(origin="prompt", segments=(Segment(role="user", text="read it"),))
ANSWER = Passage(origin="answer", segments=(Segment(role="assistant", text="done"),))


def test_tool_results_prompts_and_answers_are_passages():
    assert (TOOL, PROMPT, ANSWER) == passages(TRANSCRIPT)


def test_an_exchange_without_any_has_no_passages():
    request = '{"messages":[{"role":"system","content":"hi"},{"role":"assistant","content":"hello"}]}'
    assert () == passages(replace(TRANSCRIPT, request=request, response="{}"))


def test_every_choice_of_an_answer_is_read():
    response = '{"choices":[{"message":{"content":"one"}},{"message":{"content":null,"refusal":"two"}}]}'
    [*_, answer] = passages(replace(TRANSCRIPT, response=response))
    assert ["one", "two"] == [segment.text for segment in answer.segments]


def test_an_answer_of_the_responses_endpoint_is_read():
    response = '{"output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}]}'
    assert "hello" == passages(replace(TRANSCRIPT, response=response))[-1].segments[0].text


def test_a_body_that_is_not_json_is_one_text_of_its_side():
    [request, response] = passages(replace(TRANSCRIPT, request="half a {", response="plain words"))
    assert (Segment(role="tool", text="half a {"),) == request.segments
    assert (Segment(role="assistant", text="plain words"),) == response.segments


def test_an_empty_body_holds_nothing():
    assert () == passages(replace(TRANSCRIPT, request="", response=""))


def test_a_text_is_known_again_in_the_next_exchange_of_its_session_and_nowhere_else():
    text = TOOL.segments[0]
    known = digest(TRANSCRIPT, text)
    assert known == digest(replace(TRANSCRIPT, request_id="r-2", response="x"), text)
    others = [replace(TRANSCRIPT, session_id="s-2"), replace(TRANSCRIPT, tenant="beta")]
    assert known not in {digest(other, text) for other in others}
    assert known not in {
        digest(TRANSCRIPT, Segment(role="user", text=text.text)),
        digest(TRANSCRIPT, PROMPT.segments[0]),
    }


def test_text_that_is_no_unicode_has_a_digest_too():
    assert digest(TRANSCRIPT, Segment(role="tool", text="\ud800"))
