"""A judge model that says what was planned: the recorded score, or its opposite where it is to be wrong, and nothing on most steps."""

import re
from collections.abc import Mapping

from aiohttp import web

MARKER = re.compile(r"<step [^>]+>")
SCORE = re.compile(r'score\\*": ?([0-9.e-]+)')
NO_VERDICT = "no verdict"
MAX_BODY_BYTES = 1 << 20


class MockJudge:
    """Serves `/v1/chat/completions`; *flips* says for the marker of each judged step whether the judge is wrong there."""

    def __init__(self, flips: Mapping[str, bool]) -> None:
        self.flips = flips
        self.asked: set[str] = set()
        self.judged: set[str] = set()

    def app(self) -> web.Application:
        """Return the HTTP application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._answer)
        return app

    def verdict(self, question: str) -> str:
        """Return the judge's answer to *question*; what is not judged gets one that the service counts and drops."""
        found, score = MARKER.search(question), SCORE.search(question)
        if found is None or score is None:
            return NO_VERDICT
        step = found.group()
        self.asked.add(step)
        if step not in self.flips:
            return NO_VERDICT
        self.judged.add(step)
        heard = 1.0 - float(score.group(1)) if self.flips[step] else float(score.group(1))
        return f'{{"score": {round(10 * heard)}}}'

    async def _answer(self, http: web.Request) -> web.Response:
        messages = (await http.json())["messages"]
        message = {"role": "assistant", "content": self.verdict(messages[-1]["content"])}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
