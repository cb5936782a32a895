"""
What clients send to `POST /v1/feedback`, in three dialects, read into one `Submission`.

| dialect | recognised by | session | score |
|---|---|---|---|
| Floopy | neither of the below | `session_id` | `score`, an integer 0..10 |
| TensorZero | `metric_name` | `episode_id`, or `inference_id` (a request or completion id) | `value`: true 10, false 0, a number in [0, 1] times 10; higher is better |
| Portkey | `trace_id` | `trace_id` | `value`, an integer -10..10, see `portkey_score`; `weight` pulls it towards 5 |

Keys that a dialect does not know are tolerated.
"""

import math
from typing import Annotated, Literal, TypeAlias

import msgspec

from libs.contracts.state import MAX_SESSION_ID_CHARS

Dialect: TypeAlias = Literal["floopy", "tensorzero", "portkey"]
Identifier: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SESSION_ID_CHARS)]
Nps: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10)]
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class InvalidFeedbackError(Exception):
    """The body is well-formed and still no rating; *field* is the key that has to change."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """
    One rating of a session as its sender means it.

    *score* lies in [0, 1] and *nps* is the same on 0..10, rounded. *session* is what the body names: a session id, or a
    completion or request id that stands for one.
    """

    score: float
    nps: int
    dialect: Dialect = "floopy"
    useful: bool | None = None
    session: str | None = None


class Probe(msgspec.Struct, frozen=True):
    """The keys that tell the dialects apart."""

    metric_name: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    trace_id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class FloopyFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """`feedback.submit` of the SDK."""

    score: Nps
    useful: bool
    session_id: Identifier | None = None

    def submission(self) -> Submission:
        """Return the rating."""
        return Submission(score=self.score / 10, nps=self.score, useful=self.useful, session=self.session_id)


class TensorZeroFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """A boolean or float metric; comments and demonstrations are text, so no ratings."""

    metric_name: str
    value: bool | Share
    inference_id: Identifier | None = None
    episode_id: Identifier | None = None
    dryrun: bool | None = None

    def submission(self) -> Submission:
        """Return the rating; raises `InvalidFeedbackError` for fields that do not go together."""
        if (self.inference_id is None) == (self.episode_id is None):
            raise InvalidFeedbackError("give one of inference_id and episode_id", field="episode_id")
        if self.dryrun:
            raise InvalidFeedbackError("dry runs are not supported: leave dryrun out", field="dryrun")
        score = float(self.value)
        return Submission(
            score=score, nps=rounded_nps(score), dialect="tensorzero", session=self.inference_id or self.episode_id
        )


class PortkeyFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """`feedback.create` of the Portkey SDK."""

    trace_id: Identifier
    value: Annotated[int, msgspec.Meta(ge=-10, le=10)]
    weight: Share = 1.0

    def submission(self) -> Submission:
        """Return the rating."""
        score = portkey_score(self.value, self.weight)
        return Submission(score=score, nps=rounded_nps(score), dialect="portkey", session=self.trace_id)


def body_type(probe: Probe) -> type[FloopyFeedback | TensorZeroFeedback | PortkeyFeedback]:
    """Return what a body that holds the keys of *probe* is to be decoded as."""
    if probe.metric_name is not msgspec.UNSET:
        return TensorZeroFeedback
    return FloopyFeedback if probe.trace_id is msgspec.UNSET else PortkeyFeedback


def portkey_score(value: int, weight: float) -> float:
    """
    Map Portkey's -10..10 to [0, 1]: the sign carries most, because its thumbs are 1 and -1.

    0 is .5, 1 is .8, 10 is 1, -1 is .2, -10 is 0, linear in between. *weight* in [0, 1] is how much of the distance from
    the neutral .5 remains.
    """
    if value == 0:
        return 0.5
    strength = 0.3 + 0.2 * (abs(value) - 1) / 9
    return 0.5 + math.copysign(weight * strength, value)


def rounded_nps(score: float) -> int:
    """Return a score in [0, 1] on the scale 0..10, halves rounded up."""
    return math.floor(score * 10 + 0.5)
