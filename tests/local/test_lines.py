"""Lines of processes, through real pipes and both event loops."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from slsadapt.local.lines import LineReader

LOOPS: list[Any] = [pytest.param(asyncio.new_event_loop, id="asyncio")]
if sys.platform != "win32":
    import uvloop

    LOOPS.append(pytest.param(uvloop.new_event_loop, id="uvloop"))

Told = list[tuple[str, str]]


class Pipe:
    """A pipe, of which a reader tells the lines."""

    def __init__(self) -> None:
        read, self.write_fd = os.pipe()
        os.set_blocking(read, False)
        self.read_fd = read
        self.told: Told = []
        self.news = asyncio.Event()
        self.reader = LineReader(read, self.tell)

    def tell(self, tag: str, text: str) -> None:
        self.told.append((tag, text))
        self.news.set()

    def write(self, data: bytes) -> None:
        assert os.write(self.write_fd, data) == len(data)

    def end(self) -> None:
        os.close(self.write_fd)

    async def wait_for(self, count: int) -> Told:
        while len(self.told) < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 20)
        return self.told

    async def wait_for_end(self) -> Told:
        while is_open(self.read_fd):
            await asyncio.sleep(0.001)
        return self.told


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def run(
    test: Callable[[], Coroutine[Any, Any, None]],
    make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> None:
    loop = make_loop()
    try:
        loop.run_until_complete(test())
    finally:
        loop.close()


@pytest.mark.parametrize("make_loop", LOOPS)
@pytest.mark.parametrize(
    ("written", "told"),
    [
        pytest.param(b"one\ntwo\n", ["one", "two"], id="lines"),
        pytest.param(b"one\r\n\r\ntwo\r\n", ["one", "", "two"], id="ends of Windows"),
        pytest.param(b"\n\none\n", ["", "", "one"], id="empty lines"),
        pytest.param(b"10%\r20%\r30%\n", ["10%", "20%", "30%"], id="progress bar"),
        pytest.param(b"\r10%\r20%", ["10%", "20%"], id="bar that begins with its end"),
        pytest.param("价格 ü\n".encode(), ["价格 ü"], id="utf-8"),
        pytest.param(b"caf\xe9 \xff\n", ["caf\\xe9 \\xff"], id="latin-1"),
        pytest.param(b"no end", ["no end"], id="unfinished at the end"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_written_is_told_by_line(
    make_loop: Callable[[], asyncio.AbstractEventLoop], written: bytes, told: list[str]
) -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(written) if written else None
        pipe.end()
        assert await pipe.wait_for_end() == [("", text) for text in told]

    run(test, make_loop)


def test_line_in_small_parts_is_one_line() -> None:
    async def test() -> None:
        pipe = Pipe()
        for byte in "价\r\nzwei\n".encode():
            pipe.write(bytes([byte]))
            pipe.reader.drain() if byte == 0x0A else await asyncio.sleep(0)
        pipe.end()
        assert await pipe.wait_for_end() == [("", "价"), ("", "zwei")]

    run(test)


def test_tag_is_of_its_line_only() -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(b"\0a-1\0one\n\0b-2\0two\rthree\nnobody's\n\0a-1\0\n\0odd\n")
        pipe.end()
        assert await pipe.wait_for_end() == [
            ("a-1", "one"),
            ("b-2", "two"),
            ("b-2", "three"),
            ("", "nobody's"),
            ("a-1", ""),
            ("", "\0odd"),
        ]

    run(test)


def test_long_line_comes_in_pieces_that_cut_no_character() -> None:
    async def test() -> None:
        pipe = Pipe()
        line = b"\0a-1\0" + b"x" * (65536 - 5 - 1) + "城".encode() + b"y" * 20000 + b"\n"
        left = line
        while left:
            left = left[os.write(pipe.write_fd, left[:4096]) :]
            pipe.reader.drain()
        pipe.end()
        told = await pipe.wait_for_end()
        assert [tag for tag, _ in told] == ["a-1", "a-1"]
        assert [len(text) for _, text in told] == [65530, 20001]
        assert told[1][1].startswith("城y")

    run(test)


def test_prompt_is_told_after_silence_and_its_end_is_no_line() -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(b"name? ")
        assert await pipe.wait_for(1) == [("", "name? ")]
        pipe.write(b"\nhello\n")
        assert await pipe.wait_for(2) == [("", "name? "), ("", "hello")]
        pipe.reader.close()
        pipe.end()

    run(test)


def test_drain_tells_at_once_what_is_written() -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(b"one\n" * 5000 + b"unfinished")
        pipe.reader.drain()
        assert pipe.told == [("", "one")] * 5000 + [("", "unfinished")]
        pipe.reader.drain()
        assert len(pipe.told) == 5001
        pipe.reader.close()
        pipe.end()

    run(test)


def test_drain_cuts_no_line_that_has_a_tag() -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(b"\0a-1\0begin")
        pipe.reader.drain()
        assert pipe.told == []
        pipe.write(b" and end\n")
        pipe.reader.drain()
        assert pipe.told == [("a-1", "begin and end")]
        pipe.reader.close()
        pipe.end()

    run(test)


def test_close_tells_the_rest_and_gives_the_descriptor_back() -> None:
    async def test() -> None:
        pipe = Pipe()
        pipe.write(b"last words")
        pipe.reader.close()
        assert pipe.told == [("", "last words")]
        assert not is_open(pipe.read_fd)
        pipe.reader.close()
        pipe.reader.drain()
        assert pipe.told == [("", "last words")]
        with pytest.raises(BrokenPipeError):
            os.write(pipe.write_fd, b"more")
        pipe.end()

    run(test)


@pytest.mark.parametrize("make_loop", LOOPS)
def test_flood_lets_others_have_their_turn(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def test() -> None:
        pipe = Pipe()
        flood = await asyncio.create_subprocess_exec("yes", stdout=pipe.write_fd)
        pipe.end()
        turns = 0
        while turns < 50:
            before = len(pipe.told)
            await asyncio.sleep(0)
            turns += 1
            # 8 KiB of "y" and an end.
            assert len(pipe.told) - before <= 4096
        await pipe.wait_for(10_000)
        pipe.reader.drain()
        flood.kill()
        await flood.wait()
        pipe.reader.close()
        assert set(pipe.told) == {("", "y")}

    run(test, make_loop)
