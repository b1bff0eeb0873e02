"""Describe the machine that measures, and the versions of what is measured."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .processes import LoadedModule
    from .report import Environment

__all__ = ["describe_environment"]


def describe_environment(modules: Iterable[LoadedModule]) -> Environment:
    """Describe this machine, and the distributions that the modules belong to."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_mib": psutil.virtual_memory().total >> 20,
        "load": round(psutil.getloadavg()[0], 2),
        "versions": _versions(modules),
    }


def _processor() -> str:
    """Name the processor as people do; ``platform`` knows only the architecture on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versions(modules: Iterable[LoadedModule]) -> dict[str, str]:
    """Tell the versions of the distributions that the modules are part of."""
    owners = metadata.packages_distributions()
    tops = {module.name.partition(".")[0] for module in modules}
    names = {name for top in tops for name in owners.get(top, ())}
    return {name: metadata.version(name) for name in sorted(names, key=str.lower)}
