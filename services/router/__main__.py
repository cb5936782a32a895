"""`python -m services.router`: serves; with a command (`apply`, `keys`) changes the policy and ends."""

import sys

from libs.runtime import lifecycle
from libs.runtime import logging as logs
from services.router import commands
from services.router.app import build_app
from services.router.config import RouterConfig


def main(argv: list[str]) -> int:
    """Run the command that *argv* begins with, else the service."""
    if argv and argv[0] in commands.COMMANDS:
        # What a command prints is for pipes; what it logs is not.
        logs.configure("router", level="warning", stream=sys.stderr)
        return commands.main(argv)
    return lifecycle.main("router", RouterConfig, build_app, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
