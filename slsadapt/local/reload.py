"""Tell when files of a function change.

Everything in its folder counts, templates and data too, but for what tools and the function itself
write: bytecode, caches, logs, databases, editors' temporary files, virtual environments.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import BaseFilter, Change, DefaultFilter, awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Watcher"]

# A save is told after one or two steps without a further change; a checkout of many files, once.
_STEP_MS = 15
_DEBOUNCE_MS = 400
# How often to look whether the folder is still the same one, or there again.
_LOOK_S = 0.5


class _OwnFiles(BaseFilter):
    """Lets through what a function consists of, by paths relative to its folder."""

    ignore_dirs = (
        *DefaultFilter.ignore_dirs,
        "venv",
        "site-packages",
        ".ruff_cache",
        ".nox",
        ".cache",
        ".vscode",
        ".ipynb_checkpoints",
        "htmlcov",
    )
    ignore_entity_patterns = (
        *DefaultFilter.ignore_entity_patterns,
        r"\.(log|pid|sock|lock|tmp|temp|bak|orig|rej|part|prof|pstats)(\.\d+)?$",
        r"\.(sqlite3?|db3?)(-journal|-wal|-shm)?$",
        # Vim tries whether it can write; Emacs, GNOME and KDE save under another name first.
        r"^4913$",
        r"^#.*#$",
        r"^\.goutputstream-",
        r"\.kate-swp$",
        r"^\.coverage",
        r"^celerybeat-schedule",
        r"^nohup\.out$",
    )


class Watcher:
    """Watches a folder; survives that it vanishes, and comes back.

    Where the system cannot tell of changes, files are looked at again and again; it may not know
    that of a network drive, for which ``WATCHFILES_FORCE_POLLING=true`` is.

    Args:
        changed: is awaited with the changed paths, relative to the folder and sorted; ``(".",)``
            is all of it. What changes meanwhile is told after that. What it raises goes to the
            loop's exception handler.
        ignored: files and folders that do not count.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[tuple[str, ...]], Awaitable[object]],
        *,
        ignored: Sequence[Path] = (),
    ) -> None:
        self._folder = folder.resolve()
        self._changed = changed
        self._ignored = {path.resolve() for path in ignored}
        self._counts = _OwnFiles()
        self._is_polling: bool | None = None
        self._is_changing = False
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Watch no more; nothing is told after that."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self) -> None:
        is_first = True
        while True:
            while (identity := _identity(self._folder)) is None:
                await asyncio.sleep(_LOOK_S)
            over = asyncio.Event()
            telling = asyncio.create_task(self._tell(over))
            try:
                if not is_first:
                    # Somebody may have written before all of it was watched again.
                    await asyncio.sleep(0)
                    await self._change((".",))
                is_first = False
                while not telling.done() and _identity(self._folder) == identity:
                    await asyncio.wait([telling], timeout=_LOOK_S)
            finally:
                over.set()
                if self._is_changing:
                    telling.cancel()
                await asyncio.wait([telling])
            error = None if telling.cancelled() else telling.exception()
            if isinstance(error, FileNotFoundError):
                continue  # a folder vanished before it could be watched
            if isinstance(error, (OSError, WatchfilesRustInternalError)):
                # As where the system has no watches left for so many folders.
                self._is_polling = True
                await asyncio.sleep(_LOOK_S)
            elif error is not None:
                raise error

    async def _tell(self, over: asyncio.Event) -> None:
        """Tell changes until there is another folder to be watched."""
        # Each folder for itself: what does not count, may have thousands. Without a time limit:
        # watchfiles may lose a change at the end of one.
        batches = awatch(
            *self._folders(),
            watch_filter=self._is_own,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=over,
            rust_timeout=0,
            force_polling=self._is_polling,
            recursive=False,
        )
        async with aclosing(batches):
            async for changes in batches:
                paths = {Path(name) for _, name in changes}
                added = {Path(name) for change, name in changes if change is Change.added}
                deleted = {Path(name) for change, name in changes if change is Change.deleted}
                # What came and went was on its way to another name.
                paths -= {path for path in added & deleted if not path.exists()}
                paths.discard(self._folder)
                if paths and not over.is_set():
                    names = sorted(str(path.relative_to(self._folder)) for path in paths)
                    self._is_changing = True
                    try:
                        await self._change(tuple(names))
                    finally:
                        self._is_changing = False
                if self._folder in deleted or any(path.is_dir() for path in added):
                    return

    async def _change(self, paths: tuple[str, ...]) -> None:
        try:
            async with self._one_at_a_time:
                await self._changed(paths)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "changed files could not be picked up", "exception": error}
            )

    def _folders(self) -> list[Path]:
        """Find all folders that count, by way of symbolic links, too."""
        found: dict[tuple[int, int], Path] = {}
        left = [self._folder]
        while left:
            folder = left.pop()
            identity = _identity(folder)
            if identity is None or identity in found or (folder / "pyvenv.cfg").exists():
                continue
            try:
                below = [path for path in folder.iterdir() if path.is_dir()]
            except OSError:  # not for us, or no longer there
                continue
            found[identity] = folder
            left += [path for path in below if self._is_own(Change.added, str(path))]
        return [*found.values()]

    def _is_own(self, change: Change, name: str) -> bool:
        path = Path(name)
        if path == self._folder:
            return change is Change.deleted
        if not self._ignored.isdisjoint((path, *path.parents)):
            return False
        # A folder's time changes with what is in it, which is told for itself.
        if change is Change.modified and path.is_dir():
            return False
        return self._counts(change, str(path.relative_to(self._folder)))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
