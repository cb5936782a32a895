"""`python -m services.firewall`: serves until told to stop; `quarantines` lists or releases sessions, and ends."""

import sys

from libs.runtime import lifecycle
from libs.runtime import logging as logs
from services.firewall import commands
from services.firewall.app import build_app, listen
from services.firewall.config import FirewallConfig


def main(argv: list[str]) -> int:
    """Run the command that *argv* begins with, else the service."""
    if argv[:1] and argv[0] in commands.COMMANDS:
        # What a command prints is for pipes; what it logs is not.
        logs.configure("firewall", level="warning", stream=sys.stderr)
        return commands.main(argv)
    return lifecycle.main("firewall", FirewallConfig, build_app, listen=listen, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
