"""The firewall scans what the policy wants scanned, with the policy's own limits, and says when it cannot."""

import pytest

from libs.contracts.events import FirewallVerdict
from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import FakeScanner, ScannerTimeoutError
from libs.scanner.text import Segment
from libs.scanner.verdict import Band, Thresholds, Verdict
from services.router.adapters.onnx_firewall import NullFirewall, OnnxFirewall
from services.router.ports import ScanUnavailableError

BODY = b'{"messages":[{"role":"system","content":"be good"},{"role":"user","content":"hi"}]}'
CALIBRATED = Thresholds(default=Band(flag=0.5, block=0.9))


class SeeingScanner(FakeScanner):
    """Remembers the bands that it was asked with."""

    async def scan(self, segments: object, thresholds: Thresholds, deadline_s: float) -> Verdict:
        """Keep the bands."""
        self.bands = thresholds
        return await super().scan(segments, thresholds, deadline_s)


def firewall(scanner: FakeScanner) -> OnnxFirewall:
    return OnnxFirewall(scanner, CALIBRATED, deadline_s=1.0)


@pytest.mark.parametrize(("scan_system", "roles"), [(False, ["user"]), (True, ["system", "user"])])
async def test_the_system_prompt_is_scanned_where_the_policy_says_so(roles: list[str], *, scan_system: bool):
    scanner = SeeingScanner()
    await firewall(scanner).scan(BODY, FirewallPolicy(scan_system=scan_system))
    assert roles == [segment.role for segment in scanner.scanned[0]]


@pytest.mark.parametrize(
    ("policy", "band"),
    [
        (FirewallPolicy(), Band(flag=0.5, block=0.9)),
        (FirewallPolicy(flag_threshold=0.2), Band(flag=0.2, block=0.9)),
        (FirewallPolicy(block_threshold=0.3), Band(flag=0.3, block=0.3)),
    ],
    ids=str,
)
async def test_the_policys_limits_go_before_the_calibrated_ones(policy: FirewallPolicy, band: Band):
    scanner = SeeingScanner()
    await firewall(scanner).scan(BODY, policy)
    assert band == scanner.bands.of("user")


async def test_a_verdict_is_told_without_what_was_said():
    def hostile(_segments: tuple[Segment, ...]) -> Verdict:
        return Verdict(action="block", score=0.9, category="prompt_injection", role="user", evidence=("secret",))

    found = await firewall(FakeScanner(hostile)).scan(BODY, FirewallPolicy())
    assert FirewallVerdict(action="block", score=0.9, category="prompt_injection", role="user") == found


@pytest.mark.parametrize("body", [BODY, b"["])
async def test_no_verdict_is_said_to_be_none(body: bytes):
    with pytest.raises(ScanUnavailableError):
        await firewall(FakeScanner(lambda _: ScannerTimeoutError("late"))).scan(body, FirewallPolicy())


async def test_a_firewall_that_is_switched_off_looks_at_nothing():
    assert "off" == (await NullFirewall().scan(BODY, FirewallPolicy())).action
