"""The local policy file declares the key that the instructions name."""

from deploy.local.settings import StackSettings
from deploy.local.stack import API_KEY
from libs.contracts.bootstrap import load
from libs.contracts.state import secret_sha256


def test_the_key_of_the_instructions_may_do_everything():
    (key,) = load(StackSettings().bootstrap_file.read_bytes()).keys

    assert secret_sha256(API_KEY) == key.digest({})
    assert ("read", "write", "admin") == key.permissions
