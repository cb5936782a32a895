"""The deep scan reads what tools returned and what the model answered, and nothing the user said."""

from msgspec.structs import replace

from libs.scanner.text import Segment
from services.firewall.domain.exchange import Passage, passages
from tests.unit.services.firewall.fakes import TRANSCRIPT

TOOL = Passage(origin="tool_result", segments=(Segment(role="tool", text="a page"),))
ANSWER = Passage(origin="answer", segments=(Segment(role="assistant", text="done"),))


def test_tool_results_and_answers_are_passages():
    assert (TOOL, ANSWER) == passages(TRANSCRIPT)


def test_an_exchange_without_either_has_no_passages():
    assert () == passages(replace(TRANSCRIPT, request='{"messages":[{"role":"user","content":"hi"}]}', response="{}"))


def test_every_choice_of_an_answer_is_read():
    response = '{"choices":[{"message":{"content":"one"}},{"message":{"content":null,"refusal":"two"}}]}'
    [_, answer] = passages(replace(TRANSCRIPT, response=response))
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
