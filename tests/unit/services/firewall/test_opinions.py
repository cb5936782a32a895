"""A text in doubt is read a second time and both opinions become one; whatever goes wrong with that, the scanner's opinion stands."""

import pytest
from msgspec.structs import replace

from libs.contracts.state import FirewallPolicy
from libs.scanner.scanner import ScannerError, ScannerTimeoutError
from libs.scanner.second_opinion_calibration import Calibration
from libs.scanner.text import Role, Segment
from libs.scanner.verdict import CLEAN, Band, Thresholds
from services.firewall.domain.judgement import Opinion
from services.firewall.opinions import Opinions, Second
from tests.unit.services.firewall.fakes import BLOCK, CALIBRATED, FLAG, World

CALIBRATION = Calibration(
    first=2.0, second=1.0, bias=0.0, worth_reading=-0.5, thresholds=Thresholds(default=Band(flag=0.6, block=0.9))
)
ANSWERS = {
    "harmless": CLEAN,
    "doubtful": replace(CLEAN, score=0.45),
    "flagged": FLAG,
    "blocked": replace(BLOCK, score=0.9),
    "encoded": replace(BLOCK, category="encoded_injection"),
}


class FakeReader:
    def __init__(self, answer: float | ScannerError) -> None:
        self.answer = answer
        self.texts: list[str] = []

    async def read(self, text: str, deadline_s: float) -> float:
        self.texts.append(text)
        if isinstance(self.answer, ScannerError):
            raise self.answer
        return self.answer


class Setting(World):
    role: Role = "user"

    def __init__(self, answer: float | ScannerError) -> None:
        super().__init__(ANSWERS)
        self.reader = FakeReader(answer)
        second = Second(reader=self.reader, calibration=CALIBRATION, deadline_s=1)
        self.opinions = Opinions(self.inspector, self.metrics, second)

    async def of(self, text: str, policy: FirewallPolicy | None = None) -> Opinion:
        return await self.opinions.of(Segment(role=self.role, text=text), text, "prompt", policy or FirewallPolicy())


@pytest.mark.parametrize(
    ("text", "answer", "action", "outcome"),
    [
        ("doubtful", 3.0, "block", "raised"),
        ("doubtful", 0.9, "flag", "raised"),
        ("doubtful", -3.0, "allow", "agreed"),
        ("flagged", -3.0, "allow", "lowered"),
        ("blocked", -3.0, "allow", "lowered"),
        ("blocked", 1.0, "block", "agreed"),
    ],
)
async def test_both_together_decide_about_a_text_in_doubt(text: str, answer: float, action: str, outcome: str):
    setting = Setting(answer)
    opinion = await setting.of(text)
    assert action == opinion.verdict.action
    assert 1 == setting.counted("second_opinions", outcome=outcome)
    assert (ANSWERS[text].score, True) == (opinion.first_score, opinion.second_score is not None)
    assert (opinion.weight > 0) == (action != "allow")


async def test_what_is_raised_has_the_category_of_its_role():
    assert "prompt_injection" == (await Setting(9.0).of("doubtful")).verdict.category


async def test_what_tools_returned_is_the_scanners_alone():
    setting = Setting(-9.0)
    setting.role = "tool"
    assert FLAG == (await setting.of("flagged")).verdict
    assert [] == setting.reader.texts


@pytest.mark.parametrize("text", ["harmless", "encoded"])
async def test_what_is_plainly_harmless_or_encoded_is_not_read_again(text: str):
    setting = Setting(9.0)
    opinion = await setting.of(text)
    assert (ANSWERS[text], None) == (opinion.verdict, opinion.second_score)
    assert [] == setting.reader.texts
    assert 1 == setting.counted("second_opinions", outcome="unread")


async def test_without_an_answer_the_scanners_opinion_stands():
    setting = Setting(ScannerTimeoutError("late"))
    assert (FLAG, None) == ((opinion := await setting.of("flagged")).verdict, opinion.second_score)
    assert 1 == setting.counted("second_opinions", outcome="ScannerTimeoutError")


async def test_a_tenants_own_limit_means_the_same_in_the_joint_score():
    at_the_flag_limit = FirewallPolicy(block_threshold=CALIBRATED.default.flag)
    assert "block" == (await Setting(0.9).of("doubtful", at_the_flag_limit)).verdict.action
    assert "allow" == (await Setting(0.5).of("doubtful", at_the_flag_limit)).verdict.action


async def test_a_repeated_text_is_read_once():
    setting = Setting(1.0)
    first = await setting.of("flagged")
    assert first == await setting.of("flagged")
    assert ["flagged"] == setting.reader.texts
