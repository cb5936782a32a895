"""Commands say results and failures apart."""

import pytest

from libs.runtime.terminal import fail, say


def test_results_go_to_stdout_a_line_each(capsys: pytest.CaptureFixture[str]):
    say("one", "two")
    say()
    assert ("one\ntwo\n", "") == capsys.readouterr()


def test_a_failure_goes_to_stderr_with_its_program_and_gives_the_exit_code(capsys: pytest.CaptureFixture[str]):
    assert 2 == fail("router", "there is no such key", 2)
    assert ("", "router: there is no such key\n") == capsys.readouterr()
