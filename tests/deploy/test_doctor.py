"""The doctor on small functions that each have one fault, on clean ones, and on the sample."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import sqlite3
import struct
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from slsadapt.bench.target import Target
from slsadapt.deploy.doctor import Finding, examine, find_events, running
from slsadapt.deploy.runtimes import RUNTIMES
from slsadapt.errors import PackageError

FLASK_APP = Path(__file__).parents[2] / "samples" / "flask_app"
THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
AWS = RUNTIMES["lambda-py3.13"]
# The date that archives have which say none, and one that says when.
UNDATED, DATED = (1980, 1, 1, 0, 0, 0), (2024, 5, 6, 7, 8, 10)
DATED_S = 1714979290

Files = dict[str, str | bytes]

ANSWER = 'return {"statusCode": 200, "body": "hello"}\n'
# What is no effort to compile is no finding.
EFFORT = "".join(f"a{n} = b{n} = {{'c': [d for d in ()]}}\n" for n in range(300))
FUNCTION = f"def main_handler(event, context):\n    {ANSWER}"
HEAVY_FUNCTION = EFFORT + FUNCTION


def event(path: str = "/", method: str = "GET") -> dict[str, Any]:
    """Write the event of a Tencent function URL."""
    return {
        "headers": {"host": "1300000000-abc.gz.tencentscf.com"},
        "httpMethod": method,
        "path": path,
        "queryString": {},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder


def find(folder: Path | Target, check: str, *paths: str, **options: Any) -> list[Finding]:
    """Give what one check found; without paths nothing but GET / is asked for."""
    events = [event(path) for path in paths or ("/",)]
    return [each for each in examine(folder, events, **options) if each.check == check]


def find_one(folder: Path | Target, check: str, *paths: str, **options: Any) -> Finding:
    (finding,) = find(folder, check, *paths, **options)
    return finding


# Archives and their bytecode


def compile_source(
    folder: Path,
    mode: str = "UNCHECKED_HASH",
    date_s: int = DATED_S,
    source: str = HEAVY_FUNCTION,
) -> bytes:
    path = folder / "compiled.py"
    path.write_text(source, encoding="utf-8")
    os.utime(path, (DATED_S, DATED_S))
    done = py_compile.compile(
        str(path),
        cfile=str(folder / "compiled.pyc"),
        invalidation_mode=py_compile.PycInvalidationMode[mode],
    )
    assert done
    return Path(done).read_bytes()


def archive(
    path: Path,
    files: Files,
    date: tuple[int, int, int, int, int, int] = DATED,
    extra: bytes = b"",
) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, date)
            member.extra = extra
            opened.writestr(member, content)
    return path


def test_clean_package(tmp_path: Path) -> None:
    files: Files = {
        "index.py": HEAVY_FUNCTION,
        f"__pycache__/index.{TAG}.pyc": compile_source(tmp_path),
    }
    notes: list[str] = []
    package = archive(tmp_path / "shop.zip", files, UNDATED)
    assert examine(package, [event()], note=notes.append) == []
    assert notes == []


@pytest.mark.parametrize(
    ("mode", "date", "extra", "found"),
    [
        pytest.param("UNCHECKED_HASH", UNDATED, b"", None, id="unchecked hash"),
        pytest.param("TIMESTAMP", DATED, b"", None, id="date that extracting keeps"),
        pytest.param("TIMESTAMP", UNDATED, b"", "does not fit the source's date", id="no date"),
        pytest.param(
            "TIMESTAMP",
            UNDATED,
            struct.pack("<HHBl", 0x5455, 5, 1, DATED_S),
            None,
            id="date in Info-ZIP's field",
        ),
        pytest.param("CHECKED_HASH", UNDATED, b"", None, id="checked hash"),
        pytest.param(None, DATED, b"", "1 have none", id="none"),
    ],
)
def test_bytecode_of_packages(
    tmp_path: Path,
    mode: str | None,
    date: tuple[int, int, int, int, int, int],
    extra: bytes,
    found: str | None,
) -> None:
    files: Files = {"index.py": HEAVY_FUNCTION}
    if mode:
        files[f"__pycache__/index.{TAG}.pyc"] = compile_source(tmp_path, mode)
    findings = examine(archive(tmp_path / "shop.zip", files, date, extra), [event()])
    assert [each.check for each in findings] == (["bytecode"] if found else [])
    if found:
        (finding,) = findings
        assert found in finding.found
        assert finding.found.startswith("of 1 modules that it imports 1 have no bytecode")
        assert finding.where == ("index.py",)
        assert finding.severity == "slow"
        assert finding.cost_ms > 0


def test_bytecode_of_another_source(tmp_path: Path) -> None:
    stale = compile_source(tmp_path, "CHECKED_HASH", source="print('another')")
    files: Files = {"index.py": HEAVY_FUNCTION, f"__pycache__/index.{TAG}.pyc": stale}
    finding = find_one(archive(tmp_path / "shop.zip", files), "bytecode")
    assert "1 have some that does not fit" in finding.found


@pytest.mark.parametrize("name", [f"index.{TAG}.pyc", "index.cpython-313.pyc"])
def test_bytecode_of_another_python(tmp_path: Path, name: str) -> None:
    octets = compile_source(tmp_path)
    if name.startswith(f"index.{TAG}"):
        # Only its head tells that it is another's.
        octets = (3413).to_bytes(2, "little") + octets[2:]
    files: Files = {"index.py": HEAVY_FUNCTION, f"__pycache__/{name}": octets}
    runtime = replace(AWS, python="3.12" if "313" in name else THIS)
    finding = find_one(archive(tmp_path / "shop.zip", files), "bytecode", runtime=runtime)
    assert f"Python {runtime.python} takes: 1 have another Python's" in finding.found


def test_bytecode_of_a_package_that_cannot_be_run_is_an_estimate(tmp_path: Path) -> None:
    files: Files = {"index.py": HEAVY_FUNCTION}
    runtime = replace(
        AWS, python=THIS, machine="aarch64" if os.uname().machine == "x86_64" else "x86_64"
    )
    notes: list[str] = []
    package = archive(tmp_path / "shop.zip", files)
    finding = find_one(package, "bytecode", runtime=runtime, note=notes.append)
    assert finding.found.startswith("of 1 modules in it")
    assert "estimated" in finding.costs
    assert notes[0].startswith("it was not run, so its imports and writes are unknown: the package")


def test_package_with_its_layer(tmp_path: Path) -> None:
    entry = "import goods\n" + FUNCTION
    package = archive(tmp_path / "shop.zip", {"index.py": entry})
    assert find_one(package, "start").severity == "fails"
    archive(
        tmp_path / "shop-layer.zip",
        {
            "python/goods.py": HEAVY_FUNCTION + "DEBUG = True\nINSTALLED_APPS = []\n",
            "python/goods-1.dist-info/METADATA": "Name: goods\nVersion: 1\n",
            "python/goods-1.dist-info/RECORD": "goods.py,,\n",
        },
    )
    (finding,) = examine(package, [event()])
    assert (finding.check, finding.where) == ("bytecode", ("goods.py", "index.py"))
    runtime = replace(AWS, python=THIS, unzipped_limit_bytes=4096)
    assert "the largest are goods " in find_one(package, "size", runtime=runtime).found


def test_package_that_would_land_elsewhere(tmp_path: Path) -> None:
    package = archive(tmp_path / "shop.zip", {"index.py": FUNCTION, "../goods.py": ""})
    with pytest.raises(PackageError, match="outside of its folder"):
        examine(package)
    assert not (tmp_path.parent / "goods.py").exists()


def test_magic_numbers_are_those_of_this_python() -> None:
    from slsadapt.deploy.doctor.bytecode import _MAGIC

    assert _MAGIC[THIS] == int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")


def test_bytecode_of_a_tree(folder: Path) -> None:
    write(folder, {"index.py": "import goods\n" + HEAVY_FUNCTION, "goods.py": "", "unused.py": ""})
    assert "of 2 modules that it imports 2 have" in find_one(folder, "bytecode").found
    for name, mode in (("index", "TIMESTAMP"), ("goods", "UNCHECKED_HASH")):
        py_compile.compile(
            str(folder / f"{name}.py"), invalidation_mode=py_compile.PycInvalidationMode[mode]
        )
    assert find_one(folder, "bytecode").found == (
        "of 2 modules that it imports 1 have no bytecode that survives an archive: "
        "1 have it tied to the file's date"
    )


# What the first request waits for


def test_import_within_a_request(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            def main_handler(event, context):
                if event["path"] == "/words":
                    import words
                {ANSWER}""",
            "words.py": "import time; time.sleep(0.02)",
        },
    )
    finding = find_one(folder, "imports", "/", "/words")
    assert finding.where == ("index.py:4",)
    assert finding.found == "words is imported while a request waits (1 modules)"
    assert finding.costs.startswith("the first request of GET /words in each instance takes ")
    assert "a function of their own" in finding.advice
    assert finding.cost_ms >= 20
    assert find(folder, "imports", "/") == []


def test_import_within_every_request(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            from importlib import import_module

            def main_handler(event, context):
                import_module("words")
                {ANSWER}""",
            "words.py": "import time; time.sleep(0.02)",
        },
    )
    finding = find_one(folder, "imports", "/", "/words")
    assert finding.where == ("index.py:5",)
    assert finding.costs.startswith("the first request in each instance takes ")
    assert finding.advice.startswith("import it in index.py")


def test_import_by_a_library(folder: Path) -> None:
    """A framework imports the application's routes, and modules of its own."""
    write(
        folder,
        {
            "index.py": f"""
            from framework import answer

            def main_handler(event, context):
                answer()
                {ANSWER}""",
            "routes.py": "import time; time.sleep(0.02)",
            "framework/__init__.py": """
            def answer():
                import routes
                import framework.templates""",
            "framework/templates.py": "import time; time.sleep(0.03)",
            "framework-1.0.dist-info/RECORD": "framework/__init__.py,,\nframework/templates.py,,\n",
            "framework-1.0.dist-info/METADATA": "Name: framework\nVersion: 1.0\n",
        },
    )
    library, routes = find(folder, "imports")
    assert (library.where, routes.where) == ((), ("routes.py",))
    assert library.found == (
        "libraries import framework.templates while a request waits (1 modules)"
    )


def test_work_that_is_done_once(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            import time
            words = []

            def main_handler(event, context):
                if event["path"] == "/words" and not words:
                    words.append(load())
                {ANSWER}
            def load():
                time.sleep(0.3)"""
        },
    )
    finding = find_one(folder, "first request", "/", "/words")
    assert finding.where == ("index.py:11",)
    assert finding.costs.startswith("the first request of GET /words in each instance takes ")
    assert find(folder, "first request", "/") == []


def test_every_event_meets_an_empty_temporary_folder(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": """
            import os, tempfile
            assert os.listdir(tempfile.gettempdir()) == []
            def main_handler(event, context):
                open(tempfile.gettempdir() + "/met", "w").close()
                return {"statusCode": 200}"""
        },
    )
    before = os.environ.get("TMPDIR")
    notes: list[str] = []
    assert examine(folder, [event(), event("/again")], note=notes.append) == []
    assert notes == []
    assert os.environ.get("TMPDIR") == before


def test_work_that_is_always_done_is_no_finding(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            import time
            def main_handler(event, context):
                time.sleep(0.3)
                {ANSWER}"""
        },
    )
    assert find(folder, "first request") == []


# Writing


WRITES = {
    "file": "open('orders.txt', 'w')",
    "file to append to": "open('orders.txt', 'a')",
    "os.open": "os.open('orders.txt', os.O_CREAT | os.O_WRONLY)",
    "pathlib": "Path('orders.txt').write_text('1')",
    "absolute path": "open('/var/log/orders.txt', 'w')",
    "folder": "os.mkdir('orders')",
    "renamed": "os.rename('goods.txt', 'orders.txt')",
    "moved here": "os.rename(tempfile.mkstemp()[1], 'orders.txt')",
    "removed": "os.remove('goods.txt')",
    "link": "os.symlink('goods.txt', 'orders.txt')",
    "new database": "sqlite3.connect('orders.db')",
}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_write_that_fails(folder: Path, statement: str) -> None:
    head = "import os, sqlite3, tempfile\nfrom pathlib import Path\n"
    entry = head + FUNCTION.replace("return", f"{statement}\n    return")
    write(folder, {"index.py": entry, "goods.txt": "1"})
    before = sorted(folder.iterdir())
    finding = find_one(folder, "writes")
    assert finding.severity == "fails"
    assert finding.where == ("index.py:4",)
    assert finding.found.endswith(" is written by GET /")
    assert finding.costs.endswith("the response is a 500")
    # It was refused here as well.
    assert sorted(folder.iterdir()) == before
    assert not Path("/var/log/orders.txt").exists()


def test_write_that_the_application_survives(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            def main_handler(event, context):
                try:
                    open("orders.txt", "w")
                except OSError:
                    pass
                {ANSWER}"""
        },
    )
    finding = find_one(folder, "writes")
    assert (finding.severity, finding.where) == ("risk", ("index.py:4",))
    assert finding.found == "orders.txt is written by GET /"


def test_write_at_the_start(folder: Path) -> None:
    write(folder, {"index.py": "import store\n" + FUNCTION, "store.py": "open('log.txt', 'w')\n"})
    finding = find_one(folder, "writes", "/", "/again")
    assert (finding.severity, finding.where) == ("fails", ("store.py:1",))
    assert "Read-only file system: 'log.txt'" in finding.found


def test_write_to_a_database_that_is_there(folder: Path) -> None:
    with sqlite3.connect(folder / "goods.db") as database:
        database.execute("CREATE TABLE goods (name)")
    database.close()
    write(
        folder,
        {
            "index.py": f"""
            import sqlite3
            def main_handler(event, context):
                database = sqlite3.connect("goods.db")
                if event["path"] == "/buy":
                    with database:
                        database.execute("INSERT INTO goods VALUES ('tea')")
                database.execute("SELECT * FROM goods").fetchall()
                {ANSWER}"""
        },
    )
    assert find(folder, "writes", "/") == []
    finding = find_one(folder, "writes", "/buy")
    assert (finding.where, finding.found) == (("index.py:4",), "goods.db is written by GET /buy")


def test_what_may_be_written(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            import os, sqlite3, tempfile
            def main_handler(event, context):
                with tempfile.TemporaryDirectory() as name:
                    with open(name + "/orders.txt", "w") as file:
                        file.write("1")
                    # Of the same name as one that may not be removed.
                    open(name + "/goods.txt", "w").close()
                    os.rename(name + "/orders.txt", name + "/done.txt")
                    sqlite3.connect(name + "/orders.db").close()
                open(os.devnull, "w").close()
                open("goods.txt").close()
                os.makedirs("goods", exist_ok=True)
                sqlite3.connect(":memory:").close()
                {ANSWER}""",
            "goods.txt": "1",
            "goods/tea.txt": "1",
        },
    )
    notes: list[str] = []
    assert [each.check for each in examine(folder, [event()], note=notes.append)] == []
    assert notes == []


# Threads


def test_thread_that_goes_on(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            import threading, time
            threading.Thread(target=time.sleep, args=[60], daemon=True).start()
            def main_handler(event, context):
                if event["path"] == "/mail":
                    threading.Timer(60, print).start()
                done = threading.Thread(target=print)
                done.start()
                done.join()
                {ANSWER}"""
        },
    )
    first, second = sorted(find(folder, "threads", "/", "/mail"), key=lambda each: each.where)
    assert (first.where, second.where) == (("index.py:3",), ("index.py:6",))
    assert first.found == "a thread that the start began runs beside the requests"
    assert second.found == "a thread is still running after GET /mail"
    assert {first.severity, second.severity} == {"risk"}


def test_threads_of_libraries_are_theirs(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            from concurrent.futures import ThreadPoolExecutor
            pool = ThreadPoolExecutor()
            def main_handler(event, context):
                pool.submit(print).result()
                {ANSWER}"""
        },
    )
    assert find(folder, "threads") == []


# The entry, and what does not start


@pytest.mark.parametrize(
    "text",
    [
        FUNCTION,
        "from shop import main_handler",
        "from shop import *",
        "from shop import handler as main_handler",
        "try:\n    main_handler = None\nfinally:\n    pass",
        "main_handler: object = None",
    ],
)
def test_entry(folder: Path, text: str) -> None:
    assert find(write(folder, {"index.py": text}), "entry") == []


def test_entry_without_handler(folder: Path) -> None:
    finding = find_one(write(folder, {"index.py": "app = None"}), "entry")
    assert (finding.severity, finding.where) == ("fails", ("index.py",))
    assert finding.found == "index.py defines no main_handler"


def test_folder_without_entry(folder: Path) -> None:
    notes: list[str] = []
    finding = find_one(write(folder, {"app.py": "app = None"}), "entry", note=notes.append)
    assert finding.found == "there is no index.py at the root"
    assert notes == ["it was not run, so its imports and writes are unknown"]


def test_package_of_the_folder_itself(tmp_path: Path) -> None:
    package = archive(tmp_path / "shop.zip", {"shop/index.py": FUNCTION})
    finding = find_one(package, "entry")
    assert finding.where == ("shop/index.py",)
    assert finding.advice == "put what the folder holds at the root of the archive."


def test_application_needs_no_entry(folder: Path) -> None:
    write(
        folder,
        {
            "shop.py": """
            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [open("goods.txt", "wb").name.encode()]"""
        },
    )
    target = Target("shop:app", folder, "shop", "app")
    assert find_one(target, "writes").where == ("shop.py:4",)
    assert find(target, "entry") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("app.run()", "app.py:3", id="Flask"),
        pytest.param("import uvicorn\nuvicorn.run(app)", "app.py:4", id="uvicorn"),
        pytest.param("if __name__ == '__main__':\n    app.run()", None, id="guarded"),
        pytest.param("job = object()\njob.run() if 0 else 0", None, id="another run"),
    ],
)
def test_server_that_the_import_starts(folder: Path, text: str, place: str | None) -> None:
    app = "from flask import Flask\napp = Flask(__name__)\n"
    write(
        folder,
        {
            "index.py": "import slsadapt, app\nmain_handler = slsadapt.wrap(app.app)\n",
            "app.py": app + text,
            # Nothing imports it.
            "run.py": app + "app.run(debug=True)",
        },
    )
    findings = find(folder, "server")
    assert [each.where for each in findings] == ([(place,)] if place else [])
    assert all(each.severity == "fails" for each in findings)


def test_module_that_is_not_in_the_package(tmp_path: Path) -> None:
    package = archive(tmp_path / "shop.zip", {"index.py": "import flask\n" + FUNCTION})
    finding = find_one(package, "start", "/", "/again")
    assert (finding.severity, finding.where) == ("fails", ("index.py:1",))
    assert "No module named 'flask'" in finding.found
    assert "layer" in finding.costs


def test_what_runtimes_provide_may_be_missing_here(tmp_path: Path) -> None:
    package = archive(tmp_path / "shop.zip", {"index.py": "import botocore\n" + FUNCTION})
    assert find_one(package, "start").severity == "risk"


def test_start_that_fails_here(folder: Path) -> None:
    write(folder, {"index.py": "import os\nos.environ['NO_SUCH_TABLE']\n" + FUNCTION})
    finding = find_one(folder, "start", "/", "/again")
    assert (finding.severity, finding.where) == ("risk", ("index.py:2",))
    assert finding.found == "it does not start here: KeyError: 'NO_SUCH_TABLE'"


def test_request_that_hangs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observer = tmp_path / "watching.py"
    text = running._OBSERVER.read_text(encoding="utf-8")
    observer.write_text(text.replace("LIMIT_S = 30", "LIMIT_S = 1"), encoding="utf-8")
    monkeypatch.setattr(running, "_OBSERVER", observer)
    write(
        folder,
        {
            "index.py": f"""
            import time
            def main_handler(event, context):
                time.sleep(60)
                {ANSWER}"""
        },
    )
    finding = find_one(folder, "hangs", "/report")
    assert (finding.severity, finding.where) == ("risk", ("index.py:4",))
    assert finding.found == "GET /report is not answered within 1 s"


# The application's own code


FLASK = "from flask import Flask\napp = Flask(__name__{})\n"
STATIC: dict[str, tuple[dict[str, str], tuple[str, ...], int]] = {
    "Flask's folder": (
        {"app.py": FLASK.format(""), "static/a.css": "12345"},
        ("app.py:2",),
        5,
    ),
    "Flask's folder of another name": (
        {"app.py": FLASK.format(", static_folder='assets'"), "assets/a.css": "123"},
        ("app.py:2",),
        3,
    ),
    "Flask with nothing to serve": ({"app.py": FLASK.format("")}, (), 0),
    "Flask that serves nothing": (
        {"app.py": FLASK.format(", static_folder=None"), "static/a.css": "123"},
        (),
        0,
    ),
    "send_from_directory": (
        {"app.py": "import flask\ndef get(name):\n    flask.send_from_directory('a', name)\n"},
        ("app.py:3",),
        0,
    ),
    "Starlette": (
        {
            "app.py": "from starlette.staticfiles import StaticFiles as Files\n"
            "app = Files(directory='public')\n",
            "public/a.css": "1234",
        },
        ("app.py:2",),
        4,
    ),
    "WhiteNoise": (
        {"settings.py": "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n"},
        ("settings.py:1",),
        0,
    ),
    "Django": (
        {
            "urls.py": "from django.contrib.staticfiles.views import serve\nurls = [serve]\n",
            "shop/static/a.css": "12",
        },
        ("urls.py:2",),
        2,
    ),
    "function of the same name": ({"urls.py": "from shop import serve\nurls = [serve]\n"}, (), 0),
}


@pytest.mark.parametrize(("files", "where", "size_bytes"), STATIC.values(), ids=STATIC)
def test_static_files(
    folder: Path, files: dict[str, str], where: tuple[str, ...], size_bytes: int
) -> None:
    findings = find(write(folder, files), "static")
    assert [(each.where, each.cost_bytes) for each in findings] == (
        [(where, size_bytes)] if where else []
    )
    assert all(each.severity == "costly" for each in findings)


def test_static_file_that_no_response_carries(folder: Path) -> None:
    write(folder, {"app.py": FLASK.format(""), "static/film.mp4": ""})
    os.truncate(folder / "static" / "film.mp4", 5 * 1024 * 1024)
    finding = find_one(folder, "static", runtime=AWS)
    assert finding.severity == "fails"
    assert "film.mp4 with 5.0 MiB cannot be answered; at most 4.5 MiB (AWS)" in finding.costs
    assert find_one(folder, "static", runtime=RUNTIMES["fc-py3.12"]).severity == "costly"


UPLOADS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Flask": ("from flask import request\nfile = request.files['a']\n", ("app.py:2",)),
    "Flask's module": ("import flask as f\nfile = f.request.files\n", ("app.py:2",)),
    "Django": ("def view(request):\n    return request.FILES\n", ("app.py:2",)),
    "Django's class": ("class A:\n    def get(self): self.request.FILES\n", ("app.py:2",)),
    "Django's model": ("from django.db import models\na = models.FileField()\n", ("app.py:2",)),
    "FastAPI": ("from fastapi import UploadFile\ndef a(file: UploadFile): 0\n", ("app.py:2",)),
    "files of something else": ("def a(request):\n    return request.files\n", ()),
}


@pytest.mark.parametrize(("text", "where"), UPLOADS.values(), ids=UPLOADS)
def test_uploads(folder: Path, text: str, where: tuple[str, ...]) -> None:
    findings = find(write(folder, {"app.py": text}), "uploads", runtime=AWS)
    assert [each.where for each in findings] == ([where] if where else [])
    assert all("4.5 MiB (AWS) per request" in each.costs for each in findings)
    assert all("S3" in each.advice for each in findings)


def test_code_of_dependencies_is_theirs(folder: Path) -> None:
    text = (
        "from flask import request\nfile = request.files['a']\nDEBUG = True\nINSTALLED_APPS = []\n"
    )
    write(folder, {"index.py": FUNCTION, "lib.py": text, "lib/a.py": text, "lib2/a.py": text})
    assert len(find_one(folder, "uploads").where) == 3
    record = 'lib.py,,\nlib/a.py,,\n"lib2/a.py",,\n'
    write(folder, {"lib-1.dist-info/RECORD": record, "lib-1.dist-info/METADATA": "Name: lib\n"})
    assert find(folder, "uploads") == find(folder, "debug") == []


DEBUG: dict[str, tuple[str, tuple[str, ...]]] = {
    "Django": ("DEBUG = True\nINSTALLED_APPS = []\n", ("app.py:1",)),
    "Django by environment": ("import os\nDEBUG = 'A' in os.environ\nINSTALLED_APPS = []\n", ()),
    "name of something else": ("DEBUG = True\n", ()),
    "Flask": ("app = 1\napp.debug = True\n", ("app.py:2",)),
    "Flask's config": ("app.config['DEBUG'] = True\n", ("app.py:1",)),
    "FastAPI": ("from fastapi import FastAPI\napp = FastAPI(debug=True)\n", ("app.py:2",)),
    "FastAPI without": ("from fastapi import FastAPI\napp = FastAPI(debug=False)\n", ()),
}


@pytest.mark.parametrize(("text", "where"), DEBUG.values(), ids=DEBUG)
def test_debug(folder: Path, text: str, where: tuple[str, ...]) -> None:
    findings = find(write(folder, {"app.py": text}), "debug")
    assert [each.where for each in findings] == ([where] if where else [])


# What is shipped


def elf(machine: int) -> bytes:
    """Write the head of a 64-bit ELF file for a processor: 62 is x86_64, 183 aarch64."""
    # Source: https://man7.org/linux/man-pages/man5/elf.5.html
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)


X86, ARM, MAC = elf(62), elf(183), b"\xcf\xfa\xed\xfe" + bytes(28)
BINARIES: dict[str, tuple[dict[str, bytes], str]] = {
    "fitting": ({"a.cpython-313-x86_64-linux-gnu.so": X86}, ""),
    "stable interface": ({"a.abi3.so": X86}, ""),
    "library": ({"libs/liba.so.1": X86}, ""),
    "no program": ({"libs/a.so": b"/* a linker script */"}, ""),
    "another Python": (
        {"a.cpython-311-x86_64-linux-gnu.so": X86},
        "a.cpython-311-x86_64-linux-gnu.so is for cpython-311-x86_64-linux-gnu",
    ),
    "another Python beside a fitting one": (
        {"a.cpython-311-x86_64-linux-gnu.so": X86, "a.cpython-313-x86_64-linux-gnu.so": X86},
        "",
    ),
    "another processor": (
        {"a/b.abi3.so": ARM, "a/c.abi3.so": ARM},
        "b.abi3.so and c.abi3.so are for aarch64",
    ),
    "helper for each processor": ({"a/x86.so": X86, "a/arm.so": ARM}, ""),
    "macOS": ({"a.cpython-313-darwin.so": MAC}, "a.cpython-313-darwin.so is for macOS"),
    "Windows": ({"a.cp313-win_amd64.pyd": b"MZ"}, "a.cp313-win_amd64.pyd is for Windows"),
    "Windows beside Linux": ({"a.cp313-win_amd64.pyd": b"MZ", "a.abi3.so": X86}, ""),
}


@pytest.mark.parametrize(("files", "found"), BINARIES.values(), ids=BINARIES)
def test_binaries(folder: Path, files: dict[str, bytes], found: str) -> None:
    for name, octets in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)
    findings = find(folder, "binaries", runtime=AWS)
    assert [each.found for each in findings] == ([found] if found else [])
    assert all(each.severity == "fails" for each in findings)


def test_binaries_for_no_cloud_at_all(folder: Path) -> None:
    for name, octets in {"a.so": MAC, "b.pyd": b"MZ", "c.so": X86, "d.so": ARM}.items():
        (folder / name).write_bytes(octets)
    assert {each.where for each in find(folder, "binaries")} == {("a.so",), ("b.pyd",)}


KEY = "-----BEGIN {}KEY-----\n"
SECRETS: dict[str, tuple[str, str, str]] = {
    "environment": (".env", "TOKEN=1", "a file of environment variables is shipped"),
    "environment of a stage": (
        "conf/.env.live",
        "A=1",
        "a file of environment variables is shipped",
    ),
    "example of an environment": (".env.example", "TOKEN=", ""),
    "private key": ("a.pem", KEY.format("RSA PRIVATE "), "a private key is shipped"),
    "key in JSON": ("a.json", f'{{"key": "{KEY.format("PRIVATE ")}"}}', "a private key is shipped"),
    "public key": ("a.pem", KEY.format("PUBLIC "), ""),
    "credentials": (".aws/credentials", "[default]", "a file of passwords or tokens is shipped"),
}


@pytest.mark.parametrize(("name", "text", "found"), SECRETS.values(), ids=SECRETS)
def test_secrets_in_a_package(tmp_path: Path, name: str, text: str, found: str) -> None:
    package = archive(tmp_path / "shop.zip", {"index.py": FUNCTION, name: text})
    findings = find(package, "secrets")
    assert [(each.where, each.found) for each in findings] == ([((name,), found)] if found else [])
    assert not any("TOKEN" in str(each) for each in findings)


def test_secrets_that_stay_here(folder: Path) -> None:
    write(folder, {"index.py": FUNCTION, ".env": "TOKEN=1", "a.pem": KEY.format("PRIVATE ")})
    assert find_one(folder, "secrets").where == ("a.pem",)
    write(folder, {".slsignore": "*.pem\n"})
    assert find(folder, "secrets") == []


def test_baggage(tmp_path: Path) -> None:
    files: Files = {
        "index.py": FUNCTION,
        ".git/HEAD": "1234",
        "env/pyvenv.cfg": "12",
        "env/node_modules/a.js": "1",
        "web/node_modules/b/node_modules/c.js": "1",
    }
    finding = find_one(archive(tmp_path / "shop.zip", files), "baggage")
    assert set(finding.where) == {".git", "env", "web/node_modules"}
    assert finding.cost_bytes == 8


def test_size_of_a_package(tmp_path: Path) -> None:
    files: Files = {"index.py": FUNCTION, "a/data.bin": bytes(5000), "b.bin": bytes(100)}
    package = archive(tmp_path / "shop.zip", files)
    runtime = replace(AWS, unzipped_limit_bytes=4096)
    finding = find_one(package, "size", runtime=runtime)
    assert finding.severity == "fails"
    assert "the largest are application 5.1 KiB" in finding.found
    assert "aws takes 4.0 KiB" in finding.costs
    assert find_one(package, "size", runtime=replace(AWS, zip_limit_bytes=99)).severity == "fails"
    direct = find_one(package, "size", runtime=replace(AWS, direct_limit_bytes=99))
    assert (direct.severity, direct.costs) == (
        "costly",
        "no request carries more than 99 bytes, so consoles refuse it",
    )
    assert find(package, "size", runtime=AWS) == find(package, "size") == []


def test_size_of_what_a_folder_requires(folder: Path) -> None:
    write(folder, {"index.py": FUNCTION, "requirements.txt": "flask\n"})
    runtime = replace(AWS, unzipped_limit_bytes=1024 * 1024)
    finding = find_one(folder, "size", runtime=runtime)
    # Werkzeug comes with Flask, and is larger.
    assert "the largest are werkzeug " in finding.found


REQUIREMENTS: dict[str, tuple[str, list[str]]] = {
    "missing": ("flask\n", ["pytest"]),
    "named": ("flask\npytest>=8 ; python_version > '3'\n", []),
    "named for another platform": ("flask\npytest; sys_platform == 'win32'\n", ["pytest"]),
    "brought along": ("flask\npytest-cov\n", []),
    "in another file": ("flask\n-r more.txt\n", []),
    "unknown": ("flask\n-e ../lib\n", []),
    "with hashes": ("flask \\\n    --hash=sha256:00\npytest --hash=sha256:00\n", []),
}


@pytest.mark.parametrize(("text", "missing"), REQUIREMENTS.values(), ids=REQUIREMENTS)
def test_requirements(folder: Path, text: str, missing: list[str]) -> None:
    write(
        folder,
        {
            "index.py": """
            import os, goods, werkzeug
            from pytest import approx
            try:
                import hypothesis
            except ImportError:
                pass
            {FUNCTION.replace(chr(10), chr(10) + " " * 12)}""",
            "goods.py": "def buy():\n    import hypothesis\n",
            "requirements.txt": text,
            "more.txt": "pytest\n",
        },
    )
    findings = find(folder, "requirements")
    assert [each.where for each in findings] == [("index.py:3",) for _ in missing]
    assert [each.found.partition(" ")[0] for each in findings] == missing


def test_requirement_that_is_not_installed_here(folder: Path) -> None:
    """What it brings along may be what is imported."""
    write(folder, {"index.py": "import pytest\n", "requirements.txt": "No_Such-Thing\n"})
    notes: list[str] = []
    assert find(folder, "requirements", note=notes.append) == []
    assert notes[0] == "no-such-thing of requirements.txt: not installed here"


def test_requirements_of_a_project(folder: Path) -> None:
    table = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["flask"]\n'
    write(folder, {"index.py": "import pytest\n", "pyproject.toml": table})
    assert "pyproject.toml neither requires it" in find_one(folder, "requirements").found
    write(folder, {"pyproject.toml": table.replace('["flask"]', '["pytest"]')})
    assert find(folder, "requirements") == []


# The whole


def test_findings_are_ordered_by_what_they_cost(folder: Path) -> None:
    write(
        folder,
        {
            "index.py": f"""
            from flask import request
            def main_handler(event, context):
                import words
                request.files and open("a", "w")
                {ANSWER}""",
            "words.py": EFFORT + "import time; time.sleep(0.4)",
            "key.pem": KEY.format("PRIVATE "),
            ".slsignore": "!.env",
        },
    )
    checks = [each.check for each in examine(folder, [event()])]
    assert checks[0] == "secrets"
    assert checks[-1] == "uploads"
    assert set(checks[1:-1]) >= {"imports", "bytecode"}


def test_events_of_a_folder(folder: Path) -> None:
    write(
        folder,
        {
            "events/a.json": json.dumps(event("/a")),
            "events/b.json": json.dumps({"source": "a test", "event": event("/b")}),
            "events/c.json": "no JSON",
            "events/d.json": "[]",
            "events/e.txt": "{}",
        },
    )
    first, *rest = find_events(folder)
    assert first["rawPath"] == "/"
    assert rest == [event("/a"), event("/b")]


def test_progress_and_notes(folder: Path) -> None:
    write(folder, {"index.py": "def main_handler(event, context):\n    raise ValueError\n"})
    told: list[tuple[int, int | None, str]] = []
    notes: list[str] = []
    examine(
        folder,
        [event("/a"), event("/城")],
        tell=lambda done, total, what: told.append((done, total, what)),
        note=notes.append,
    )
    assert (1, 2, "answering GET /城") in told
    assert notes == ["GET /a was answered with 500", "GET /城 was answered with 500"]


def test_neither_folder_nor_package(tmp_path: Path) -> None:
    (tmp_path / "shop.zip").write_text("no zip")
    with pytest.raises(PackageError, match="must be a folder or a package"):
        examine(tmp_path / "shop.zip")
    with pytest.raises(PackageError, match="is neither"):
        examine(tmp_path / "nothing.zip")


def line(name: str, text: str) -> str:
    """Find the place of a line of the sample, ``"app.py:12"``."""
    lines = (FLASK_APP / name).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, each in enumerate(lines, 1) if each.strip().startswith(text)]
    return f"{name}:{number}"


def test_flask_sample() -> None:
    names = ("hello", "segment", "mail", "upload")
    files = [FLASK_APP / "events" / f"{name}.json" for name in names]
    events = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    findings = examine(FLASK_APP, [each.get("event", each) for each in events])
    places = {(each.check, *each.where[:1]): each for each in findings}
    jieba = places.pop(("imports", line("app.py", "import jieba")))
    assert jieba.found.startswith("jieba is imported while a request waits")
    assert jieba.costs.startswith("the first request of GET /segment ")
    once = places.pop(("first request", line("app.py", "words: list[str] = ")))
    assert "most of it is spent in jieba" in once.found
    celery = places.pop(("imports", line("app.py", "from tasks import")))
    assert celery.costs.startswith("the first request of POST /mail ")
    assert places.pop(("uploads", line("app.py", "file = request.files"))).severity == "costly"
    assert places.pop(("bytecode",)).cost_ms > 0
    # On a busy machine more may seem to take its time when it is done first.
    assert {check for check, *_ in places} <= {"first request", "imports"}
