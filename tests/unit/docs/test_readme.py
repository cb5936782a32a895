"""The README says what is true."""

import re
import subprocess
from pathlib import Path

from libs.contracts import diagram

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def test_the_diagram_is_drawn_from_the_topic_table():
    """A changed topic changes the picture: `python -m libs.contracts.diagram README.md`."""
    assert diagram.redraw(README) == README
    assert diagram.data_flow() in README


def test_every_file_it_names_exists():
    """A reader who follows the README finds the behaviour."""
    named = re.findall(r"`((?:services|libs|deploy|tests|benchmarks|docs)/[\w./-]+)`", README)

    assert [] == [path for path in named if not (ROOT / path).exists()]
    assert named


def test_every_make_target_it_names_exists():
    """The commands in the README are commands of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set() == set(re.findall(r"`make ([a-z0-9-]+)`", README)) - targets


def test_no_path_leads_out_of_the_repository():
    """The project speaks only of itself, and of data and tools that it can do without."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607

    leaving = re.compile(r"\.\./shared/(?!data|tools)")

    assert [] == [page for page in listed.stdout.split() if leaving.search((ROOT / page).read_text())]
