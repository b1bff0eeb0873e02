"""What lands in a package, and what of it is dropped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slsadapt.deploy.rules import choose_files, drop_unneeded
from slsadapt.errors import PackageError


def plant(folder: Path, *paths: str, text: str = "") -> Path:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def chosen(folder: Path) -> list[str]:
    return [str(file) for file in choose_files(folder)]


def left(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths)


# The application


def test_files_are_sorted(tmp_path: Path) -> None:
    assert chosen(plant(tmp_path, "b.py", "a/z.html", "a.py")) == ["a/z.html", "a.py", "b.py"]


@pytest.mark.parametrize(
    "path",
    [
        ".git/HEAD",
        "shop/__pycache__/cart.cpython-311.pyc",
        "shop/old.pyc",
        ".venv/lib/flask.py",
        "venv/lib/flask.py",
        "frontend/node_modules/left-pad/index.js",
        "tests/helpers.py",
        "shop/tests/data.json",
        "test_app.py",
        "shop/cart_test.py",
        "conftest.py",
        "pytest.ini",
        ".pytest_cache/README.md",
        ".mypy_cache/x.json",
        ".ruff_cache/x",
        ".env",
        ".env.production",
        "db.sqlite3",
        "build/app.zip",
        "dist/app.whl",
        "serverless.yml",
        "s.yaml",
        "template.yaml",
        "cassettes/a.json",
        ".slsignore",
    ],
)
def test_left_out_by_default(tmp_path: Path, path: str) -> None:
    assert chosen(plant(tmp_path, "index.py", path)) == ["index.py"]


@pytest.mark.parametrize(
    "path",
    [
        "shop/testing.py",
        "shop/attest.py",
        "static/dist/app.js",
        "shop/build/plan.py",
        "shop/template.yaml",
        "locale/de/LC_MESSAGES/django.mo",
        "prices.sqlite3",
        "城/市.txt",
    ],
)
def test_kept_by_default(tmp_path: Path, path: str) -> None:
    assert chosen(plant(tmp_path, path)) == [path]


def test_slsignore_leaves_out(tmp_path: Path) -> None:
    plant(tmp_path, "index.py", "notes.md", "data/big.csv", "data/keep/small.csv", "shop/notes.md")
    plant(tmp_path, ".slsignore", text="# mine\n/notes.md\ndata/*\n!data/keep/\n")
    assert chosen(tmp_path) == ["data/keep/small.csv", "index.py", "shop/notes.md"]


def test_slsignore_brings_back_what_defaults_leave_out(tmp_path: Path) -> None:
    plant(tmp_path, "tests/data.json", "build/model.bin", ".env", "cassettes/a.json")
    plant(tmp_path, ".slsignore", text="!tests/\n!/build/\n!.env\n")
    assert chosen(tmp_path) == [".env", "build/model.bin", "tests/data.json"]


def test_virtual_environment_of_any_name_is_left_out(tmp_path: Path) -> None:
    assert chosen(plant(tmp_path, "index.py", "mine/pyvenv.cfg", "mine/lib/x.py")) == ["index.py"]


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    plant(tmp_path, "shared/a.py")
    (tmp_path / "b.py").symlink_to("shared/a.py")
    (tmp_path / "again").symlink_to("shared")
    assert chosen(tmp_path) == ["again/a.py", "b.py", "shared/a.py"]


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, "secret.py", "app/index.py")
    (tmp_path / "app" / "lib").symlink_to(tmp_path)
    with pytest.raises(PackageError, match="^lib links to .*, outside of .*a line '/lib' in"):
        choose_files(tmp_path / "app")


def test_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, "shop/cart.py")
    (tmp_path / "shop" / "again").symlink_to(tmp_path)
    with pytest.raises(PackageError, match="^shop/again links to a folder that holds it"):
        choose_files(tmp_path)


def test_broken_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    with pytest.raises(PackageError, match=r"^gone.py is neither .* \(a broken link\)"):
        choose_files(tmp_path)


def test_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PackageError, match="^pipe is neither a file nor a folder: remove it"):
        choose_files(tmp_path)


def test_pipe_that_is_left_out_does_not_matter(tmp_path: Path) -> None:
    os.mkfifo(plant(tmp_path, "index.py") / "pipe")
    plant(tmp_path, ".slsignore", text="/pipe\n")
    assert chosen(tmp_path) == ["index.py"]


def test_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).touch()
    with pytest.raises(PackageError, match=r"^\\udcff.py: the name is not UTF-8"):
        choose_files(tmp_path)


# Dependencies


def test_test_suites_are_dropped(tmp_path: Path) -> None:
    plant(tmp_path, "shop/__init__.py", "shop/tests/__init__.py", "shop/cart/tests/test_cart.py")
    plant(tmp_path, "tests/test_all.py", "shop/test/client.py", "shop/testing/tools.py")
    plant(tmp_path, "shop/tests.py")
    drop_unneeded(tmp_path)
    assert left(tmp_path) == [
        "shop/__init__.py",
        "shop/test/client.py",
        "shop/testing/tools.py",
        "shop/tests.py",
    ]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("shop/run.py", "import shop.tests.runner"),
        ("shop/run.py", "from shop.tests import runner"),
        ("shop/run.py", "from shop import (\n    cart,\n    tests,\n)"),
        ("shop/__init__.py", "from .tests.runner import Runner"),
        ("shop/__init__.py", "from . import tests"),
        ("shop/cart/run.py", "def test():\n    from ..tests import runner"),
        ("six.py", "import shop.tests"),
    ],
)
def test_suite_that_code_imports_is_kept(tmp_path: Path, module: str, source: str) -> None:
    plant(tmp_path, "shop/tests/runner.py", "bank/tests/test_bank.py")
    plant(tmp_path, module, text=source)
    drop_unneeded(tmp_path)
    assert left(tmp_path) == sorted([module, "shop/tests/runner.py"])


def test_suite_that_only_itself_imports_is_dropped(tmp_path: Path) -> None:
    plant(tmp_path, "shop/tests/test_a.py", text="from shop.tests import helpers")
    plant(tmp_path, "shop/broken.py", text="import shop.tests ?")
    drop_unneeded(tmp_path)
    assert left(tmp_path) == ["shop/broken.py"]


def test_stubs_and_leftover_bytecode_are_dropped(tmp_path: Path) -> None:
    plant(tmp_path, "shop/a.py", "shop/a.pyi", "shop/py.typed", "shop/__pycache__/a.cpython-1.pyc")
    plant(tmp_path, "sourceless.pyc")
    drop_unneeded(tmp_path)
    assert left(tmp_path) == ["shop/a.py", "shop/py.typed", "sourceless.pyc"]


def test_stub_that_its_module_loads_is_kept(tmp_path: Path) -> None:
    plant(tmp_path, "shop/__init__.pyi")
    plant(tmp_path, "shop/__init__.py", text="lazy_loader.attach_stub(__name__, __file__)")
    drop_unneeded(tmp_path)
    assert left(tmp_path) == ["shop/__init__.py", "shop/__init__.pyi"]


def test_scripts_are_dropped(tmp_path: Path) -> None:
    drop_unneeded(plant(tmp_path, "bin/flask", ".lock", "shop/bin/tool.py"))
    assert left(tmp_path) == ["shop/bin/tool.py"]


def test_package_that_is_called_bin_is_kept(tmp_path: Path) -> None:
    drop_unneeded(plant(tmp_path, "bin/__init__.py"))
    assert left(tmp_path) == ["bin/__init__.py"]


def test_metadata_tells_of_what_is_left_and_not_of_this_machine(tmp_path: Path) -> None:
    info = "shop-1.dist-info"
    plant(tmp_path, "shop/a.py", "shop/a,b.txt", "shop/a.pyi", "bin/shop")
    plant(tmp_path, *(f"{info}/{name}" for name in ("METADATA", "entry_points.txt", "WHEEL")))
    plant(tmp_path, *(f"{info}/{name}" for name in ("INSTALLER", "REQUESTED", "direct_url.json")))
    record = (
        f'shop/a.pyi,,\n{info}/RECORD,,\n{info}/direct_url.json,,\n"shop/a,b.txt",sha256=0,0\n'
        f"../{tmp_path.name},,\nbin/shop,,\n{info}/INSTALLER,,\nshop/a.py,sha256=0,0\n"
    )
    plant(tmp_path, f"{info}/RECORD", text=record)
    drop_unneeded(tmp_path)
    assert left(tmp_path) == [
        "shop-1.dist-info/METADATA",
        "shop-1.dist-info/RECORD",
        "shop-1.dist-info/WHEEL",
        "shop-1.dist-info/entry_points.txt",
        "shop/a,b.txt",
        "shop/a.py",
    ]
    assert (tmp_path / info / "RECORD").read_text(encoding="utf-8") == (
        'shop-1.dist-info/RECORD,,\n"shop/a,b.txt",sha256=0,0\nshop/a.py,sha256=0,0\n'
    )
