"""The firewall in process scans what the policy wants, with the tenant's limits, and fails in one way only."""

import json

import pytest

from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import FakeScanner, ScannerBusyError, ScannerError, ScannerFailedError, ScannerTimeoutError
from libs.scanner.verdict import CLEAN, Band, Thresholds
from services.gateway.adapters.local_firewall import LocalFirewall
from services.gateway.ports import ScanFailedError

CALIBRATED = Thresholds(default=Band(flag=0.5, block=0.9), by_role={"tool": Band(flag=0.4, block=0.8)})
BODY = json.dumps({"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}).encode()


@pytest.mark.parametrize(("scan_system", "roles"), [(False, ["user"]), (True, ["system", "user"])])
async def test_the_system_message_is_scanned_only_where_the_policy_says_so(scan_system, roles):
    scanner = FakeScanner()
    verdict = await LocalFirewall(scanner, CALIBRATED, 1.0).scan(BODY, FirewallPolicy(scan_system=scan_system))
    assert CLEAN == verdict
    assert roles == [segment.role for segment in scanner.scanned[0]]


@pytest.mark.parametrize("error", [ScannerBusyError(), ScannerTimeoutError(), ScannerFailedError()])
async def test_every_failure_of_the_scanner_is_a_failed_scan(error: ScannerError):
    firewall = LocalFirewall(FakeScanner(lambda _: error), CALIBRATED, 1.0)
    with pytest.raises(ScanFailedError):
        await firewall.scan(BODY, FirewallPolicy())
