"""Requirements are installed for another platform than this, by uv and by pip."""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

import slsadapt.handler
from slsadapt.deploy.install import check_platform, install
from slsadapt.deploy.interpreters import find_uv
from slsadapt.deploy.project import Project, read_project
from slsadapt.deploy.runtimes import RUNTIMES, Runtime
from slsadapt.errors import PackageError

pytestmark = pytest.mark.once

DIGITS = f"{sys.version_info[0]}{sys.version_info[1]}"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
# A runtime that this interpreter builds for, with Amazon Linux's old C library.
RUNTIME = replace(RUNTIMES["lambda-py3.11"], python=PYTHON, glibc=(2, 26))
NEW = replace(RUNTIME, glibc=(2, 34))
ARM = replace(RUNTIME, machine="aarch64")

X86_64, AARCH64, I386 = 62, 183, 3

Install = Callable[[Project, Runtime, Path], list[str]]


@pytest.fixture(params=["uv", "pip"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install with one of both, and give what was told."""
    uv = find_uv() if request.param == "uv" else None
    if request.param == "uv" and uv is None:
        pytest.skip("uv is not installed")
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)

    def run(project: Project, runtime: Runtime, tree: Path) -> list[str]:
        told: list[str] = []
        told += install(project, runtime, tree, sys.executable, uv=uv, tell=told.append)
        return told

    return run


def wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any") -> Path:
    """Write a wheel whose one module tells version and tag."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"tag = {tag!r}\nversion = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with ZipFile(path, "w") as opened:
        for place, text in {**files, f"{info}/RECORD": record}.items():
            opened.writestr(place, text)
    return path


def project(folder: Path, requirements: str) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.py").touch()
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    return read_project(folder)


def elf(machine: int, *versions: str) -> bytes:
    """Write a shared library that asks for versions of libc.so.6, and holds nothing else.

    Layout: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.intro.html
    """
    names = b"\0libc.so.6\0" + b"".join(version.encode() + b"\0" for version in versions)
    needed = struct.pack("<HHIII", 1, len(versions), 1, 16, 0)
    at = len(b"\0libc.so.6\0")
    for number, version in enumerate(versions):
        following = 16 if number + 1 < len(versions) else 0
        needed += struct.pack("<IHHII", 0, 0, 2 + number, at, following)
        at += len(version) + 1
    labels = b"\0.dynstr\0.gnu.version_r\0.shstrtab\0"
    begin = 64
    sections = b"\0" * 64
    for label, kind, content, link, info in (
        (1, 3, names, 0, 0),
        (9, 0x6FFFFFFE, needed, 1, 1),
        (24, 3, labels, 0, 0),
    ):
        sections += struct.pack(
            "<IIQQQQIIQQ", label, kind, 0, 0, begin, len(content), link, info, 1, 0
        )
        begin += len(content)
    head = b"\x7fELF\2\1\1" + b"\0" * 9
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, begin, 0, 64, 0, 0, 64, 4, 3)
    return head + names + needed + labels + sections


def lay(tree: Path, tag: str, **files: bytes) -> Path:
    """Lay a distribution into a tree as installers do."""
    info = tree / "shop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: shop\nVersion: 1.0\n", encoding="utf-8")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n", encoding="utf-8")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files), encoding="utf-8")
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    return tree


# Installing


def test_nothing_required_is_nothing_installed(tmp_path: Path, installed: Install) -> None:
    (tmp_path / "index.py").touch()
    told = installed(read_project(tmp_path), RUNTIME, tmp_path / "tree")
    assert told == [f"{tmp_path} has no requirements.txt and no [project]: nothing is installed"]
    assert list((tmp_path / "tree").iterdir()) == []


def test_relative_path_means_the_projects_folder(tmp_path: Path, installed: Install) -> None:
    wheel(tmp_path / "app" / "wheels", "shop", "1.0")
    told = installed(
        project(tmp_path / "app", "./wheels/shop-1.0-py3-none-any.whl\n"),
        RUNTIME,
        tmp_path / "tree",
    )
    assert (tmp_path / "tree" / "shop.py").exists()
    # What nobody requires is not there: this very package is only offered.
    assert not (tmp_path / "tree" / "slsadapt").exists()
    assert any("shop" in line for line in told)
    assert not list((tmp_path / "tree").rglob("*.pyc"))


@pytest.mark.parametrize(
    ("installed", "runtime", "tag"),
    [
        pytest.param("uv", RUNTIME, "manylinux_2_17_x86_64", id="uv, old glibc"),
        pytest.param("pip", RUNTIME, "manylinux_2_17_x86_64", id="pip, old glibc"),
        pytest.param("uv", NEW, "manylinux_2_34_x86_64", id="uv, new glibc"),
        pytest.param("uv", ARM, "manylinux_2_17_aarch64", id="uv, arm64"),
        pytest.param("pip", ARM, "manylinux_2_17_aarch64", id="pip, arm64"),
    ],
    indirect=["installed"],
)
def test_wheels_are_chosen_for_the_runtime(
    tmp_path: Path, installed: Install, runtime: Runtime, tag: str
) -> None:
    wheels = tmp_path / "app" / "wheels"
    for platform_tag in (
        "manylinux_2_17_x86_64",
        "manylinux_2_34_x86_64",
        "manylinux_2_39_x86_64",
        "manylinux_2_17_aarch64",
        "macosx_11_0_arm64",
    ):
        wheel(wheels, "shop", "1.0", f"cp{DIGITS}-cp{DIGITS}-{platform_tag}")
    wheel(wheels, "shop", "1.0", "cp36-cp36m-manylinux_2_17_x86_64")
    required = project(tmp_path / "app", "--no-index\n--find-links ./wheels\nshop\n")
    installed(required, runtime, tmp_path / "tree")
    told = (tmp_path / "tree" / "shop.py").read_text(encoding="utf-8")
    assert told.splitlines()[0] == f"tag = 'cp{DIGITS}-cp{DIGITS}-{tag}'"
    check_platform(tmp_path / "tree", runtime)


def test_what_does_not_resolve_is_told_in_the_installers_words(
    tmp_path: Path, installed: Install
) -> None:
    wheel(tmp_path / "app" / "wheels", "shop", "1.0")
    required = project(tmp_path / "app", "--no-index\n--find-links ./wheels\nshop>=2\n")
    with pytest.raises(PackageError, match="could not install what .*app requires:\n(.|\n)*shop"):
        installed(required, RUNTIME, tmp_path / "tree")


def test_pyproject_without_a_lock(tmp_path: Path) -> None:
    if (uv := find_uv()) is None:
        pytest.skip("uv is not installed")
    path = wheel(tmp_path / "wheels", "shop", "1.0")
    (tmp_path / "index.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'bank'\nversion = '1'\n"
        f"dependencies = [\n  'shop @ {path.as_uri()}',\n]\n",
        encoding="utf-8",
    )
    tree = tmp_path / "tree"
    install(read_project(tmp_path), RUNTIME, tree, sys.executable, uv=uv, tell=print)
    assert (tree / "shop.py").exists()
    assert not (tree / "bank").exists()


def locked(folder: Path) -> Project:
    """Write a project whose lock is older than the newest wheel."""
    newest = wheel(folder / "wheels", "shop", "2.0")
    digest = sha256(wheel(folder / "wheels", "shop", "1.0").read_bytes()).hexdigest()
    assert newest.exists()
    (folder / "index.py").touch()
    (folder / "pyproject.toml").write_text(
        "[project]\nname = 'bank'\nversion = '1'\nrequires-python = '>=3.10'\n"
        "dependencies = ['shop']\n[tool.uv]\nno-index = true\nfind-links = ['./wheels']\n",
        encoding="utf-8",
    )
    (folder / "uv.lock").write_text(
        "version = 1\nrevision = 3\nrequires-python = '>=3.10'\n"
        "[[package]]\nname = 'bank'\nversion = '1'\nsource = { virtual = '.' }\n"
        "dependencies = [{ name = 'shop' }]\n"
        "[package.metadata]\nrequires-dist = [{ name = 'shop' }]\n"
        "[[package]]\nname = 'shop'\nversion = '1.0'\nsource = { registry = 'wheels' }\n"
        f"wheels = [{{ path = 'shop-1.0-py3-none-any.whl', hash = 'sha256:{digest}' }}]\n",
        encoding="utf-8",
    )
    return read_project(folder)


def test_lock_is_respected_by_uv(tmp_path: Path) -> None:
    if (uv := find_uv()) is None:
        pytest.skip("uv is not installed")
    told: list[str] = []
    tree = tmp_path / "tree"
    install(locked(tmp_path / "app"), RUNTIME, tree, sys.executable, uv=uv, tell=told.append)
    assert "version = '1.0'" in (tree / "shop.py").read_text(encoding="utf-8")


def test_lock_is_not_respected_by_pip_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    read = locked(tmp_path / "app")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "app" / "wheels"))
    tree = tmp_path / "tree"
    notes = install(read, RUNTIME, tree, sys.executable, uv=None, tell=print)
    assert "version = '2.0'" in (tree / "shop.py").read_text(encoding="utf-8")
    assert notes == [
        f"{tmp_path / 'app' / 'uv.lock'} is not respected: that takes uv, which is not installed"
    ]


def test_pip_cannot_compute_dependencies(tmp_path: Path) -> None:
    (tmp_path / "index.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'bank'\nversion = '1'\ndynamic = ['dependencies']\n", encoding="utf-8"
    )
    with pytest.raises(PackageError, match="pyproject.toml computes its dependencies, which takes"):
        install(
            *(read_project(tmp_path), RUNTIME, tmp_path / "tree", sys.executable),
            uv=None,
            tell=print,
        )


def test_this_very_package_is_installed(tmp_path: Path, installed: Install) -> None:
    """Offline, and so without what it requires: a made-up application requires it alone."""
    if distribution("slsadapt").read_text("direct_url.json") is None:
        pytest.skip("slsadapt was installed from a registry, which has it")
    wheels = tmp_path / "app" / "wheels"
    for name in ("werkzeug", "mangum", "asgiref", "pyinstrument"):
        wheel(wheels, name, "99.0")
    required = project(tmp_path / "app", "--no-index\n--find-links ./wheels\nslsadapt[profile]\n")
    installed(required, RUNTIME, tmp_path / "tree")
    assert (tmp_path / "tree" / "pyinstrument.py").exists()
    own = tmp_path / "tree" / "slsadapt"
    assert (own / "handler.py").read_bytes() == Path(slsadapt.handler.__file__).read_bytes()
    assert (own / "py.typed").exists()
    (info,) = (tmp_path / "tree").glob("slsadapt-*.dist-info")
    assert (info / "entry_points.txt").exists()


# Editable requirements


def editable(folder: Path) -> Project:
    """Require a folder as editable; it builds itself, for no registry has what builds it."""
    source = folder / "lib"
    source.mkdir(parents=True)
    (source / "pyproject.toml").write_text(
        "[project]\nname = 'shop'\nversion = '1.0'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
        encoding="utf-8",
    )
    (source / "backend.py").write_text(BACKEND, encoding="utf-8")
    return project(folder / "app", "-e ../lib\n")


BACKEND = """
from pathlib import Path
from zipfile import ZipFile

def build_wheel(folder, config_settings=None, metadata_directory=None, code="copied = True"):
    name = "shop-1.0-py3-none-any.whl"
    info = "shop-1.0.dist-info"
    with ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("shop.py", code)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: shop\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                                        "Tag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", f"shop.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n"
                                         f"{info}/RECORD,,\\n")
    return name

def build_editable(folder, config_settings=None, metadata_directory=None):
    return build_wheel(folder, code="copied = False")
"""


def test_editable_requirement_is_copied_by_uv(tmp_path: Path) -> None:
    if (uv := find_uv()) is None:
        pytest.skip("uv is not installed")
    tree = tmp_path / "tree"
    install(editable(tmp_path), RUNTIME, tree, sys.executable, uv=uv, tell=print)
    assert (tree / "shop.py").read_text(encoding="utf-8") == "copied = True"


def test_editable_requirement_is_refused_with_pip(tmp_path: Path) -> None:
    told = "requires file://.*lib as editable, .* require it without -e, or install a recent uv"
    with pytest.raises(PackageError, match=told):
        install(editable(tmp_path), RUNTIME, tmp_path / "t", sys.executable, uv=None, tell=print)


# The platform


@pytest.mark.parametrize(
    "tag",
    [
        "py3-none-any",
        f"py{DIGITS}-none-any",
        f"cp{DIGITS}-cp{DIGITS}-manylinux_2_17_x86_64",
        f"cp{DIGITS}-cp{DIGITS}-manylinux2014_x86_64",
        f"cp{DIGITS}-cp{DIGITS}-manylinux_2_28_x86_64.manylinux_2_26_x86_64",
        "cp38-abi3-manylinux2010_x86_64",
        "py3-none-manylinux1_x86_64",
        pytest.param(f"cp{DIGITS}-cp{DIGITS}-linux_x86_64", id="built here"),
    ],
)
def test_tags_that_run(tmp_path: Path, tag: str) -> None:
    check_platform(lay(tmp_path, tag), RUNTIME)


@pytest.mark.parametrize(
    "tag",
    [
        "cp39-cp39-manylinux_2_17_x86_64",
        f"cp{DIGITS}-cp{DIGITS}-manylinux_2_28_x86_64",
        f"cp{DIGITS}-cp{DIGITS}-manylinux_2_17_aarch64",
        f"cp{DIGITS}-cp{DIGITS}-musllinux_1_1_x86_64",
        f"cp{DIGITS}-cp{DIGITS}-win_amd64",
        f"cp{DIGITS}-cp{DIGITS}t-manylinux_2_17_x86_64",
        "cp399-abi3-manylinux2014_x86_64",
        "py3-none-macosx_11_0_universal2",
    ],
)
def test_tags_that_do_not_run(tmp_path: Path, tag: str) -> None:
    with pytest.raises(PackageError, match=f"  shop 1.0: its wheel is for {tag}\n"):
        check_platform(lay(tmp_path, tag), RUNTIME)


def test_error_says_what_runs_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PackageError) as raised:
        check_platform(lay(tmp_path, "cp27-cp27m-win32"), RUNTIME)
    assert str(raised.value) == (
        f"not everything that was installed runs on lambda-py3.11 (CPython {PYTHON}, x86_64, "
        f"glibc 2.26):\n"
        f"  shop 1.0: its wheel is for cp27-cp27m-win32\n"
        f"Require versions that have wheels for it, or build the package on that platform, in the "
        f"vendor's container image for example"
    )


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(
            {f"shop/a.cpython-{DIGITS}-x86_64-linux-gnu.so": elf(X86_64, "GLIBC_2.26")},
            id="own ABI",
        ),
        pytest.param({"shop/a.abi3.so": elf(X86_64, "GLIBC_2.2.5")}, id="stable ABI"),
        pytest.param({"shop.libs/libz.so.1": elf(X86_64, "ZLIB_9.9")}, id="library"),
        pytest.param({"shop/a.so": b"INPUT(-lz)"}, id="no binary at all"),
        pytest.param({"shop/a.bin": elf(AARCH64, "GLIBC_2.4")[:90]}, id="half a binary"),
        pytest.param(
            {"shop/x86.so": elf(I386, "GLIBC_2.99"), "shop/amd64.so": elf(X86_64, "GLIBC_2.4")},
            id="helpers for several processors",
        ),
        pytest.param(
            {
                "shop/a.cpython-36m-x86_64-linux-gnu.so": elf(X86_64, "GLIBC_2.4"),
                f"shop/a.cpython-{DIGITS}-x86_64-linux-gnu.so": elf(X86_64, "GLIBC_2.4"),
            },
            id="extension modules for several Pythons",
        ),
    ],
)
def test_binaries_that_run(tmp_path: Path, files: dict[str, bytes]) -> None:
    check_platform(lay(tmp_path, "py3-none-any", **files), RUNTIME)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param(
            f"shop/a.cpython-{DIGITS}-x86_64-linux-gnu.so",
            elf(X86_64, "GLIBC_2.4", "GLIBC_2.27", "GLIBC_2.9"),
            f"shop 1.0: shop/a.cpython-{DIGITS}-x86_64-linux-gnu.so asks for glibc 2.27",
            id="newer glibc",
        ),
        pytest.param(
            "shop/a.cpython-36m-x86_64-linux-gnu.so",
            elf(X86_64, "GLIBC_2.4"),
            "shop 1.0: shop/a.cpython-36m-x86_64-linux-gnu.so is an extension module for "
            "cpython-36m-x86_64-linux-gnu",
            id="another Python",
        ),
        pytest.param(
            f"shop/a.cpython-{DIGITS}-aarch64-linux-gnu.so",
            elf(AARCH64, "GLIBC_2.4"),
            f"shop 1.0: shop/a.cpython-{DIGITS}-aarch64-linux-gnu.so is an extension module for "
            f"cpython-{DIGITS}-aarch64-linux-gnu",
            id="another processor, by name",
        ),
        pytest.param(
            "shop/a.abi3.so",
            elf(AARCH64, "GLIBC_2.4"),
            "shop 1.0: shop/a.abi3.so is for aarch64",
            id="another processor, by content",
        ),
    ],
)
def test_binaries_that_do_not_run(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    tree = lay(tmp_path, "py3-none-any", **{name: content})
    with pytest.raises(PackageError) as raised:
        check_platform(tree, RUNTIME)
    assert f"\n  {told}\n" in str(raised.value)


def test_real_binaries_are_read(tmp_path: Path) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this interpreter asks for no glibc")
    tree = lay(tmp_path, "py3-none-any", **{"shop/python": Path(sys.executable).read_bytes()})
    runtime = replace(RUNTIME if platform.machine() == "x86_64" else ARM, glibc=(2, 1))
    with pytest.raises(PackageError, match=r"shop 1.0: shop/python asks for glibc 2\.\d+\n"):
        check_platform(tree, runtime)
