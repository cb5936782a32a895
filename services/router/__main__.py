"""`python -m services.router`: serves; `apply` and `keys` change the policy, `replay` audits decisions, and end."""

import sys

from libs.runtime import lifecycle
from libs.runtime import logging as logs
from services.router import audit_commands, commands
from services.router.app import build_app
from services.router.config import RouterConfig


def main(argv: list[str]) -> int:
    """Run the command that *argv* begins with, else the service."""
    command = argv[0] if argv else ""
    if command in commands.COMMANDS or command in audit_commands.COMMANDS:
        # What a command prints is for pipes; what it logs is not.
        logs.configure("router", level="warning", stream=sys.stderr)
        return commands.main(argv) if command in commands.COMMANDS else audit_commands.main(argv)
    return lifecycle.main("router", RouterConfig, build_app, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
