"""A circuit breaker per model: after failures in a row it is left alone for a while, then tried by one request."""

import msgspec


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """*failures* in a row open the circuit for *open_s*, which doubles up to *max_open_s* while the model stays down."""

    failures: int = 5
    open_s: float = 5.0
    max_open_s: float = 60.0


class _Circuit:
    __slots__ = ("failures", "open_s", "open_until_s", "probe_until_s")

    def __init__(self, open_s: float) -> None:
        self.failures = 0
        self.open_s = open_s
        self.open_until_s: float | None = None
        self.probe_until_s = 0.0


class Breaker:
    """The circuits of all models of this process; a healthy model costs one dictionary look-up."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._circuits: dict[str, _Circuit] = {}

    def allows(self, model: str, now_s: float) -> bool:
        """Say whether *model* may be called; once its time is over, one caller per period gets leave to probe it."""
        circuit = self._circuits.get(model)
        if circuit is None or circuit.open_until_s is None:
            return True
        if now_s < max(circuit.open_until_s, circuit.probe_until_s):
            return False
        circuit.probe_until_s = now_s + circuit.open_s
        return True

    def began(self, model: str) -> None:
        """Note the first bytes of a stream: the circuit closes on trial, one failure opens it again."""
        circuit = self._circuits.get(model)
        if circuit is not None and circuit.open_until_s is not None:
            circuit.open_until_s = None
            circuit.failures = self._settings.failures - 1

    def succeeded(self, model: str) -> None:
        """Note a whole answer: the circuit closes, and past failures are forgotten."""
        self._circuits.pop(model, None)

    def failed(self, model: str, now_s: float) -> None:
        """Note a failure that is the provider's: the circuit opens after enough of them in a row."""
        settings = self._settings
        circuit = self._circuits.setdefault(model, _Circuit(settings.open_s))
        circuit.failures += 1
        if circuit.open_until_s is None:
            if circuit.failures >= settings.failures:
                circuit.open_until_s = now_s + circuit.open_s
        elif now_s >= circuit.open_until_s:  # A probe failed; a call from before the circuit opened says nothing new.
            circuit.open_s = min(circuit.open_s * 2, settings.max_open_s)
            circuit.open_until_s = now_s + circuit.open_s

    def unavailable(self, now_s: float) -> frozenset[str]:
        """Return the models whose circuit is open, for the decision to leave out."""
        if not self._circuits:
            return frozenset()
        return frozenset(model for model, circuit in self._circuits.items() if _is_open(circuit, now_s))

    def retry_after_s(self, model: str, now_s: float) -> float:
        """Return the seconds until *model* may be tried again; 0 when it may be now."""
        circuit = self._circuits.get(model)
        return max(0.0, circuit.open_until_s - now_s) if circuit and circuit.open_until_s is not None else 0.0


def _is_open(circuit: _Circuit, now_s: float) -> bool:
    return circuit.open_until_s is not None and now_s < max(circuit.open_until_s, circuit.probe_until_s)
