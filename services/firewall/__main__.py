"""`python -m services.firewall`: serve until told to stop."""

import sys

from libs.runtime.lifecycle import main
from services.firewall.app import build_app, listen
from services.firewall.config import FirewallConfig

if __name__ == "__main__":
    sys.exit(main("firewall", FirewallConfig, build_app, listen=listen))
