"""Whole packages: of the Flask sample with all that it requires, and of small ones."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from slsadapt.deploy.package import Package, build_package
from slsadapt.deploy.project import Project, read_project
from slsadapt.deploy.runtimes import RUNTIMES, Runtime
from slsadapt.errors import PackageError

pytestmark = pytest.mark.once

FLASK_APP = Path(__file__).parents[2] / "samples" / "flask_app"

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
CACHE = f"cpython-{PYTHON.replace('.', '')}"


def here(name: str) -> Runtime:
    """Give a runtime with this Python and processor, so that any machine can build for it."""
    machine: Any = platform.machine()
    return replace(RUNTIMES[name], python=PYTHON, machine=machine)


LAMBDA = here("lambda-py3.11")


def project(folder: Path, **texts: str) -> Project:
    """Write an application that requires a wheel which stands beside it."""
    wheels = folder.parent / f"{folder.name}-wheels"
    wheels.mkdir(parents=True)
    info = "shop-1.0.dist-info"
    files = {
        "shop/__init__.py": "NAME = 'shop'\nKINDS = frozenset({'apple', 'pear', 'plum'})\n",
        "shop/tests/test_shop.py": "",
        "shop/__init__.pyi": "",
        "price.py": "EUR = 12\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with ZipFile(wheels / "shop-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)
    texts = {
        "index.py": "import price, shop\ndef main_handler(event, context):\n    return shop.NAME\n",
        "requirements.txt": f"--no-index\n{wheels / 'shop-1.0-py3-none-any.whl'}\n",
        **texts,
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return read_project(folder)


def names(archive: Path) -> list[str]:
    with ZipFile(archive) as opened:
        return opened.namelist()


def quiet(line: str) -> None:
    pass


# The Flask sample


@pytest.fixture(scope="session")
def flask(tmp_path_factory: pytest.TempPathFactory) -> Package:
    output = tmp_path_factory.mktemp("flask") / "build" / "app.zip"
    return build_package(read_project(FLASK_APP), LAMBDA, output, tell=quiet)


def test_sample_has_its_application_at_the_root(flask: Package) -> None:
    packed = set(names(flask.archive))
    assert {"index.py", "app.py", "templates/", "templates/form.html", "flask/app.py"} <= packed
    assert {f"__pycache__/index.{CACHE}.pyc", f"flask/__pycache__/app.{CACHE}.pyc"} <= packed
    assert "test_app.py" not in packed


def test_sample_keeps_metadata_and_nothing_of_this_machine(flask: Package) -> None:
    packed = names(flask.archive)
    assert any(name.endswith("/entry_points.txt") for name in packed)
    assert [name for name in packed if name.startswith("slsadapt-") and "METADATA" in name]
    dropped = ("/direct_url.json", "/INSTALLER", "/uv_cache.json", ".pyi", "bin/flask", ".lock")
    assert [name for name in packed if name.endswith(dropped)] == []
    assert [name for name in packed if "tests" in name.split("/")[:-1]] == []


def test_sample_has_bytecode_for_every_module(flask: Package) -> None:
    with ZipFile(flask.archive) as opened:
        packed = set(opened.namelist())
        for name in packed:
            if name.endswith(".py"):
                folder, _, module = name.rpartition("/")
                cached = f"{folder}/__pycache__/{module[:-3]}.{CACHE}.pyc".lstrip("/")
                assert cached in packed
                assert opened.read(cached)[4:8] == b"\1\0\0\0"


def test_sample_is_measured(flask: Package) -> None:
    assert flask.layer is None
    assert flask.zip_bytes == flask.archive.stat().st_size
    with ZipFile(flask.archive) as opened:
        assert flask.unzipped_bytes == sum(entry.file_size for entry in opened.infolist())
    assert flask.unzipped_bytes == sum(size.unzipped_bytes for size in flask.sizes)
    # Its dictionary is most of the package.
    assert flask.sizes[0].name == "jieba"
    assert {"application", "Flask", "slsadapt", "celery"} <= {size.name for size in flask.sizes}


def test_sample_runs_with_nothing_else(flask: Package, tmp_path: Path) -> None:
    with ZipFile(flask.archive) as opened:
        opened.extractall(tmp_path)
    event = (FLASK_APP / "events" / "hello.json").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _RUN, str(tmp_path)],
        input=event,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["statusCode"] == 200


_RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import index
event = json.load(sys.stdin)
print(json.dumps(index.main_handler(event.get("event", event), None)))
"""


# Small ones


def test_equal_projects_give_equal_octets(tmp_path: Path) -> None:
    texts = {"index.py": "import shop\n", "a/b.py": "KINDS = {'apple', 'pear'}\n"}
    first = project(tmp_path / "1", **texts)
    second = project(tmp_path / "another" / "2", **dict(reversed(texts.items())))
    # The one line that names a place.
    (second.folder / "requirements.txt").write_text("./shop-1.0-py3-none-any.whl", encoding="utf-8")
    (first.folder / "requirements.txt").write_text("./shop-1.0-py3-none-any.whl", encoding="utf-8")
    for built in (first, second):
        (wheel,) = built.folder.parent.glob("*-wheels/*.whl")
        wheel.rename(built.folder / wheel.name)
        build_package(built, LAMBDA, built.folder / "build" / "app.zip", tell=quiet)
    octets = (first.folder / "build" / "app.zip").read_bytes()
    assert octets == (second.folder / "build" / "app.zip").read_bytes()


def test_package_says_what_happens_and_what_one_should_know(tmp_path: Path) -> None:
    told: list[str] = []
    built = project(tmp_path / "app", **{"old.py": "print 'hello'", "price.py": "EUR = 13\n"})
    runtime = replace(LAMBDA, direct_limit_bytes=1000)
    package = build_package(built, runtime, tmp_path / "app.zip", tell=told.append)
    assert told[0] == f"installing what {tmp_path / 'app'} requires, for lambda-py3.11"
    assert told[-1] == f"writing {tmp_path / 'app.zip'}"
    assert package.notes[:2] == (
        "price.py of the application takes the place of an installed file",
        "old.py:1: not compiled (SyntaxError)",
    )
    assert package.notes[2].endswith(
        " MiB, and a request to lambda-py3.11 carries 0 MiB: upload it through object storage, as "
        "deployment tools do"
    )
    with ZipFile(package.archive) as opened:
        assert opened.read("price.py") == b"EUR = 13\n"
    application, shop = sorted(package.sizes, key=lambda size: size.name)
    assert (application.name, shop.name, shop.version) == ("application", "shop", "1.0")


@pytest.mark.parametrize(
    ("runtime", "folder", "place"),
    [
        pytest.param(LAMBDA, "python/", b"/opt/python/price.py", id="aws"),
        pytest.param(here("fc-py3.12"), "python/", b"/opt/python/price.py", id="alibaba"),
        pytest.param(here("scf-py3.10"), "", b"/opt/price.py", id="tencent"),
    ],
)
def test_layer_has_what_is_required_where_the_cloud_looks(
    tmp_path: Path, runtime: Runtime, folder: str, place: bytes
) -> None:
    built = project(tmp_path / "app")
    package = build_package(built, runtime, tmp_path / "app.zip", layer=True, tell=quiet)
    assert names(package.archive) == [
        "__pycache__/",
        f"__pycache__/index.{CACHE}.pyc",
        "index.py",
        "requirements.txt",
    ]
    assert package.layer == tmp_path / "app-layer.zip"
    packed = names(package.layer)
    assert f"{folder}shop/__init__.py" in packed
    assert f"{folder}price.py" in packed
    assert [name for name in packed if not name.startswith(folder)] == []
    with ZipFile(package.layer) as opened:
        assert place in opened.read(f"{folder}__pycache__/price.{CACHE}.pyc")
    archives = (package.archive, package.layer)
    assert package.zip_bytes == sum(archive.stat().st_size for archive in archives)


def test_bundle_is_written_and_measured(tmp_path: Path) -> None:
    built = project(tmp_path / "app")
    package = build_package(built, LAMBDA, tmp_path / "app.zip", bundle=True, tell=quiet)
    assert {size.name for size in package.sizes} == {"shop", "application", "code bundle"}
    # The files stay, for those who read them.
    assert {"index.py", f"shop/__pycache__/__init__.{CACHE}.pyc"} <= set(names(package.archive))


def test_package_in_the_projects_folder_does_not_hold_itself(tmp_path: Path) -> None:
    built = project(tmp_path / "app")
    output = tmp_path / "app" / "out" / "app.zip"
    build_package(built, LAMBDA, output, layer=True, tell=quiet)
    again = read_project(tmp_path / "app")
    assert "out/app.zip" in {str(file) for file in again.files}
    build_package(again, LAMBDA, output, layer=True, tell=quiet)
    assert "index.py" in names(output)
    assert [name for name in names(output) if name.startswith("out")] == []


def test_package_over_the_limit_is_not_written(tmp_path: Path) -> None:
    built = project(tmp_path / "app")
    output = tmp_path / "app.zip"
    output.write_bytes(b"an earlier one")
    with pytest.raises(PackageError, match="extracted, lambda-py3.11 takes 0 MiB(.|\n)*shop 1.0"):
        build_package(built, replace(LAMBDA, unzipped_limit_bytes=100), output, tell=quiet)
    assert output.read_bytes() == b"an earlier one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "app-wheels", "app.zip"]


def test_package_for_another_platform_is_refused(tmp_path: Path) -> None:
    name = "bank-1.0-py3-none-win_amd64.whl"
    built = project(tmp_path / "app", **{"requirements.txt": f"--no-index\n./{name}\n"})
    with pytest.raises(PackageError, match="could not install"):
        build_package(built, LAMBDA, tmp_path / "app.zip", tell=quiet)
    assert not (tmp_path / "app.zip").exists()
