"""Events survive `kill -9` of the process that published them."""

import asyncio
import sys
from pathlib import Path

import pytest

from libs.kafka.memory import MemoryBroker, MemorySender
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.settings import JournalSettings
from tests.integration.libs.kafka.worlds import eventually

CHILD = """
import asyncio, sys
from pathlib import Path
from libs.kafka.publisher import JournaledPublisher
from libs.kafka.settings import JournalSettings

class Away:
    async def send(self, messages):
        await asyncio.Event().wait()

async def main():
    publisher = JournaledPublisher(Away(), JournalSettings(directory=Path(sys.argv[1]), segment_bytes=2000))
    number = 0
    while True:
        for _ in range(number % 7):
            publisher.publish("t", b"k", b"%d" % number)
            number += 1
        number += 1
        publisher.publish("t", b"k", b"%d" % (number - 1))
        await asyncio.sleep(0)
        print(number, flush=True)

asyncio.run(main())
"""


async def numbers_published_until_killed(directory: Path) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    seen = 0
    while seen < 2000:
        seen = int(await child.stdout.readline())
    child.kill()
    rest = (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()
    return max([seen, *(int(line) for line in rest if line.endswith(b"\n"))])


@pytest.mark.parametrize("_life", range(3))
async def test_what_a_killed_process_published_reaches_the_broker(tmp_path, _life):
    published = await asyncio.wait_for(numbers_published_until_killed(tmp_path), 60)
    broker = MemoryBroker()
    publisher = JournaledPublisher(MemorySender(broker), JournalSettings(directory=tmp_path))
    await eventually(lambda: len(broker.records("t")) >= published)
    await publisher.close()
    numbers = [int(record.value) for record in broker.records("t")]
    assert list(range(len(numbers))) == numbers
