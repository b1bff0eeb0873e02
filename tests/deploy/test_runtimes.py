"""The runtimes, held against what their vendors' pages say."""

from __future__ import annotations

import pytest

from slsadapt.deploy.runtimes import RUNTIMES, find_runtime
from slsadapt.errors import PackageError

MIB = 1024 * 1024


def test_every_current_runtime_is_there() -> None:
    assert sorted(RUNTIMES) == [
        "fc-py3.10",
        "fc-py3.12",
        "lambda-py3.10",
        "lambda-py3.10-arm64",
        "lambda-py3.11",
        "lambda-py3.11-arm64",
        "lambda-py3.12",
        "lambda-py3.12-arm64",
        "lambda-py3.13",
        "lambda-py3.13-arm64",
        "lambda-py3.14",
        "lambda-py3.14-arm64",
        "scf-py3.10",
    ]


@pytest.mark.parametrize(
    ("name", "cloud", "identifier", "machine", "glibc", "code", "layer"),
    [
        ("scf-py3.10", "tencent", "Python3.10", "x86_64", (2, 17), "/var/user", "/opt"),
        ("lambda-py3.11", "aws", "python3.11", "x86_64", (2, 26), "/var/task", "/opt/python"),
        (
            *("lambda-py3.13-arm64", "aws", "python3.13", "aarch64"),
            *((2, 34), "/var/task", "/opt/python"),
        ),
        ("fc-py3.10", "alibaba", "python3.10", "x86_64", (2, 28), "/code", "/opt/python"),
        ("fc-py3.12", "alibaba", "python3.12", "x86_64", (2, 31), "/code", "/opt/python"),
    ],
)
def test_platform(
    name: str,
    cloud: str,
    identifier: str,
    machine: str,
    glibc: tuple[int, int],
    code: str,
    layer: str,
) -> None:
    runtime = find_runtime(name)
    assert runtime.name == name
    assert runtime.cloud == cloud
    assert runtime.identifier == identifier
    assert runtime.python == identifier.lower().removeprefix("python")
    assert runtime.machine == machine
    assert runtime.glibc == glibc
    assert runtime.code_folder == code
    assert runtime.layer_folder == layer


@pytest.mark.parametrize(
    ("name", "direct_mib", "zip_mib", "unzipped_mib"),
    [
        ("scf-py3.10", 20, 500, 500),
        ("lambda-py3.14", 50, 250, 250),
        ("fc-py3.12", 100, 500, 10240),
    ],
)
def test_limits(name: str, direct_mib: int, zip_mib: int, unzipped_mib: int) -> None:
    runtime = find_runtime(name)
    assert runtime.direct_limit_bytes == direct_mib * MIB
    assert runtime.zip_limit_bytes == zip_mib * MIB
    assert runtime.unzipped_limit_bytes == unzipped_mib * MIB


def test_unknown_runtime_is_refused_with_close_names() -> None:
    told = r"no runtime is called 'lambda-py313' \(did you mean lambda-py3.13 or .*fc-py3.12$"
    with pytest.raises(PackageError, match=told):
        find_runtime("lambda-py313")


def test_unknown_runtime_without_a_close_name_gets_the_list() -> None:
    with pytest.raises(PackageError, match=r"^no runtime is called '\?\?'; there are scf-py3.10, "):
        find_runtime("??")
