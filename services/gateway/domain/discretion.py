"""What an event may say: everything that a client wrote into it passes its tenant's redaction."""

from collections.abc import Generator

import msgspec

from libs.contracts.events import RequestCompleted, TranscriptRecorded
from libs.redaction.redactor import Redactor

_LABELS = ("user_id", "project_id", "session_name", "session_path")


def discreet_record(event: RequestCompleted, redactor: Redactor) -> RequestCompleted:
    """
    Return *event* with its labels redacted, and the model that was asked for where there is no such model.

    Its session id stays as it is: sessions are joined by it.
    """
    said = {name: value for name in _LABELS if (value := getattr(event, name)) is not None}
    if event.model is None:
        said["requested_model"] = event.requested_model
    if not said and not event.properties:  # What most requests are like.
        return event
    changes = {name: redactor.text(value, name) for name, value in said.items()}
    properties = {redactor.text(name): redactor.text(value, name) for name, value in event.properties.items()}
    return msgspec.structs.replace(event, **changes, properties=properties)


def discreet_transcript(event: TranscriptRecorded, redactor: Redactor) -> Generator[None, None, TranscriptRecorded]:
    """Return *event* with its bodies redacted; yields between slices of work."""
    request = yield from redactor.body(event.request)
    response = yield from redactor.body(event.response)
    return msgspec.structs.replace(event, request=request, response=response)
