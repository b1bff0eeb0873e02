"""Archives are the same octets for the same tree, and are read by everybody."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from slsadapt.deploy.archive import write_archive


def plant(folder: Path, *paths: str, mode: int = 0o600) -> Path:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"place = {path!r}\n", encoding="utf-8")
        file.chmod(mode)
    return folder


def read_modes(archive: Path) -> dict[str, str]:
    with ZipFile(archive) as opened:
        return {
            entry.filename: stat.filemode(entry.external_attr >> 16) for entry in opened.infolist()
        }


def test_entries_are_sorted_dated_and_readable(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", "index.py", "shop/cart.py", "城.txt")
    plant(tree, "run.sh", mode=0o700)
    write_archive(tree, tmp_path / "app.zip")
    assert list(read_modes(tmp_path / "app.zip").items()) == [
        ("index.py", "-rw-r--r--"),
        ("run.sh", "-rwxr-xr-x"),
        ("shop/", "drwxr-xr-x"),
        ("shop/cart.py", "-rw-r--r--"),
        ("城.txt", "-rw-r--r--"),
    ]
    with ZipFile(tmp_path / "app.zip") as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.create_system for entry in opened.infolist()} == {3}
        assert opened.read("shop/cart.py") == b"place = 'shop/cart.py'\n"
        assert opened.testzip() is None


def test_equal_trees_give_equal_octets(tmp_path: Path) -> None:
    first = plant(tmp_path / "1", "a.py", "b/c.py", "b/d.py")
    second = plant(tmp_path / "2", "b/d.py", "b/c.py", "a.py", mode=0o644)
    os.utime(second / "a.py", (0, 0))
    for tree in (first, second):
        write_archive(tree, tree.with_suffix(".zip"))
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_prefix_holds_the_tree(tmp_path: Path) -> None:
    write_archive(plant(tmp_path / "tree", "flask/app.py"), tmp_path / "layer.zip", "python/")
    assert list(read_modes(tmp_path / "layer.zip")) == [
        "python/",
        "python/flask/",
        "python/flask/app.py",
    ]


def test_namespace_packages_are_imported_from_the_archive(tmp_path: Path) -> None:
    write_archive(plant(tmp_path / "tree", "space/deep/cart.py"), tmp_path / "app.zip")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _IMPORT, str(tmp_path / "app.zip")],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "space/deep/cart.py\n", done.stderr


_IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import space.deep.cart
print(space.deep.cart.place)
"""
