"""What the operator sees: a live table on a terminal, a line per change elsewhere."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.local.settings import StackSettings
from deploy.local.stack import API_KEY
from deploy.local.supervisor import ProcessStatus, State

MEBIBYTE = 1 << 20
STYLES = {State.READY: "green", State.FAILED: "bold red", State.RESTARTING: "red", State.STARTING: "yellow"}


class PlainScreen:
    """Writes a line whenever a process changes its state, and the instructions once."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def changed(self, status: ProcessStatus) -> None:
        """Report one process."""
        pid = f" pid {status.pid}" if status.pid else ""
        restarts = f" restart {status.restarts}" if status.restarts else ""
        self._console.print(f"{status.name}: {status.state}{pid} port {status.port}{restarts}", highlight=False)

    def ready(self, settings: StackSettings) -> None:
        """Say how to use the platform."""
        self._console.print(instructions(settings), highlight=False, soft_wrap=True)


class LiveScreen:
    """Keeps a table of all processes on the terminal, with the instructions below once the platform is ready."""

    def __init__(self, console: Console, statuses: Callable[[], Sequence[ProcessStatus]]) -> None:
        self._statuses = statuses
        self._footer = Text("starting …", style="dim")
        self.live = Live(console=console, get_renderable=self._render, refresh_per_second=4)

    def changed(self, _status: ProcessStatus) -> None:
        """Draw the table again."""
        self.live.refresh()

    def ready(self, settings: StackSettings) -> None:
        """Show how to use the platform."""
        self._footer = Text(instructions(settings))
        self.live.refresh()

    def _render(self) -> Group:
        return Group(process_table(self._statuses()), self._footer)


def process_table(statuses: Sequence[ProcessStatus]) -> Table:
    """Lay out one row per process."""
    table = Table("process", "state", "pid", "port", "restarts", "memory", title="agent-gateway", title_justify="left")
    for status in statuses:
        table.add_row(
            status.name,
            Text(status.state, style=STYLES.get(status.state, "")),
            str(status.pid or ""),
            str(status.port),
            str(status.restarts or ""),
            _memory(status.pid),
        )
    return table


def instructions(settings: StackSettings) -> str:
    """Say what to point a client at, and what to try first."""
    return f"""
Ready. Point any OpenAI client at it:
  base_url {settings.base_url}
  api_key  {API_KEY}

Try it:
  curl {settings.base_url}/chat/completions \\
    -H 'Authorization: Bearer {API_KEY}' -H 'Content-Type: application/json' \\
    -d '{{"model": "auto", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  make demo    agents' sessions on recorded outcomes
  make stop    end it from elsewhere (here: Ctrl-C)
  logs         {settings.logs}
"""


def _memory(pid: int | None) -> str:
    size_bytes = resident_bytes(pid) if pid else None
    return f"{size_bytes / MEBIBYTE:.0f} MiB" if size_bytes else ""


def resident_bytes(pid: int) -> int | None:
    """Return how much memory a process occupies; None where the system does not tell or the process is gone."""
    if sys.platform != "linux":
        return None
    try:
        fields = Path(f"/proc/{pid}/status").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[fields.index("VmRSS:") + 1]) * 1024 if "VmRSS:" in fields else None
