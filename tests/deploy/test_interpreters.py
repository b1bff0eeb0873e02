"""Interpreters are found where they are, and asked what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slsadapt.deploy.interpreters import find_interpreter
from slsadapt.errors import PackageError


@pytest.fixture(autouse=True)
def no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what this machine has; Python 3.99 is nowhere."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))


def write_interpreter(path: Path, says: str, code: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\nexit {code}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_this_one_is_taken_for_its_own_version() -> None:
    assert find_interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}") == sys.executable


def test_one_in_path_is_found(tmp_path: Path) -> None:
    path = write_interpreter(tmp_path / "bin" / "python3.99", "cpython 3.99")
    assert find_interpreter("3.99") == path


def test_one_of_pyenv_is_found_behind_its_empty_promise(tmp_path: Path) -> None:
    write_interpreter(tmp_path / "bin" / "python3.99", "not installed", 127)
    path = write_interpreter(tmp_path / "pyenv/versions/3.99.2/bin/python", "cpython 3.99")
    assert find_interpreter("3.99") == path


@pytest.mark.parametrize(
    "says",
    [
        pytest.param("pypy 3.99", id="another implementation"),
        pytest.param("cpython 3.98", id="another version"),
        pytest.param("cpython 3.99t", id="free-threaded"),
    ],
)
def test_others_are_passed_over(tmp_path: Path, says: str) -> None:
    write_interpreter(tmp_path / "bin" / "python3.99", says)
    with pytest.raises(PackageError, match="no CPython 3.99 is on this machine"):
        find_interpreter("3.99")


def test_error_says_what_to_install() -> None:
    with pytest.raises(PackageError, match="'uv python install 3.99' or 'pyenv install 3.99'"):
        find_interpreter("3.99")
