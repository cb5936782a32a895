"""`python -m services.aggregator`: serve, or with a first argument one of the commands."""

import sys

from libs.runtime import lifecycle
from services.aggregator import commands
from services.aggregator.app import build_app
from services.aggregator.config import AggregatorConfig


def main(argv: list[str]) -> int:
    """Return the exit code."""
    if argv and argv[0] in commands.COMMANDS:
        return commands.main(argv)
    if argv and argv[0] in ("-h", "--help"):
        sys.stdout.write(commands.summary())
    return lifecycle.main("aggregator", AggregatorConfig, build_app, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
