"""Changes of real files, as editors, version control and functions make them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from slsadapt.local.reload import Watcher

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),
]


class Watched:
    """A watched folder, and the changes that were told."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.told: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.failure: Exception | None = None
        self.watcher = Watcher(folder, self.change, **options)

    async def change(self, paths: tuple[str, ...]) -> None:
        await self.told.put(paths)
        if self.failure is not None:
            raise self.failure

    async def __aenter__(self) -> Watched:
        self.watcher.start()
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.watcher.stop()

    async def settle(self) -> None:
        """Wait until changes are told, and those before are."""
        number = 0
        while True:
            number += 1
            mark = f"mark{number}.txt"
            (self.folder / mark).touch()
            try:
                while mark not in await asyncio.wait_for(self.told.get(), 0.1):
                    pass
                return
            except asyncio.TimeoutError:
                assert number < 200

    async def until(self, *paths: str) -> set[str]:
        """Wait until these are told, and give all that were."""
        told: set[str] = set()
        while not told.issuperset(paths):
            told.update(await asyncio.wait_for(self.told.get(), 20))
        return told

    async def only(self) -> set[str]:
        """Give what is told before a change that surely is."""
        (self.folder / "last.txt").touch()
        return await self.until("last.txt") - {"last.txt"}


def run(
    test: Callable[[], Coroutine[Any, Any, None]],
    make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> None:
    loop = make_loop()
    try:
        loop.run_until_complete(test())
    finally:
        loop.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Names above the folder do not matter.
    folder = tmp_path / ".venv" / "node_modules" / "shop"
    (folder / "templates").mkdir(parents=True)
    (folder / "app.py").write_text("x = 1\n")
    return folder


@pytest.mark.parametrize("make_loop", LOOPS)
def test_save_is_told_relative_to_the_folder(
    folder: Path, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def test() -> None:
        async with Watched(folder) as watched:
            (folder / "app.py").write_text("x = 2\n")
            (folder / "templates" / "home.html").write_text("<p>")
            assert await watched.only() == {"app.py", "templates/home.html"}
            (folder / "app.py").unlink()
            assert await watched.only() == {"app.py"}

    run(test, make_loop)


@pytest.mark.parametrize(
    "name", [".env", "config.yaml", "data.json", "static/shop.css", "app.pyi", "a b.py", "城.py"]
)
def test_all_that_a_function_consists_of_counts(folder: Path, name: str) -> None:
    async def test() -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        async with Watched(folder) as watched:
            (folder / name).write_text("new")
            assert await watched.only() == {name}

    run(test)


def test_what_tools_and_functions_write_does_not_count(folder: Path) -> None:
    names = [
        "__pycache__/app.cpython-311.pyc",
        "templates/__pycache__/x.pyc",
        ".git/index",
        ".venv/lib/site.py",
        "env/lib/site.py",
        "node_modules/left/index.js",
        ".mypy_cache/x.json",
        "app.log",
        "app.log.1",
        "shop.sqlite3",
        "shop.sqlite3-journal",
        "shop.db-wal",
        ".app.py.swp",
        "app.py~",
        "4913",
        ".#app.py",
        "#app.py#",
        ".coverage.host.1",
        "app.pid",
        "cassettes/1.json",
    ]

    async def test() -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "env" / "pyvenv.cfg").touch()
        async with Watched(folder, ignored=[folder / "cassettes"]) as watched:
            for name in names:
                (folder / name).write_text("new")
            assert await watched.only() == set()

    run(test)


def test_save_by_another_name_is_one_change(folder: Path) -> None:
    async def test() -> None:
        async with Watched(folder) as watched:
            (folder / "sedX7Kq2").write_text("x = 2\n")
            (folder / "sedX7Kq2").replace(folder / "app.py")
            assert await watched.only() == {"app.py"}

    run(test)


def test_many_files_at_once_are_few_changes(folder: Path) -> None:
    async def test() -> None:
        async with Watched(folder) as watched:
            names = {f"module{number}.py" for number in range(300)}
            for name in names:
                (folder / name).touch()
            left, batches = names, 0
            while left:
                left = left.difference(await asyncio.wait_for(watched.told.get(), 20))
                batches += 1
            assert batches < 30

    run(test)


def test_new_folder_is_watched(folder: Path) -> None:
    async def test() -> None:
        async with Watched(folder) as watched:
            (folder / "orders" / "views").mkdir(parents=True)
            await watched.until("orders", ".")
            await watched.settle()
            (folder / "orders" / "views" / "list.py").touch()
            await watched.until("orders/views/list.py")

    run(test)


def test_linked_folder_is_watched_and_a_circle_is_not_endless(folder: Path, tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "shared").mkdir()
        (folder / "shared").symlink_to(tmp_path / "shared")
        (folder / "templates" / "up").symlink_to(folder)
        async with Watched(folder) as watched:
            (tmp_path / "shared" / "money.py").touch()
            assert await watched.only() == {"shared/money.py"}

    run(test)


def test_folder_may_vanish_and_come_back(folder: Path) -> None:
    async def test() -> None:
        async with Watched(folder) as watched:
            shutil.rmtree(folder)
            await watched.until("app.py")
            folder.mkdir()
            await watched.until(".")
            await watched.settle()
            (folder / "app.py").touch()
            await watched.until("app.py")

    run(test)


def test_stop_waits_for_no_reload(folder: Path) -> None:
    async def test() -> None:
        reloading = asyncio.Event()

        async def reload(paths: tuple[str, ...]) -> None:
            reloading.set()
            await asyncio.Event().wait()

        watcher = Watcher(folder, reload)
        watcher.start()
        for number in range(200):
            (folder / f"mark{number}.py").touch()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reloading.wait(), 0.1)
                break
        assert reloading.is_set()
        await watcher.stop()

    run(test)


def test_failed_reload_is_told_and_the_next_one_comes(folder: Path) -> None:
    async def test() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
        async with Watched(folder) as watched:
            watched.failure = LookupError("no such function")
            (folder / "app.py").touch()
            await watched.until("app.py")
            (folder / "prices.py").touch()
            await watched.until("prices.py")
        assert {str(told["exception"]) for told in failures} == {"no such function"}

    run(test)


def test_nothing_is_told_after_the_end(folder: Path) -> None:
    async def test() -> None:
        watched = Watched(folder)
        async with watched:
            pass
        (folder / "app.py").write_text("x = 2\n")
        async with Watched(folder):
            pass
        assert watched.told.empty()
        await watched.watcher.stop()

    run(test)


def test_files_are_looked_at_where_the_system_tells_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "true")
    monkeypatch.setenv("WATCHFILES_POLL_DELAY_MS", "20")

    async def test() -> None:
        async with Watched(folder) as watched:
            # Of times only whole seconds count here.
            (folder / "prices.py").touch()
            await watched.until("prices.py")

    run(test)
