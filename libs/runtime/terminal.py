"""What commands say: results on stdout, why they failed on stderr."""

import sys


def say(*lines: str) -> None:
    """Print *lines* as results."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def fail(program: str, message: str, code: int) -> int:
    """Print why *program* failed and return *code*, to exit with."""
    sys.stderr.write(f"{program}: {message}\n")
    return code
