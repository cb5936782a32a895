"""The most severe text decides, by the band of its role."""

import pytest

from libs.scanner.verdict import CLEAN, Band, Finding, Thresholds, judge

STRICT_ON_TOOLS = Thresholds(default=Band(flag=0.5, block=0.9), by_role={"tool": Band(flag=0.2, block=0.4)})


def evidence(at: int) -> tuple[str, ...]:
    return (f"evidence {at}",)


@pytest.mark.parametrize(
    ("score", "action"), [(0.49, "allow"), (0.5, "flag"), (0.89, "flag"), (0.9, "block"), (1.0, "block")]
)
def test_a_score_on_the_edge_belongs_to_the_severer_side(score: float, action: str) -> None:
    assert action == judge([Finding(role="user", score=score)], STRICT_ON_TOOLS, evidence).action


def test_severity_by_role_goes_before_the_score() -> None:
    verdict = judge([Finding(role="user", score=0.6), Finding(role="tool", score=0.45)], STRICT_ON_TOOLS, evidence)
    assert ("block", "tool", 0.45, "indirect_injection", ("evidence 1",)) == (
        verdict.action,
        verdict.role,
        verdict.score,
        verdict.category,
        verdict.evidence,
    )


def test_an_allowed_text_has_no_category_and_no_evidence() -> None:
    verdict = judge([Finding(role="user", score=0.1, encoded=True)], STRICT_ON_TOOLS, evidence)
    assert ("allow", "none", ()) == (verdict.action, verdict.category, verdict.evidence)


def test_a_decoded_text_is_named_as_such() -> None:
    assert (
        "encoded_injection"
        == judge([Finding(role="tool", score=1.0, encoded=True)], STRICT_ON_TOOLS, evidence).category
    )


def test_nothing_to_read_is_clean() -> None:
    assert CLEAN == judge([], STRICT_ON_TOOLS, evidence)


@pytest.mark.parametrize(("flag", "block"), [(0.9, 0.5), (-0.1, 0.5)])
def test_a_band_that_cannot_be_is_refused(flag: float, block: float) -> None:
    with pytest.raises(ValueError, match="band"):
        Band(flag=flag, block=block)


@pytest.mark.parametrize(
    ("flag", "block", "default", "tool"),
    [
        (None, None, (0.5, 0.9), (0.4, 0.8)),
        (0.1, None, (0.1, 0.9), (0.1, 0.8)),
        (None, 0.3, (0.3, 0.3), (0.3, 0.3)),
        (0.7, 0.6, (0.6, 0.6), (0.6, 0.6)),
    ],
)
def test_a_tenants_limits_replace_the_calibrated_ones(flag, block, default, tool):
    calibrated = Thresholds(default=Band(flag=0.5, block=0.9), by_role={"tool": Band(flag=0.4, block=0.8)})
    found = calibrated.limited(flag, block)
    assert (default, tool) == tuple((band.flag, band.block) for band in (found.default, found.of("tool")))


def test_a_tenants_limits_take_the_place_of_the_calibrated_ones_for_every_role():
    limited = STRICT_ON_TOOLS.limited(None, 0.3)
    assert Band(flag=0.3, block=0.3) == limited.of("user")
    assert Band(flag=0.2, block=0.3) == limited.of("tool")
    assert Band(flag=0.1, block=0.9) == STRICT_ON_TOOLS.limited(0.1, None).of("user")
    assert STRICT_ON_TOOLS == STRICT_ON_TOOLS.limited(None, None)
