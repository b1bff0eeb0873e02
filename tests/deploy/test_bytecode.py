"""Bytecode is valid wherever it lands, and the same whenever it is made."""

from __future__ import annotations

import marshal
import shutil
import subprocess
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import pytest

from slsadapt.deploy.bytecode import compile_tree
from slsadapt.errors import PackageError

# Constants that marshal writes by who else holds them, and a set whose order is of the hash seed.
SOURCE = '''
"""Sell things."""
NAMES = frozenset({"apple", "pear", "plum", "fig"})
def sell(name, price=(1, "EUR", "a rather long constant")):
    assert name in {"apple", "pear", "plum", "fig"}
    return [name for name in NAMES if (lambda: price)]
'''


def plant(folder: Path, path: str, text: str = SOURCE) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return folder


def cache(source: Path) -> Path:
    return Path(cache_from_source(str(source), optimization=""))


def test_bytecode_is_an_unchecked_hash_and_names_the_place_in_the_cloud(tmp_path: Path) -> None:
    assert compile_tree(plant(tmp_path, "shop/cart.py"), sys.executable, "/var/task") == []
    octets = cache(tmp_path / "shop" / "cart.py").read_bytes()
    assert octets[:4] == MAGIC_NUMBER
    # PEP 552: bit 0 says hash, bit 1 would say that it is to be checked.
    assert octets[4:8] == b"\1\0\0\0"
    code = marshal.loads(octets[16:])
    assert code.co_filename == "/var/task/shop/cart.py"
    assert code.co_consts[0] == "Sell things."


def test_equal_trees_give_equal_octets(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "a-much-longer-name" / "second"
    for folder, order in ((first, (1, 2, 3)), (second, (3, 2, 1))):
        for number in order:
            plant(folder, f"shop{number}/cart.py")
        compile_tree(folder, sys.executable, "/code")
    for number in (1, 2, 3):
        place = Path(f"shop{number}/cart.py")
        assert cache(first / place).read_bytes() == cache(second / place).read_bytes()


def test_bytecode_is_believed_when_its_source_is_another(tmp_path: Path) -> None:
    compile_tree(plant(tmp_path, "cart.py", "print('compiled')"), sys.executable, "/code")
    plant(tmp_path, "cart.py", "print('source, changed')")
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import cart"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "compiled\n"


def test_what_cannot_be_compiled_is_told_and_left(tmp_path: Path) -> None:
    plant(tmp_path, "conf/app_template/models.py", "from {{ app }} import x")
    plant(tmp_path, "old/python2.py", "x = 1\nprint 'hello'")
    plant(tmp_path, "nul.py", "x = '\0'")
    told = compile_tree(plant(tmp_path, "fine.py"), sys.executable, "/code")
    assert len(told) == 3
    # Of octets that are no text some versions tell no line.
    assert told[0].startswith("nul.py: not compiled (") or told[0].startswith("nul.py:1: ")
    assert told[1:] == [
        "conf/app_template/models.py:1: not compiled (SyntaxError)",
        "old/python2.py:2: not compiled (SyntaxError)",
    ]
    assert cache(tmp_path / "fine.py").exists()
    assert not cache(tmp_path / "nul.py").exists()


def test_warnings_of_the_code_do_not_show(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    compile_tree(plant(tmp_path, "loose.py", r"x = '\d' is 1"), sys.executable, "/code")
    assert capfd.readouterr() == ("", "")


def test_modules_of_the_tree_do_not_stand_in_for_the_compilers(tmp_path: Path) -> None:
    plant(tmp_path, "os.py", "raise SystemExit('imported')")
    plant(tmp_path, "py_compile.py", "raise SystemExit('imported')")
    assert compile_tree(tmp_path, sys.executable, "/code") == []


def test_interpreter_that_fails_is_told(tmp_path: Path) -> None:
    false = shutil.which("false")
    assert false is not None
    with pytest.raises(PackageError, match="false could not compile the package"):
        compile_tree(tmp_path, false, "/code")
