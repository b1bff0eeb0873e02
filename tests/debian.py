"""Programs that tests need and Debian has: installed where they are missing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["MissingProgramError", "find_or_install"]


class MissingProgramError(RuntimeError):
    """There is no such program here, and none could be installed."""


def find_or_install(package: str, *programs: str) -> str:
    """Give the path of a program, after installing Debian's package if need be.

    Args:
        package: that brings the first of the programs.
        programs: which of them is found first, is given; without any, the package's own name.

    Raises:
        MissingProgramError: says what to do by hand.
    """
    programs = programs or (package,)
    if found := _find(programs):
        return found
    # Several test runs may begin at once, and apt-get update does not wait for another.
    with Path(tempfile.gettempdir(), f"install-{package}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _find(programs):
            _install(package)
    if found := _find(programs):
        return found
    raise MissingProgramError(f"{package} was installed but {programs[0]} is not on PATH")


def _find(programs: tuple[str, ...]) -> str | None:
    return next(filter(None, map(shutil.which, programs)), None)


def _install(package: str) -> None:
    if not shutil.which("apt-get"):
        raise MissingProgramError(
            f"these tests need {package} and install it with apt-get, which is not here; "
            f"install it another way, so that it is on PATH"
        )
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    by_hand = f"run: sudo {' '.join(install)}"
    become = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise MissingProgramError(f"these tests need {package}; as root {by_hand}")
        become = ["sudo", "-n"]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(
            [*become, "env", "DEBIAN_FRONTEND=noninteractive", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise MissingProgramError(
                f"these tests need {package}; {by_hand}\n"
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}"
            )
    if shutil.which("systemctl"):
        # A package may start a service of its name; the tests start what they need elsewhere.
        subprocess.run(
            [*become, "systemctl", "disable", "--now", package],
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
