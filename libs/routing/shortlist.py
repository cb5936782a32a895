"""A large catalogue cut to the models that could win, so that decisions stay readable and cheap to log."""

import msgspec

from libs.contracts.events import Filtered
from libs.routing.candidates import Field
from libs.routing.scoring import Scored

MAX_CANDIDATES = 24
NOT_SHORTLISTED = "not_shortlisted"


def shortlisted(field: Field, results: list[Scored], *, keep: str | None = None) -> Field:
    """
    Return *field* with at most `MAX_CANDIDATES` of a `feedback_driven` choice: those of the highest hopes.

    Hope is utility plus two standard deviations, so that an unproven model stays in while it may still be the best. The model
    *keep*, a session's own, always stays. Other strategies keep the field their rule gave them.
    """
    if field.strategy != "feedback_driven" or len(field.models) <= MAX_CANDIDATES:
        return field
    places = sorted(range(len(results)), key=lambda place: (-_hope(results[place]), place))
    kept = set(places[:MAX_CANDIDATES]) | {place for place, model in enumerate(field.models) if model.id == keep}
    left_out = tuple(
        Filtered(provider=model.provider, model=model.id, constraint=NOT_SHORTLISTED)
        for place, model in enumerate(field.models)
        if place not in kept
    )
    return msgspec.structs.replace(
        field,
        models=tuple(model for place, model in enumerate(field.models) if place in kept),
        filtered=field.filtered + left_out,
    )


def _hope(result: Scored) -> float:
    return float(result.utility + 2.0 * result.variance**0.5)
