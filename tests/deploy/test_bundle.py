"""A bundle changes when code is read, and nothing that an application can tell."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slsadapt.deploy import _start
from slsadapt.deploy.bundle import write_bundle
from slsadapt.deploy.bytecode import compile_tree
from slsadapt.errors import PackageError

TAG = sys.implementation.cache_tag
INDEX = '''\
"""The function."""

from __future__ import annotations

import gc

THRESHOLD = gc.get_threshold()[0]


def main_handler(event: object, context: Missing) -> object:
    """Answer."""
    return 1 / len(event)
'''
FILES = {
    "index.py": INDEX,
    "shop/__init__.py": "from .prices import PRICE\n",
    "shop/__main__.py": "print('the shop as', __name__, 'of', __package__)\n",
    "shop/prices.py": "PRICE = 3\n\n\ndef double():\n"
    "    # The comment is source alone.\n    return 2 * PRICE\n",
    "shop/data.txt": "apples\n",
    "shop/sub/__init__.py": "",
    "shop/sub/leaf.py": "LEAF = 'leaf'\n",
    "space/one.py": "WHERE = 'package'\n",
    "plugged/__init__.py": "from pkgutil import extend_path\n\n"
    "__path__ = extend_path(__path__, __name__)\n",
    "plugged/own.py": "",
    "covered.py": "WHERE = 'module'\n",
    "covered/__init__.py": "WHERE = 'package'\n",
    "fast.py": "",
    f"fast{sysconfig.get_config_var('EXT_SUFFIX')}": "no machine code",
    f"colorsys{sysconfig.get_config_var('EXT_SUFFIX')}": "no machine code",
    "this.py": "",
    "odd-name.py": "ODD = True\n",
}
LAYER = {
    "space/two.py": "WHERE = 'layer'\n",
    "plugged/more.py": "MORE = True\n",
    "shop/__init__.py": "PRICE = 'of the layer'\n",
    "only.py": "ONLY = True\n",
}


def write_tree(root: Path, files: dict[str, str], entry: str = "index") -> Path:
    """Write modules, compile and bundle them."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert compile_tree(root, sys.executable, "/var/task") == []
    write_bundle(root, sys.executable, entry)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a bundled tree that nothing changes."""
    return write_tree(tmp_path_factory.mktemp("built"), FILES)


@pytest.fixture
def tree(built: Path, tmp_path: Path) -> Path:
    """Give a bundled tree to change."""
    return shutil.copytree(built, tmp_path / "tree")


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a layer with a bundle."""
    return write_tree(tmp_path_factory.mktemp("layer"), LAYER, entry="")


def run(code: str, *path: Path, options: tuple[str, ...] = ()) -> tuple[Any, str]:
    """Run code behind ``import index``; give what it put in ``said``, and standard error."""
    whole = (
        f"import sys; sys.path[:0] = {[str(folder) for folder in path]!r}\n"
        f"import index, json\n{code}\nprint(json.dumps(said))"
    )
    command = [sys.executable, "-I", "-S", "-B", *options, "-c", whole]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def loaders(*names: str) -> str:
    """Give code that imports modules and says whose loader they have."""
    return (
        f"import importlib\nsaid = {{name: type(importlib.import_module(name).__loader__).__name__"
        f" for name in {names!r}}}"
    )


def test_modules_come_out_of_the_bundle(built: Path) -> None:
    names = ("shop", "shop.prices", "shop.sub.leaf", "space.one", "odd-name")
    said, errors = run(loaders(*names), built)
    assert said == dict.fromkeys(names, "BundledLoader")
    assert errors == ""


def test_attributes_are_those_that_files_give(built: Path) -> None:
    said, _ = run(
        """
import shop.prices
from importlib.util import find_spec
said = []
for module, spec in ((shop, shop.__spec__), (shop.prices, find_spec("shop.prices"))):
    path = list(getattr(module, "__path__", []))
    loader, locations = spec.loader, spec.submodule_search_locations
    said += [
        [module.__file__, module.__cached__, path, module.__package__],
        [spec.name, spec.origin, spec.cached, spec.has_location, locations]
        + [loader.is_package(spec.name), loader.get_filename(), loader.name],
    ]
""",
        built,
    )
    folder = f"{built}/shop"
    package, module = f"{folder}/__init__.py", f"{folder}/prices.py"
    cached = [f"{folder}/__pycache__/{name}.{TAG}.pyc" for name in ("__init__", "prices")]
    assert said == [
        [package, cached[0], [folder], "shop"],
        ["shop", package, cached[0], True, [folder], True, package, "shop"],
        [module, cached[1], [], "shop"],
        ["shop.prices", module, cached[1], True, None, False, module, "shop.prices"],
    ]


def test_loader_reads_files(built: Path) -> None:
    said, _ = run(
        """
import importlib.resources, inspect, os, shop.prices
loader = shop.__loader__
said = [
    importlib.resources.files("shop").joinpath("data.txt").read_text(),
    loader.get_data(os.path.join(shop.__path__[0], "data.txt")).decode(),
    loader.get_source("shop"),
    loader.get_resource_reader("shop").is_resource("data.txt"),
    inspect.getsource(shop.prices.double).splitlines()[1],
]
""",
        built,
    )
    assert said == [
        "apples\n",
        "apples\n",
        "from .prices import PRICE\n",
        True,
        "    # The comment is source alone.",
    ]


def test_packages_can_be_walked(built: Path) -> None:
    said, _ = run(
        """
import pkgutil, shop
said = [
    [module.name for module in pkgutil.iter_modules(shop.__path__)],
    [module.name for module in pkgutil.walk_packages(shop.__path__, "shop.")],
]
""",
        built,
    )
    assert said == [
        ["__main__", "prices", "sub"],
        ["shop.__main__", "shop.prices", "shop.sub", "shop.sub.leaf"],
    ]


def test_package_runs_as_a_script(built: Path) -> None:
    said, _ = run(
        """
import contextlib, io, runpy
with contextlib.redirect_stdout(io.StringIO()) as said:
    runpy.run_module("shop", run_name="__main__")
said = said.getvalue()
""",
        built,
    )
    assert said == "the shop as __main__ of shop\n"


def test_module_reloads(built: Path) -> None:
    said, _ = run(
        """
import importlib, shop.prices
before = shop.prices
shop.prices.PRICE = 9
importlib.invalidate_caches()
after = importlib.reload(shop.prices)
said = [after is before, after.PRICE, type(after.__loader__).__name__]
""",
        built,
    )
    assert said == [True, 3, "BundledLoader"]


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        pytest.param(False, ["layer", "of the layer"], id="layer in front"),
        pytest.param(True, ["layer", 3], id="layer behind"),
    ],
)
def test_order_of_import_path_decides(
    built: Path, layer: Path, behind: bool, said: list[object]
) -> None:
    path = [built, layer] if behind else [layer, built]
    code = "import shop, space.one, space.two; said = [space.two.WHERE, shop.PRICE]"
    assert run(code, *path)[0] == said


def test_import_path_may_change_later(built: Path, layer: Path) -> None:
    code = (
        f"sys.path.insert(0, {str(layer)!r})\n"
        "import plugged.more, plugged.own, space.two, shop\n"
        "said = [plugged.more.MORE, space.two.WHERE, shop.PRICE, len(plugged.__path__)]"
    )
    assert run(code, built)[0] == [True, "layer", "of the layer", 2]


def test_layer_has_a_bundle_of_its_own(built: Path, layer: Path) -> None:
    said, errors = run(loaders("only", "plugged.more", "shop"), built, layer)
    assert said == dict.fromkeys(("only", "plugged.more", "shop"), "BundledLoader")
    assert errors == ""


def test_layer_of_another_python_is_left_alone(built: Path, layer: Path, tmp_path: Path) -> None:
    other = shutil.copytree(layer, tmp_path / "layer")
    bundle = other / "_slsadapt.bundle"
    bundle.write_bytes(b"\0\0\r\n" + bundle.read_bytes()[4:])
    said, errors = run(loaders("only", "shop"), built, other)
    assert said == {"only": "SourceFileLoader", "shop": "BundledLoader"}
    assert f"{bundle} is for another Python" in errors


def test_namesakes_are_told_apart_as_in_folders(built: Path) -> None:
    said, _ = run(
        "import covered; from importlib.util import find_spec\n"
        "said = [covered.WHERE, find_spec('fast').origin]",
        built,
    )
    assert said == ["package", f"{built}/fast{sysconfig.get_config_var('EXT_SUFFIX')}"]


def test_names_of_the_library_are_the_folders_where_it_has_them(tree: Path) -> None:
    (tree / "antigravity.py").write_text("")
    said, _ = run(
        "from importlib.util import find_spec\n"
        "said = [find_spec(name).origin for name in ('colorsys', 'this', 'antigravity')]",
        tree,
    )
    assert said[0] == f"{tree}/colorsys{sysconfig.get_config_var('EXT_SUFFIX')}"
    assert said[1] == f"{tree}/this.py"
    assert said[2] == f"{sysconfig.get_path('stdlib')}/antigravity.py"


def test_absent_module_is_absent(built: Path) -> None:
    said, _ = run(
        "try: import shop.nothing\nexcept ModuleNotFoundError as error: said = str(error)", built
    )
    assert said == "No module named 'shop.nothing'"


def test_bundle_speaks_for_the_folder_as_it_was(tree: Path) -> None:
    (tree / "shop/prices.py").write_text("PRICE = 4\n")
    (tree / "shop/late.py").write_text("LATE = True\n")
    (tree / "nearby-shop").mkdir()
    assert run("import shop.late; said = [shop.PRICE, shop.late.LATE]", tree)[0] == [3, True]


@pytest.mark.parametrize(
    ("octets", "warning"),
    [
        pytest.param(None, "no _slsadapt.bundle in sys.path", id="none"),
        pytest.param(b"", "no code bundle: cannot mmap an empty file", id="empty"),
        pytest.param(b"\0\0\r\nabcd", "is for another Python", id="another Python's"),
        pytest.param(b"MAGIC\x10\0\0\0", "no code bundle: ", id="cut"),
        pytest.param(b"MAGIC\x01\0\0\0N", "no code bundle: ", id="no index"),
    ],
)
def test_bundle_that_cannot_be_used_is_told(tree: Path, octets: bytes | None, warning: str) -> None:
    bundle = tree / "_slsadapt.bundle"
    magic = bundle.read_bytes()[:4]
    bundle.unlink()
    if octets is not None:
        bundle.write_bytes(octets.replace(b"MAGIC", magic))
    said, errors = run(loaders("shop", "shop.prices"), tree)
    assert said == dict.fromkeys(("shop", "shop.prices"), "SourceFileLoader")
    assert warning in errors
    assert errors.endswith("; modules are loaded from their files\n")
    assert errors.count("\n") == 1


def test_archives_in_the_import_path_are_passed_over(built: Path, tmp_path: Path) -> None:
    (tmp_path / "library.zip").write_bytes(b"")
    said, errors = run(loaders("shop"), built, tmp_path / "library.zip", tmp_path / "nothing")
    assert said == {"shop": "BundledLoader"}
    assert errors == ""


def test_bundle_that_lost_its_end_still_imports(tree: Path) -> None:
    bundle = tree / "_slsadapt.bundle"
    octets = bundle.read_bytes()
    index_bytes = int.from_bytes(octets[4:8], "little")
    bundle.write_bytes(octets[: 8 + index_bytes + 40])
    said, errors = run("import shop.sub.leaf; said = [shop.PRICE, shop.sub.leaf.LEAF]", tree)
    assert said == [3, "leaf"]
    assert "the code bundle holds no code for shop.sub.leaf" in errors


def test_tracebacks_show_source_where_it_stands_now(built: Path) -> None:
    said, _ = run(
        """
import traceback
try: index.main_handler([], None)
except ZeroDivisionError: said = traceback.format_exc()
""",
        built,
    )
    assert f'File "{built}/index.py", line 12, in main_handler' in said
    assert "return 1 / len(event)" in said


def test_entry_module_is_as_its_source_says(built: Path) -> None:
    said, _ = run(
        """
names = sorted(name for name in vars(index) if not name.startswith("__"))
said = [index.__name__, index.__file__, index.__doc__, names,
        index.main_handler.__annotations__["context"], index.main_handler.__code__.co_firstlineno]
""",
        built,
    )
    assert said == [
        "index",
        f"{built}/index.py",
        "The function.",
        ["THRESHOLD", "annotations", "gc", "main_handler"],
        "Missing",
        10,
    ]
    assert (built / "index.py").read_text() == INDEX


@pytest.mark.parametrize(
    ("index", "said"),
    [
        pytest.param("", [None, 7], id="empty"),
        pytest.param('"""Only words."""\n', ["Only words.", 7], id="docstring"),
        pytest.param("x = 1; 'no docstring'\nfrom sys import *\n", [None, 7], id="star"),
        pytest.param("import gc\ngc.set_threshold(5)\n", [None, 5], id="own threshold"),
        pytest.param("import gc\ngc.set_threshold(0)\n", [None, 0], id="own threshold 0"),
    ],
)
def test_entry_modules(tmp_path: Path, index: str, said: list[object]) -> None:
    write_tree(tmp_path, {"index.py": index})
    code = (
        f"import gc, sys; gc.set_threshold(7); sys.path.insert(0, {str(tmp_path)!r})\n"
        "frozen = gc.get_freeze_count(); import index\n"
        "print([index.__doc__, gc.get_threshold()[0]], gc.isenabled())\n"
        "print(gc.get_freeze_count() > frozen)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True
    )
    # What has a threshold of its own keeps the collector to itself.
    assert (done.stdout, done.stderr) == (f"{said} True\n{said[1] == 7}\n", "")


def test_collector_waits_until_the_function_is_imported(built: Path) -> None:
    said, _ = run(
        "import gc; said = [index.THRESHOLD, gc.get_threshold()[0], gc.get_freeze_count() > 1000]",
        built,
    )
    usual = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold()[0])"],
        capture_output=True,
        text=True,
    )
    assert said == [0x7FFF_FFFF, int(usual.stdout), True]


def test_collector_that_was_turned_off_stays_so(tmp_path: Path) -> None:
    write_tree(tmp_path, {"index.py": "import gc\ngc.disable()\n"})
    assert run("import gc; said = gc.isenabled()", tmp_path)[0] is False


def test_collector_runs_again_where_the_function_cannot_be_imported(tmp_path: Path) -> None:
    write_tree(tmp_path, {"index.py": "x = 1\nraise ValueError('its own')\n"})
    code = (
        f"import gc, sys; gc.set_threshold(7); sys.path.insert(0, {str(tmp_path)!r})\n"
        "try: import index\n"
        "except ValueError as error: print(error, error.__traceback__.tb_next.tb_lineno)\n"
        "print(gc.get_threshold()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "7"
    assert done.stdout.startswith("its own ")
    assert done.stderr == ""


def test_entry_module_reloads(built: Path) -> None:
    said, errors = run(
        "import gc, importlib; importlib.reload(index); hooks = len(sys.path_hooks)\n"
        "said = [index.THRESHOLD == gc.get_threshold()[0], hooks]",
        built,
    )
    assert said == [True, 3]
    assert errors == ""


def test_optimized_interpreter_starts_from_source(built: Path) -> None:
    said, errors = run(loaders("shop"), built, options=("-O",))
    assert said == {"shop": "SourceFileLoader"}
    assert errors == ""


def test_equal_trees_give_equal_octets(tmp_path: Path) -> None:
    one, two = (write_tree(tmp_path / name, FILES) for name in ("one", "the-other"))
    found = [
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        for root in (one, two)
    ]
    assert Path("_slsadapt.bundle") in found[0]
    assert found[0] == found[1]


def test_read_only_tree_starts(tree: Path) -> None:
    folders = [tree, *(path for path in tree.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert run("import shop; said = shop.PRICE", tree)[0] == 3
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_entry_must_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("")
    with pytest.raises(PackageError, match=r"index\.py must have been compiled by .*\.pyc"):
        write_bundle(tmp_path, sys.executable)


def test_modules_that_were_not_compiled_unchecked_stay_out(tmp_path: Path) -> None:
    for name in ("index", "dated", "late"):
        (tmp_path / f"{name}.py").write_text("")
    assert compile_tree(tmp_path, sys.executable, "/var/task") == []
    bytecode = tmp_path / "__pycache__"
    dated = bytecode / f"dated.{TAG}.pyc"
    octets = dated.read_bytes()
    dated.write_bytes(octets[:4] + bytes(4) + octets[8:])
    (bytecode / f"late.{TAG}.pyc").unlink()
    write_bundle(tmp_path, sys.executable)
    said, _ = run(loaders("dated", "late"), tmp_path)
    assert said == dict.fromkeys(("dated", "late"), "SourceFileLoader")


def test_interpreter_that_fails_is_told(tree: Path) -> None:
    (tree / "__pycache__" / f"index.{TAG}.pyc").write_bytes(b"")
    with pytest.raises(PackageError, match="could not bundle the package"):
        write_bundle(tree, sys.executable)


@pytest.fixture
def import_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test install bundles in this very process, and forget them after it."""
    monkeypatch.setattr(sys, "path_hooks", list(sys.path_hooks))
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.setattr(_start, "_maps", [])
    monkeypatch.setattr(_start, "_thresholds", None)
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("import_system")
def test_begin_and_end_belong_together(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thresholds = gc.get_threshold()
    _start.begin(f"{built}/index.py")
    assert gc.get_threshold()[0] == 0x7FFF_FFFF
    # Once more, as when another function of the package is imported.
    _start.begin(f"{built}/index.py")
    spec = sys.path_hooks[0](f"{built}/shop").find_spec("shop.prices")
    assert spec is not None
    assert isinstance(spec.loader, _start.BundledLoader)
    code = spec.loader.get_code("shop.prices")
    assert code is not None
    assert code.co_filename == f"{built}/shop/prices.py"
    _start.end()
    assert gc.get_threshold() == thresholds
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("import_system")
def test_finder_leaves_other_folders_alone(built: Path) -> None:
    _start.install(str(built))
    find_folder = sys.path_hooks[0]
    for folder in (f"{built}/shop", f"{built}/shop/", str(built)):
        finder = find_folder(folder)
        assert isinstance(finder, _start.BundledFinder)
    for folder in (f"{built}shop", f"{built}/nothing", str(built.parent), ""):
        with pytest.raises(ImportError, match="is not in the bundle"):
            find_folder(folder)
    spec = find_folder(str(built)).find_spec("covered")
    assert spec is not None
    assert spec.origin == f"{built}/covered/__init__.py"
