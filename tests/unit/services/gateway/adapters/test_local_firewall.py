"""The firewall in process scans what the policy wants, with the tenant's limits, and fails in one way only."""

import json

import pytest

from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import FakeScanner, ScannerBusyError, ScannerError, ScannerFailedError, ScannerTimeoutError
from libs.scanner.verdict import CLEAN, Band, Thresholds
from services.gateway.adapters.local_firewall import LocalFirewall
from services.gateway.ports import ScanFailedError, Scanned

CALIBRATED = Thresholds(default=Band(flag=0.5, block=0.9), by_role={"tool": Band(flag=0.4, block=0.8)})
BODY = json.dumps({"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}).encode()


@pytest.mark.parametrize(("scan_system", "roles"), [(False, ["user"]), (True, ["system", "user"])])
async def test_the_system_message_is_scanned_only_where_the_policy_says_so(scan_system, roles):
    scanner = FakeScanner()
    firewall = LocalFirewall(scanner, CALIBRATED, 1.0, [].append)
    scanned = await firewall.scan(BODY, "acme", FirewallPolicy(scan_system=scan_system))
    assert Scanned(verdict=CLEAN, scanner="local") == scanned
    assert roles == [segment.role for segment in scanner.scanned[0]]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ScannerBusyError(), "scan_dropped"),
        (ScannerTimeoutError(), "scan_over_deadline"),
        (ScannerFailedError(), "scan_failed"),
    ],
)
async def test_every_failure_of_the_scanner_is_a_failed_scan_that_is_counted_by_its_reason(error: ScannerError, reason):
    degraded: list[str] = []
    firewall = LocalFirewall(FakeScanner(lambda _: error), CALIBRATED, 1.0, degraded.append)
    with pytest.raises(ScanFailedError):
        await firewall.scan(BODY, "acme", FirewallPolicy())
    assert [reason] == degraded


async def test_a_body_that_cannot_be_read_is_a_failed_scan():
    degraded: list[str] = []
    with pytest.raises(ScanFailedError):
        await LocalFirewall(FakeScanner(), CALIBRATED, 1.0, degraded.append).scan(b"{", "acme", FirewallPolicy())
    assert ["scan_unreadable"] == degraded
