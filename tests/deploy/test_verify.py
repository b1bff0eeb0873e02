"""A package that verifies runs from its own files; one that does not is told what is wrong."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

import slsadapt
from slsadapt.deploy.archive import write_archive
from slsadapt.deploy.bundle import write_bundle
from slsadapt.deploy.bytecode import compile_tree
from slsadapt.deploy.verify import verify
from slsadapt.errors import PackageError

ROOT = Path(__file__).parents[2]
TAG = sys.implementation.cache_tag
# What no test here runs, to compile less.
UNUSED = re.compile(
    r"/__pycache__/|/tests?/|^pip/|^\.\./"
    r"|^django/contrib/(admindocs|flatpages|gis|postgres|sitemaps|syndication)/"
    r"|^django/db/backends/(mysql|oracle|postgresql)/"
    r"|^django/.*locale/(?!(en|de)/)[^/]+/"
)
ANSWER = "def main_handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"
Build = Callable[..., Path]


def read_event(sample: str, name: str) -> dict[str, Any]:
    """Read a sample's event."""
    read: dict[str, Any] = json.loads((ROOT / f"samples/{sample}/events/{name}.json").read_text())
    return read.get("event", read) if "source" in read else read


EVENT = read_event("flask_app", "hello")


def installed(name: str) -> set[str]:
    """List a distribution and what it needs, of what is installed here."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()  # for another Python
    needed = [re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line]
    return {name}.union(*(installed(found[0]) for found in needed if found))


def copy_installed(tree: Path, name: str) -> None:
    """Copy a distribution with all that it and slsadapt need, and slsadapt, into a tree."""
    for each in installed(name).union(*map(installed, ("werkzeug", "mangum", "asgiref"))):
        for file in metadata.files(each) or ():
            if not UNUSED.search(str(file)):
                target = tree / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_binary())
    copytree(
        Path(slsadapt.__file__).parent,
        tree / "slsadapt",
        ignore=ignore_patterns("__pycache__", "cli", "testing", "bench", "deploy"),
    )


def pack(tree: Path, archive: Path, *, bundle: bool = False) -> Path:
    """Make a package of a tree."""
    compile_tree(tree, sys.executable, "/var/task")
    if bundle:
        write_bundle(tree, sys.executable)
    write_archive(tree, archive)
    return archive


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Give a function that makes a package of files, by their names."""

    def build(files: dict[str, str], *, name: str = "app", bundle: bool = False) -> Path:
        tree = tmp_path / name
        for place, text in files.items():
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            (tree / place).write_text(text)
        return pack(tree, tmp_path / f"{name}.zip", bundle=bundle)

    return build


def run(tree: Path, code: str) -> Any:
    """Run code behind ``import index`` in a tree; give what it put in ``said``."""
    whole = (
        f"import sys; sys.path.insert(0, {str(tree)!r})\nimport index, json\n{code}\n"
        "print(json.dumps(said))"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", whole]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tree)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_flask_runs_from_a_bundle(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    copy_installed(tree, "flask")
    copytree(ROOT / "samples/flask_app", tree, dirs_exist_ok=True)
    archive = pack(tree, tmp_path / "app.zip", bundle=True)
    names = ("hello", "json", "query", "form", "upload", "download", "cookies")
    done = verify(archive, [read_event("flask_app", name) for name in names], sys.executable)
    assert done.problems == []
    assert done.ok
    assert done.statuses == (200,) * 7
    # The entry module and what starts the bundle.
    assert done.bytecode == 2
    assert done.bundled > 100
    assert done.extensions == 1  # markupsafe's
    assert done.modules > done.bundled
    assert done.started_ms > 0


def test_django_runs_from_a_bundle(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    copy_installed(tree, "django")
    copytree(ROOT / "samples/django_app", tree, dirs_exist_ok=True)
    archive = pack(tree, tmp_path / "app.zip", bundle=True)
    names = ("home", "login", "admin_login", "sign", "static_css", "http_api")
    done = verify(archive, [read_event("django_app", name) for name in names], sys.executable)
    assert done.problems == []
    assert done.bytecode == 2
    assert done.bundled > 300
    assert set(done.statuses) <= {200, 302}
    # What Django looks for in folders rather than imports by name.
    said = run(
        tree,
        """
import io
from django.apps import apps
from django.contrib.admin import site
from django.contrib.staticfiles.finders import find
from django.core.management import call_command, get_commands
from django.db.migrations.loader import MigrationLoader
from django.template.backends.django import get_installed_libraries
from django.utils import formats, translation
commands = get_commands()
with translation.override("de"):
    words = [translation.gettext("Yes"), formats.get_format("DECIMAL_SEPARATOR", use_l10n=True)]
call_command("check", stdout=io.StringIO())
call_command("makemigrations", check=True, dry_run=True, stdout=io.StringIO())
said = [
    [commands["migrate"], commands["createsuperuser"], commands["collectstatic"]],
    sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "entries"),
    words,
    find("entries/style.css").rpartition("/")[2],
    "admin_list" in get_installed_libraries(),
    sorted({model._meta.app_label for model in site._registry}),
    type(apps.get_app_config("admin").module.__loader__).__name__,
]
""",
    )
    assert said == [
        ["django.core", "django.contrib.auth", "django.contrib.staticfiles"],
        ["0001_initial", "0002_demo_user"],
        ["Ja", ","],
        "style.css",
        True,
        ["auth", "entries"],
        "BundledLoader",
    ]


def test_fastapi_runs_from_a_bundle(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    copy_installed(tree, "fastapi")
    (tree / "index.py").write_text(
        "from fastapi import FastAPI\n"
        "from pydantic import BaseModel\n\n"
        "from slsadapt import wrap\n\n"
        "app = FastAPI()\n\n\n"
        "class Item(BaseModel):\n"
        "    name: str\n\n\n"
        "@app.get('/')\n"
        "async def hello() -> Item:\n"
        "    return Item(name='world')\n\n\n"
        "main_handler = wrap(app)\n"
    )
    archive = pack(tree, tmp_path / "app.zip", bundle=True)
    schema = EVENT | {"path": "/openapi.json"}
    schema["requestContext"] = EVENT["requestContext"] | {"path": "/live/openapi.json"}
    done = verify(archive, [EVENT, schema], sys.executable)
    assert done.problems == []
    assert done.statuses == (200, 200)
    assert done.bytecode == 2
    assert done.bundled > 150
    assert done.extensions >= 1
    said = run(
        tree,
        f"result = index.main_handler(json.loads({json.dumps(EVENT)!r}), {{}})\n"
        "said = [result['statusCode'], result['body'], result['isBase64Encoded']]",
    )
    body = b64decode(said[1]) if said[2] else said[1].encode()
    assert (said[0], json.loads(body)) == (200, {"name": "world"})


def test_package_without_bundle_verifies(build: Build) -> None:
    archive = build({"index.py": f"import shop.prices\n{ANSWER}", "shop/prices.py": ""})
    done = verify(archive, [EVENT, {"a timer's": "event"}], sys.executable)
    assert done.problems == []
    assert (done.bundled, done.bytecode, done.extensions) == (0, 2, 0)
    # Who returns what to a timer is the function's own affair.
    assert done.statuses == (200, 0)


def test_layer_takes_part(build: Build) -> None:
    archive = build({"index.py": f"import shop\n{ANSWER}"})
    layer = build({"python/shop.py": ""}, name="layer")
    done = verify(archive, [EVENT], sys.executable, layer=layer)
    assert done.problems == []
    assert done.bytecode == 2
    without = verify(archive, [EVENT], sys.executable)
    assert "No module named 'shop'" in without.problems[0]


def remove_bytecode(tree: Path, name: str) -> None:
    """Remove the bytecode of one module."""
    (tree / "__pycache__" / f"{name}.{TAG}.pyc").unlink()


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(f"import late\n{ANSWER}", id="at the start"),
        pytest.param(ANSWER.replace("\n", "\n    import late\n", 1), id="in the first event"),
    ],
)
def test_module_compiled_from_source_is_told(tmp_path: Path, build: Build, index: str) -> None:
    build({"index.py": index, "late.py": "", "settings.py": "", "fine.py": ""})
    remove_bytecode(tmp_path / "app", "late")
    write_archive(tmp_path / "app", tmp_path / "app.zip")
    done = verify(tmp_path / "app.zip", [EVENT], sys.executable)
    [problem] = done.problems
    assert not done.ok
    assert problem.startswith("1 modules were compiled from source at the start")
    assert problem.endswith(": late.py")
    assert done.bytecode == 1


def test_stale_bytecode_is_told(tmp_path: Path, build: Build) -> None:
    build({"index.py": f"import late\n{ANSWER}", "late.py": ""})
    # Dated bytecode; the package is extracted with other dates.
    subprocess.run([sys.executable, "-m", "compileall", "-qf", tmp_path / "app"], check=True)
    write_archive(tmp_path / "app", tmp_path / "app.zip")
    [problem] = verify(tmp_path / "app.zip", [EVENT], sys.executable).problems
    assert problem.endswith(": index.py, late.py")


def test_bytecode_of_another_python_is_told(tmp_path: Path, build: Build) -> None:
    build({"index.py": ANSWER})
    bytecode = tmp_path / "app/__pycache__" / f"index.{TAG}.pyc"
    bytecode.rename(bytecode.with_name("index.cpython-36.pyc"))
    write_archive(tmp_path / "app", tmp_path / "app.zip")
    [problem] = verify(tmp_path / "app.zip", [EVENT], sys.executable).problems
    assert problem.endswith(": index.py")


def test_compiled_text_is_no_module(build: Build) -> None:
    index = (
        "from collections import namedtuple\nfrom pathlib import Path\n\n"
        "Point = namedtuple('Point', 'x y')\n"
        "settings = Path(__file__).with_name('settings.py')\n"
        "exec(compile(settings.read_bytes(), str(settings), 'exec'))\n\n\n"
    )
    archive = build({"index.py": index + ANSWER, "settings.py": "ONE = 1\n"})
    assert verify(archive, [EVENT], sys.executable).problems == []


def test_import_from_elsewhere_is_told(tmp_path: Path, build: Build) -> None:
    (tmp_path / "elsewhere/space").mkdir(parents=True)
    (tmp_path / "elsewhere/foreign.py").write_text("")
    archive = build(
        {
            "index.py": f"import sys\nsys.path.append({str(tmp_path / 'elsewhere')!r})\n"
            f"import foreign, space\n{ANSWER}"
        }
    )
    [problem] = verify(archive, [EVENT], sys.executable).problems
    place = tmp_path.resolve() / "elsewhere"
    assert problem == (
        "2 modules came from outside of the package and the standard library: "
        f"foreign ({place}/foreign.py), space ({place}/space)"
    )


def test_site_packages_are_no_part_of_the_library(tmp_path: Path, build: Build) -> None:
    archive = build(
        {
            "index.py": "import os, sys, sysconfig\n"
            f"sys.path.append({str(Path(pytest.__file__).parents[1])!r})\n"
            f"import iniconfig\n{ANSWER}"
        }
    )
    [problem] = verify(archive, [EVENT], sys.executable).problems
    assert "modules came from outside of the package and the standard library: iniconfig" in problem


def test_writes_into_the_package_are_told(build: Build) -> None:
    writes = (
        "import os, pathlib\n\n\n"
        "def main_handler(event, context):\n"
        "    here = pathlib.Path(__file__).parent\n"
        "    os.chmod(here, 0o755)\n"
        "    (here / 'cache.txt').write_text('')\n"
        "    (here / 'gone.txt').write_text('')\n"
        "    (here / 'gone.txt').unlink()\n"
        "    return {'statusCode': 200, 'body': ''}\n"
    )
    [problem] = verify(build({"index.py": writes}), [EVENT], sys.executable).problems
    assert problem == (
        "the function wrote into its own folder, which clouds make read-only: ., cache.txt; "
        "only the temporary directory takes files there"
    )


def test_failing_events_are_told(build: Build) -> None:
    archive = build(
        {
            "index.py": "def main_handler(event, context):\n"
            "    if event['path'] == '/raise':\n        raise ValueError('its own')\n"
            "    return {'statusCode': int(event['path'][1:]), 'body': ''}\n"
        }
    )
    events = [EVENT | {"path": path} for path in ("/404", "/503", "/raise")]
    done = verify(archive, events, sys.executable)
    assert done.statuses == (404, 503, 500)
    assert done.problems[0] == "event 1: the function answered 503"
    assert done.problems[1].startswith("event 2: the function raised\nTraceback")
    assert done.problems[1].endswith("ValueError: its own")
    assert len(done.problems) == 2


@pytest.mark.parametrize(
    ("index", "said"),
    [
        pytest.param("import nothing", "No module named 'nothing'", id="import"),
        pytest.param("", "has no attribute 'main_handler'", id="no handler"),
        pytest.param("import os; os._exit(3)", "ended with code 3", id="exit"),
    ],
)
def test_function_that_does_not_start_is_told(build: Build, index: str, said: str) -> None:
    done = verify(build({"index.py": index}), [EVENT], sys.executable)
    [problem] = done.problems
    assert said in problem
    assert "app.zip: index.main_handler failed" in problem
    assert done.statuses == ()


def test_bundle_that_is_not_used_is_told(tmp_path: Path, build: Build) -> None:
    build({"index.py": f"import shop\n{ANSWER}", "shop.py": ""}, bundle=True)
    # As if the bundle had been written before the bytecode.
    compile_tree(tmp_path / "app", sys.executable, "/var/task")
    write_archive(tmp_path / "app", tmp_path / "app.zip")
    [problem] = verify(tmp_path / "app.zip", [EVENT], sys.executable).problems
    assert problem.startswith("no module came out of _slsadapt.bundle")


@pytest.mark.skipif(platform.system() != "Linux", reason="asks for this machine's ELF number")
def test_another_machines_binaries_are_refused(build: Build) -> None:
    # 22 is IBM's S/390, 0xB7 and 0x3E are the processors of the clouds.
    head = "\x7fELF" + "\2\1\1" + "\0" * 9 + "\3\0" + "\x16\0"
    archive = build({"index.py": ANSWER, "shop/fast.so": head})
    with pytest.raises(PackageError, match=r"shop/fast\.so is built for Linux on another machine"):
        verify(archive, [EVENT], sys.executable)


def test_what_cannot_be_verified_is_told(build: Build, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(PackageError, match=r"text\.zip must be a zip to verify: "):
        verify(tmp_path / "text.zip", [EVENT], sys.executable)
    with pytest.raises(PackageError, match=r"/no-python must be a program, to verify .*app\.zip"):
        verify(build({"index.py": ANSWER}), [EVENT], "/no-python")


def test_programs_of_the_package_can_be_started(tmp_path: Path, build: Build) -> None:
    build(
        {
            "index.py": "import pathlib, subprocess\n"
            "subprocess.run([pathlib.Path(__file__).with_name('tool')], check=True)\n" + ANSWER,
            "tool": "#!/bin/sh\nexit 0\n",
        }
    )
    (tmp_path / "app/tool").chmod(0o755)
    write_archive(tmp_path / "app", tmp_path / "app.zip")
    assert verify(tmp_path / "app.zip", [EVENT], sys.executable).problems == []
