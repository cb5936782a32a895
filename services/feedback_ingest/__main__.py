"""`python -m services.feedback_ingest`: serves until told to stop; `priors` changes the Day-0 table, and ends."""

import sys

from libs.runtime import lifecycle
from libs.runtime import logging as logs
from services.feedback_ingest import commands
from services.feedback_ingest.app import build_app
from services.feedback_ingest.config import FeedbackConfig


def main(argv: list[str]) -> int:
    """Run the command that *argv* begins with, else the service."""
    if argv and argv[0] in commands.COMMANDS:
        # What a command prints is for pipes; what it logs is not.
        logs.configure("feedback_ingest", level="warning", stream=sys.stderr)
        return commands.main(argv)
    return lifecycle.main("feedback_ingest", FeedbackConfig, build_app, argv=argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
