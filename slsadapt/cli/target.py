"""Find the application or function that a command is told of, and let it work."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import click

from ..errors import UnknownEventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["at_work", "find", "is_called_handler", "locate", "stdout_kept"]


def find(target: str, option: str = "TARGET") -> tuple[Any, str]:
    """Import what a target names.

    Args:
        target: module:name, file.py:name, or a folder whose index.py has main_handler.
        option: what the command calls it, for messages.

    Returns:
        what was found, and its name.

    Raises:
        click.UsageError: there is nothing of that name.
        Exception: what the module raises.
    """
    folder, module_name, name = locate(target, option)
    return _import(folder, module_name, name), name


def is_called_handler(name: str) -> bool:
    """Tell by its name what is called with (event, context)."""
    return name.lower().endswith("handler")


@contextmanager
def at_work() -> Iterator[None]:
    """Let the application work: stdout is kept for the result, exceptions are reported."""
    try:
        with stdout_kept():
            yield
    except click.ClickException:
        raise
    except UnknownEventError as error:
        raise click.UsageError(str(error)) from None
    except (Exception, SystemExit) as error:
        # The traceback starts where the application's own frames do.
        ours = (f"{__package__}.", "importlib", "contextlib")
        trace = error.__traceback__
        while trace and trace.tb_frame.f_globals["__name__"].startswith(ours):
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        sys.exit(1)


@contextmanager
def stdout_kept() -> Iterator[None]:
    """Send to stderr what the application prints, or a process that it starts."""
    stdout = sys.stdout
    stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        stdout.flush()
        os.dup2(descriptor, 1)
        os.close(descriptor)


def locate(target: str, option: str) -> tuple[Path, str, str]:
    """Tell the folder to import from, the module and the name in it.

    Raises:
        click.UsageError: the target is none, or its file is not there.
    """
    path, name = Path(target), "main_handler"
    if path.is_dir():
        path /= "index.py"
    elif path.suffix != ".py":
        place, _, name = target.rpartition(":")
        if not place or not name:
            hint = f"; did you mean {':'.join(target.rsplit('.', 1))}?" if "." in target else ""
            raise click.UsageError(
                f"{option} must be a folder, a .py file or module:name, got {target!r}{hint}"
            )
        if not place.endswith(".py"):
            return Path.cwd(), place, name
        path = Path(place)
    if not path.is_file():
        raise click.UsageError(
            f"there is no file {str(path)!r}; a folder must hold index.py with main_handler, "
            "anything else is module:name"
        )
    return path.parent.resolve(), path.stem, name


def _import(folder: Path, module_name: str, name: str) -> Any:
    """Import a name, the folder first in ``sys.path`` as clouds put the function's."""
    sys.path.insert(0, str(folder))
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        # Whatever else is not found, the application misses it and not the command.
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise click.UsageError(f"there is no module {error.name!r} in {folder}") from None
    try:
        return attrgetter(name)(module)
    except AttributeError:
        raise click.UsageError(
            f"{module.__file__} has no {name!r}; name what it has: {module_name}:NAME"
        ) from None
