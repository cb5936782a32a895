"""A large catalogue cut to the models that could win, so that decisions stay readable and cheap to log."""

from collections.abc import Collection

import msgspec

from libs.routing.candidates import Field
from libs.routing.scoring import Scored

MAX_CANDIDATES = 16


def shortlisted(field: Field, results: list[Scored], *, keep: Collection[str | None] = ()) -> Field:
    """
    Return *field* with at most `MAX_CANDIDATES` of a `feedback_driven` choice: those of the highest hopes.

    Hope is utility plus two standard deviations, so that an unproven model stays in while it may still be the best. The models
    *keep*, a session's own and the default, always stay. Other strategies keep the field their rule gave them.
    """
    if field.strategy != "feedback_driven" or len(field.models) <= MAX_CANDIDATES:
        return field
    places = sorted(range(len(results)), key=lambda place: (-_hope(results[place]), place))
    kept = set(places[:MAX_CANDIDATES])
    models = tuple(model for place, model in enumerate(field.models) if place in kept or model.id in keep)
    return msgspec.structs.replace(field, models=models, not_shortlisted=len(field.models) - len(models))


def _hope(result: Scored) -> float:
    return float(result.utility + 2.0 * result.variance**0.5)
