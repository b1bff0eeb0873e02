"""What bytecode counts as, and that arranged states are what the interpreter finds."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from slsadapt.bench.processes import Conditions, LoadedModule, Outcome, run_fresh
from slsadapt.bench.stage import Prefixes, bytecode_of, count_bytecode, evict, is_standard
from slsadapt.bench.target import Target

from .test_processes import get

OWN = Conditions(adapter="slsadapt")


def compiled(folder: Path, mode: PycInvalidationMode) -> LoadedModule:
    source = folder / "module.py"
    source.write_text("x = 1\n")
    cached = importlib.util.cache_from_source(str(source))
    py_compile.compile(str(source), cached, invalidation_mode=mode)
    return LoadedModule("module", str(source), cached)


def test_bytecode_of_the_same_time_is_valid(tmp_path: Path) -> None:
    assert bytecode_of(compiled(tmp_path, PycInvalidationMode.TIMESTAMP)) == "valid"


def test_bytecode_of_another_time_is_stale(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.TIMESTAMP)
    os.utime(module.file, (315532800, 315532800))
    assert bytecode_of(module) == "stale"


def test_unchecked_bytecode_is_valid_whatever_the_source_says(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.UNCHECKED_HASH)
    Path(module.file).write_text("x = 2\n")
    assert bytecode_of(module) == "valid"


def test_checked_bytecode_is_stale_where_the_source_changed(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.CHECKED_HASH)
    assert bytecode_of(module) == "valid"
    Path(module.file).write_text("x = 2\n")
    assert bytecode_of(module) == "stale"


def test_bytecode_of_another_python_is_stale(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.TIMESTAMP)
    octets = Path(module.cached).read_bytes()
    Path(module.cached).write_bytes(b"\0\0\r\n" + octets[4:])
    assert bytecode_of(module) == "stale"


def test_cut_bytecode_is_stale_and_missing_is_none(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.TIMESTAMP)
    Path(module.cached).write_bytes(b"\0")
    assert bytecode_of(module) == "stale"
    Path(module.cached).unlink()
    assert bytecode_of(module) == "none"


def test_counts_are_told_without_the_standard_library(tmp_path: Path) -> None:
    module = compiled(tmp_path, PycInvalidationMode.TIMESTAMP)
    bare = LoadedModule("bare", str(tmp_path / "bare.py"), str(tmp_path / "bare.pyc"))
    standard = LoadedModule("os", os.__file__, str(os.__spec__.cached))
    assert str(count_bytecode([module, bare, standard])) == "1 valid, 1 none"
    assert str(count_bytecode([])) == "none at all"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        pytest.param(os.__file__, True, id="standard"),
        pytest.param(pytest.__file__, False, id="installed"),
        pytest.param("/srv/app.py", False, id="application"),
    ],
)
def test_the_standard_library_is_told_from_what_is_installed(file: str, expected: bool) -> None:
    assert is_standard(file) is expected


# What the tracer of a child tells: which modules Python compiled from their source.
COMPILED = """
import sys
compiled = []
def hook(event, args):
    if event == "compile" and isinstance(args[1], str) and args[1].endswith(".py"):
        compiled.append(args[1])
sys.addaudithook(hook)
def before_import():
    compiled.clear()
def report():
    return {"compiled": list(compiled)}
"""


def compiled_in(state: str, target: Target, tmp_path: Path) -> set[str]:
    """Run in a state, and tell which modules were compiled from source."""
    observer = tmp_path / "observer.py"
    observer.write_text(COMPILED)
    scouted = run_fresh(target, [get("/")], OWN)
    prefixes = Prefixes(scouted.modules, tmp_path / "prefixes", sys.executable)
    options = prefixes.options(state)  # type: ignore[arg-type]
    outcome: Outcome = run_fresh(target, [get("/")], OWN, options=options, observer=observer)
    return {Path(file).name for file in outcome.observed["compiled"]}


def test_nothing_is_compiled_where_bytecode_is_valid(target: Target, tmp_path: Path) -> None:
    assert compiled_in("valid", target, tmp_path) == set()


@pytest.mark.parametrize("state", ["stale", "none"])
def test_only_the_standard_library_is_not_compiled_otherwise(
    state: str, target: Target, tmp_path: Path
) -> None:
    names = compiled_in(state, target, tmp_path)
    assert {"shop.py", "helper.py", "handler.py", "message.py"} <= names
    assert "base64.py" not in names


def test_what_was_found_needs_no_options(target: Target, tmp_path: Path) -> None:
    assert Prefixes([], tmp_path, sys.executable).options("found") == []


def test_nothing_is_written_beside_the_sources(target: Target, tmp_path: Path) -> None:
    compiled_in("valid", target, tmp_path)
    assert not list(target.folder.rglob("*.pyc"))


def test_files_leave_the_page_cache_and_are_read_again(target: Target) -> None:
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system has no posix_fadvise")
    outcome = run_fresh(target, [get("/")], OWN)
    evict(outcome.modules)
    assert run_fresh(target, [get("/")], OWN).answers[0].result["body"] == "hello from /"
