"""`python -m services.router`: serves; commands change the policy, audit decisions or export labels, and end."""

import sys
from collections.abc import Callable

from libs.runtime import lifecycle
from libs.runtime import logging as logs
from services.router import audit_commands, commands, label_commands
from services.router.app import build_app
from services.router.config import RouterConfig

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    **dict.fromkeys(commands.COMMANDS, commands.main),
    **dict.fromkeys(audit_commands.COMMANDS, audit_commands.main),
    **dict.fromkeys(label_commands.COMMANDS, label_commands.main),
}


def main(argv: list[str]) -> int:
    """Run the command that *argv* begins with, else the service."""
    command = COMMANDS.get(argv[0]) if argv else None
    if command is not None:
        # What a command prints is for pipes; what it logs is not.
        logs.configure("router", level="warning", stream=sys.stderr)
        return command(argv)
    return lifecycle.main("router", RouterConfig, build_app, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
