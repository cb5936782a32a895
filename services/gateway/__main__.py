"""`python -m services.gateway`: serve until told to stop."""

import sys

from libs.runtime.lifecycle import main
from services.gateway.app import build_app, listen
from services.gateway.config import GatewayConfig

if __name__ == "__main__":
    sys.exit(main("gateway", GatewayConfig, build_app, listen=listen))
