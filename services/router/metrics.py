"""Every metric of the router."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RouterMetrics:
    """What an operator watches: changes on their way into force, and answers that could not be given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Changes applied to the read model, by kind; a rebuild applies all of them again.
        self.applied = Counter(
            "router_changes_applied", "Changes applied to the read model.", ["kind"], registry=registry
        )
        # How often the read model was begun anew: at the first start, and after the loss of Redis or of the log.
        self.rebuilds = Counter("router_rebuilds", "Rebuilds of the read model.", registry=registry)
        # The next offset of the log to be applied; against the end of topic `control` it is the lag.
        self.next_offset = Gauge("router_control_next_offset", "Next offset of the control log.", registry=registry)
        # Answers refused because a backend was away, by backend: policy, control_log or decision_log.
        self.unavailable = Counter(
            "router_unavailable", "Answers refused for a backend.", ["backend"], registry=registry
        )
        # Rows of finished exports, and exports whose trailer says that rows are missing.
        self.exported_rows = Counter("router_exported_rows", "Rows exported.", registry=registry)
        self.truncated_exports = Counter(
            "router_truncated_exports", "Exports with missing rows.", ["reason"], registry=registry
        )
        # Steps that the watch took, by what became of the route: pin, shadow, canary or live.
        self.steps = Counter("router_route_steps", "Routes moved by the watch.", ["step"], registry=registry)
        # Dry runs by what the firewall said.
        self.explained = Counter("router_explained", "Dry runs.", ["firewall"], registry=registry)
