"""The runtimes that packages are built for: their Python, their platform, their limits.

Every CPython from 3.10 on that the three clouds offer for archives. Sources:

- AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html (3.10 and 3.11 stand on
  Amazon Linux 2 with glibc 2.26, later ones on Amazon Linux 2023 with 2.34),
  https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (50 MB in a request,
  250 MB extracted with the layers), https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html
- Tencent: https://www.tencentcloud.com/document/product/583/40323 (3.10 is the newest;
  ``PYTHONPATH`` is ``/var/user:/opt``), https://cloud.tencent.com/document/product/583/56126
  (CentOS 7.6, thus glibc 2.17), https://cloud.tencent.com/document/product/583/11637 (500 MB
  extracted with the layers), https://cloud.tencent.com/document/api/583/18581 (20 MB in a request)
- Alibaba: https://www.alibabacloud.com/help/en/functioncompute/fc/runtime-overview-3 (3.10 on
  Debian 10 with glibc 2.28, 3.12 on Debian 11 with 2.31, x86_64 alone),
  https://help.aliyun.com/zh/functioncompute/product-overview/limits-of-usage (archives of 100 MB
  in a request and 500 MB at all; extracted they share the disk, 10 GB at most),
  https://www.alibabacloud.com/help/en/functioncompute/fc/user-guide/create-a-custom-layer-1
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ..errors import PackageError

__all__ = ["RUNTIMES", "Runtime", "find_runtime"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime of one cloud.

    Args:
        name: what ``--for`` takes, ``"lambda-py3.11"``.
        cloud: whose it is.
        python: its minor version, ``"3.11"``.
        identifier: how the cloud itself names it, ``"python3.11"``.
        machine: the processor, as ``platform.machine()`` tells it.
        glibc: the newest version of the C library that binaries may ask for.
        zip_limit_bytes: the largest archive, uploaded through object storage.
        unzipped_limit_bytes: the largest size of function and layers, extracted.
        direct_limit_bytes: the largest archive that a request carries, without object storage.
        code_folder: where the archive is extracted, ``"/var/task"``.
        layer_folder: where a layer's modules are imported from, ``"/opt/python"``; layers are
            extracted in ``/opt``.
    """

    name: str
    cloud: Literal["tencent", "aws", "alibaba"]
    python: str
    identifier: str
    machine: Literal["x86_64", "aarch64"]
    glibc: tuple[int, int]
    zip_limit_bytes: int
    unzipped_limit_bytes: int
    direct_limit_bytes: int
    code_folder: str
    layer_folder: str


def _aws(python: str, glibc: tuple[int, int], machine: Literal["x86_64", "aarch64"]) -> Runtime:
    return Runtime(
        name=f"lambda-py{python}" + ("-arm64" if machine == "aarch64" else ""),
        cloud="aws",
        python=python,
        identifier=f"python{python}",
        machine=machine,
        glibc=glibc,
        zip_limit_bytes=250 * _MIB,
        unzipped_limit_bytes=250 * _MIB,
        direct_limit_bytes=50 * _MIB,
        code_folder="/var/task",
        layer_folder="/opt/python",
    )


def _tencent(python: str, glibc: tuple[int, int]) -> Runtime:
    return Runtime(
        name=f"scf-py{python}",
        cloud="tencent",
        python=python,
        identifier=f"Python{python}",
        machine="x86_64",
        glibc=glibc,
        zip_limit_bytes=500 * _MIB,
        unzipped_limit_bytes=500 * _MIB,
        direct_limit_bytes=20 * _MIB,
        code_folder="/var/user",
        layer_folder="/opt",
    )


def _alibaba(python: str, glibc: tuple[int, int]) -> Runtime:
    return Runtime(
        name=f"fc-py{python}",
        cloud="alibaba",
        python=python,
        identifier=f"python{python}",
        machine="x86_64",
        glibc=glibc,
        zip_limit_bytes=500 * _MIB,
        unzipped_limit_bytes=10 * 1024 * _MIB,
        direct_limit_bytes=100 * _MIB,
        code_folder="/code",
        layer_folder="/opt/python",
    )


RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        _tencent("3.10", (2, 17)),
        _aws("3.10", (2, 26), "x86_64"),
        _aws("3.11", (2, 26), "x86_64"),
        _aws("3.12", (2, 34), "x86_64"),
        _aws("3.13", (2, 34), "x86_64"),
        _aws("3.14", (2, 34), "x86_64"),
        _aws("3.10", (2, 26), "aarch64"),
        _aws("3.11", (2, 26), "aarch64"),
        _aws("3.12", (2, 34), "aarch64"),
        _aws("3.13", (2, 34), "aarch64"),
        _aws("3.14", (2, 34), "aarch64"),
        _alibaba("3.10", (2, 28)),
        _alibaba("3.12", (2, 31)),
    )
}


def find_runtime(name: str) -> Runtime:
    """Find the runtime that ``--for`` names, ``"scf-py3.10"``.

    Raises:
        PackageError: there is none of this name; the message lists all.
    """
    if name in RUNTIMES:
        return RUNTIMES[name]
    close = get_close_matches(name, RUNTIMES, n=3)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    raise PackageError(f"no runtime is called {name!r}{hint}; there are {', '.join(RUNTIMES)}")
