"""Events go to their topics, keyed by tenant and session, so that a session meets in one partition."""

import msgspec

from libs.contracts.events import RequestCompleted, TranscriptRecorded
from libs.contracts.state import Plan
from libs.kafka.memory import MemoryBroker, MemoryPublisher
from services.gateway.adapters.kafka_events import KafkaEvents
from tests.unit.services.gateway.fakes import World, caller


async def test_both_events_of_a_request_carry_its_session_as_key():
    world = World(who=caller(plan=Plan(name="p", transcript_retention_days=1)))
    await world.ask(headers={"floopy-session-id": "s"})
    broker = MemoryBroker()
    events = KafkaEvents(MemoryPublisher(broker))
    events.completed(world.event)
    events.transcript(world.events.transcripts[0])
    [request], [transcript] = broker.records("requests"), broker.records("transcripts")
    assert (b"t:s", b"t:s") == (request.key, transcript.key)
    assert world.event == msgspec.json.decode(request.value, type=RequestCompleted)
    assert world.events.transcripts[0] == msgspec.json.decode(transcript.value, type=TranscriptRecorded)
