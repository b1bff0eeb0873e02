"""Ten thousand requests, 64 at once, while instances are killed at random."""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from slsadapt.local.function import Function
from slsadapt.local.notices import Answered, Ended, Notice, Started
from slsadapt.local.pool import Rules
from slsadapt.local.serving import LocalCloud, Settings

pytestmark = pytest.mark.once

FUNCTION = """
import os

ran = os.open(os.path.join(os.path.dirname(__file__), "ran.txt"), os.O_WRONLY | os.O_APPEND)

def main_handler(event, context):
    number = event["queryStringParameters"]["number"]
    os.write(ran, f"{number}\\n".encode())
    return {"statusCode": 200, "body": f"{number} {context.aws_request_id}"}
"""
REQUESTS = 10_000
AT_ONCE = 64


async def get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
) -> tuple[int, bytes]:
    writer.write(f"GET /?number={number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def test_no_request_is_lost_or_answered_by_another(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(FUNCTION)
    ran = tmp_path / "ran.txt"
    ran.touch()
    notices: list[Notice] = []
    answers: dict[int, tuple[int, bytes]] = {}
    numbers = iter(range(REQUESTS))
    # Which instances die is left to chance; how often one does, is not.
    chance = random.Random(20)

    async def work(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            assert number not in answers
            answers[number] = await get(reader, writer, number)
        writer.close()
        await writer.wait_closed()

    async def kill(cloud: LocalCloud) -> None:
        while True:
            before = len(answers)
            while len(answers) < before + 150:
                await asyncio.sleep(0.001)
            alive = [each for each in cloud.pool.instances.values() if each.pid]
            try:
                os.kill(chance.choice(alive).pid, signal.SIGKILL)
            except (IndexError, ProcessLookupError):
                continue

    async def body() -> None:
        function = Function(
            label="index",
            folder=tmp_path,
            module="index",
            name="main_handler",
            dialect="aws_http",
            timeout_s=30.0,
            memory_mb=512,
        )
        settings = Settings(
            function=function,
            rules=Rules(instances=8, queue_s=60.0, cold="fork"),
            port=0,
            invoke_port=0,
            reloads=False,
        )
        async with LocalCloud(settings, notices.append) as cloud:
            port = int(cloud.url.rpartition(":")[2])
            killer = asyncio.ensure_future(kill(cloud))
            await asyncio.gather(*(work(port) for _ in range(AT_ONCE)))
            killer.cancel()
            failed = cloud.pool.counts.failed

        assert sorted(answers) == list(range(REQUESTS))
        statuses = Counter(status for status, _ in answers.values())
        assert set(statuses) == {200, 500}
        assert statuses[500] == sum(failed.values())
        # Each request that failed is one that a killed instance had, or was started for.
        assert set(failed) <= {"exit", "init"}
        killed = [each for each in notices if isinstance(each, Ended) and each.status == -9]
        assert 0 < statuses[500] <= len(killed)
        runs = Counter(map(int, ran.read_text().split()))
        assert max(runs.values()) == 1
        seen: Counter[str] = Counter()
        for number, (status, answer) in answers.items():
            if status == 200:
                told, request_id = answer.decode().split()
                assert int(told) == number
                assert runs[number] == 1
                seen[request_id] += 1
            else:
                assert json.loads(answer) == {"message": "Internal Server Error"}
        assert max(seen.values()) == 1
        answered = [each for each in notices if isinstance(each, Answered)]
        assert len(answered) == REQUESTS
        for started in [each for each in notices if isinstance(each, Started)]:
            assert not psutil.pid_exists(started.pid)

    asyncio.run(asyncio.wait_for(body(), 300))
