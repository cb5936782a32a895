"""`python -m services.feedback_ingest`: serve until told to stop."""

import sys

from libs.runtime.lifecycle import main
from services.feedback_ingest.app import build_app
from services.feedback_ingest.config import FeedbackConfig

if __name__ == "__main__":
    sys.exit(main("feedback_ingest", FeedbackConfig, build_app))
