"""Metrics of the firewall."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SCAN_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


class FirewallMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Verdicts by where the text came from (`api`, `gateway`, `tool_result`, `prompt`, `answer`), what was said of it, and whose text decided.
        self.verdicts = Counter("firewall_verdicts", "Verdicts.", ["origin", "action", "role"], registry=registry)
        # Scans that wait for the scanner: near its limit, the next ones are dropped.
        self.waiting_scans = Gauge("firewall_waiting_scans", "Scans in the queue.", registry=registry)
        # Computing time of one verdict, without the wait for the scanner.
        self.scan_s = Histogram(
            "firewall_scan_seconds", "Computing time of one verdict.", buckets=SCAN_BUCKETS_S, registry=registry
        )
        # Texts that got no verdict, by the scanner's error: `ScannerBusyError` dropped, `ScannerTimeoutError` over the deadline.
        self.unscanned = Counter(
            "firewall_unscanned", "Texts without a verdict.", ["origin", "error"], registry=registry
        )
        # What tenants say of verdicts; `repeated` had been said before.
        self.labels = Counter("firewall_labels", "Labels.", ["label", "outcome"], registry=registry)
        # What the second opinion did to the scanner's verdict: `agreed`, `raised`, `lowered`; `unread` where it was not worth asking.
        self.second_opinions = Counter(
            "firewall_second_opinions", "Second opinions on texts.", ["outcome"], registry=registry
        )
        # 1 where the second opinion is installed and on.
        self.second_opinion_present = Gauge(
            "firewall_second_opinion_present", "Whether there is a second opinion.", registry=registry
        )
        # Sessions put in quarantine, repeated ones too.
        self.quarantined = Counter("firewall_quarantined", "Sessions put in quarantine.", registry=registry)
        # Scans judged by the default policy because Redis was away.
        self.without_policy = Counter(
            "firewall_without_policy", "Scans judged without the tenant's policy.", registry=registry
        )
