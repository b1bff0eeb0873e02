"""Imports: what the interpreter tells of them, who is to blame, and what nothing ran of."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from slsadapt.bench.blame import (
    Change,
    Line,
    diff,
    direct,
    first_level,
    idle,
    in_events,
    phases,
    unused,
)
from slsadapt.bench.imports import Loaded, measure_imports, read_importtime
from slsadapt.bench.target import Target
from slsadapt.cli.bench_imports import print_diff, print_imports
from slsadapt.errors import BenchError

if TYPE_CHECKING:
    from slsadapt.bench.report import Imported, Imports

SAMPLES = Path(__file__).parents[2] / "samples"

# The application, and what is installed beside it; sleeps are long enough to tell apart.
SHOP = {
    "index.py": """
        import importlib
        import threading

        import heavy
        import light
        import constants
        import tools
        plugin = importlib.import_module("plugin")
        nested = importlib.import_module(".nested", "plugin")

        try:
            importlib.import_module("nowhere")
        except ModuleNotFoundError as error:
            assert error.name == "nowhere"

        def main_handler(event, context):
            print("import time: what I say", end="")
            import light
            light.answer()
            thread = threading.Thread(target=plugin.work)
            thread.start()
            thread.join()
            if event == "late":
                import late
                return late.answer()
            if event == "raise":
                raise LookupError("no such order")
            return {}
    """,
    "tools.py": "def never(): pass",
}
INSTALLED = {
    "heavy/__init__.py": """
        import time
        import heavy.part, shared, only_heavy
        time.sleep(0.2)
        def never(): pass
    """,
    "heavy/part.py": "class Part:\n    def never(self): pass",
    "only_heavy.py": "import time; time.sleep(0.1)\ndef never(): pass",
    "shared.py": "def never(): pass",
    "light.py": """
        import shared
        import decorating
        @decorating.decorate
        def answer(): return 1
    """,
    "decorating.py": "def decorate(function): return function",
    "constants.py": "class Constants:\n    LARGE = 1\nNAMES = [name for name in 'ab']",
    # Python 3.10 has trouble with such classes where profilers are at work.
    "odd_class.py": """
        class Odd:
            __class__ = property(lambda self: int)
            def __init__(self): super().__init__()
        assert isinstance(Odd(), int)
    """,
    "plugin/__init__.py": "import odd_class, light\ndef work(): pass",
    "plugin/nested.py": "def never(): pass",
    "late.py": """
        import late_part
        late_part.prepare()
        def answer(): return {"late": True}
    """,
    "late_part.py": "def prepare(): pass\nprepare()",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("shop")
    for where, files in (("app", SHOP), ("site", INSTALLED)):
        for name, source in files.items():
            file = folder / where / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(source).strip() + "\n")
    path = (str(folder / "site"),)
    return Target("shop", folder / "app", "index", "main_handler", path)


def measure(target: Target, *events: Any) -> Imports:
    return measure_imports(target, list(events), runs=1, tell=lambda done, total: None)


@pytest.fixture(scope="module")
def measured(shop: Target) -> Imports:
    return measure(shop, "early", "late")


@pytest.fixture(scope="module")
def flask_sample() -> Imports:
    return measure_sample("flask_app", "hello", "segment")


def measure_sample(name: str, *events: str) -> Imports:
    folder = SAMPLES / name
    contents = [json.loads((folder / "events" / f"{event}.json").read_text()) for event in events]
    return measure(Target(name, folder, "index", "main_handler"), *contents)


def named(imports: Imports, name: str) -> Imported:
    [module] = [module for module in imports["modules"] if module["name"] == name]
    return module


def parent_name(imports: Imports, name: str) -> str:
    number = named(imports, name)["parent"]
    return imports["modules"][number]["name"] if number >= 0 else ""


def shape(roots: list[Loaded]) -> list[Any]:
    return [
        (root.name, root.phase, root.self_us, shape(root.children))
        if root.children
        else (root.name, root.phase, root.self_us)
        for root in roots
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            """
            import time: self [us] | cumulative | imported package
            import time:       193 |        193 |   _io
            import time:        42 |        235 | site

            slsadapt-bench: adapter

            slsadapt-bench: application
            import time:       451 |        451 |     re._constants
            import time:       885 |       1336 |   re._parser
            import time:        30 |         30 |   copyreg
            import time:       840 |       2206 | re
            import time:         7 |          7 | time

            slsadapt-bench: event 0
            import time:        10 |         10 | late

            slsadapt-bench: done
            import time:       999 |        999 | traceback
            """,
            [
                (
                    "re",
                    "application",
                    840,
                    [
                        ("re._parser", "application", 885, [("re._constants", "application", 451)]),
                        ("copyreg", "application", 30),
                    ],
                ),
                ("time", "application", 7),
                ("late", "event 0", 10),
            ],
            id="phases and depths, without the interpreter's own",
        ),
        pytest.param(
            """
            slsadapt-bench: application
            import time: is money
            loading...import time:       100 |        100 |   inner
            slsadapt-bench: adapters are nice
            import time:       200 |        300 | outer
            halfslsadapt-bench: event 12
            import time:         1 |          1 | late
            """,
            [
                ("outer", "application", 200, [("inner", "application", 100)]),
                ("late", "event 12", 1),
            ],
            id="what the application writes in between",
        ),
        pytest.param(
            """
            slsadapt-bench: event 0
            import time:       100 |        100 |     deep
            slsadapt-bench: event 1
            import time:       -20 |        300 |   of another thread
            import time:         5 |          5 |     deeper
            """,
            [
                ("deep", "event 0", 100),
                ("of another thread", "event 1", 0),
                ("deeper", "event 1", 5),
            ],
            id="parents that never come",
        ),
        pytest.param("", [], id="nothing"),
    ],
)
def test_importtime_is_read(text: str, expected: list[Any]) -> None:
    assert shape(read_importtime(dedent(text))) == expected


def test_this_interpreters_importtime_is_read() -> None:
    program = r"import os; os.write(2, b'\nslsadapt-bench: application\n'); import xml.dom.minidom"
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", program]
    roots = read_importtime(subprocess.run(command, stderr=subprocess.PIPE, text=True).stderr)
    assert [root.name for root in roots] == ["xml.dom.minidom"]
    assert "xml.dom" in [child.name for child in roots[0].children]
    assert roots[0].cumulative_us > roots[0].self_us > 0


def test_tree_holds_imports_by_statement_and_by_name(measured: Imports) -> None:
    assert parent_name(measured, "index") == ""
    assert parent_name(measured, "heavy") == "index"
    assert parent_name(measured, "heavy.part") == "heavy"
    assert parent_name(measured, "plugin") == "index"
    assert parent_name(measured, "plugin.nested") == "index"
    # It was looked for, and that took time.
    assert parent_name(measured, "nowhere") == "index"
    assert "json" not in [module["name"] for module in measured["modules"]]


def test_phases_are_told_apart(measured: Imports) -> None:
    assert named(measured, "heavy")["phase"] == "application"
    late = [module["name"] for module in measured["modules"] if module["phase"] == "event 1"]
    assert late == ["late", "late_part"]
    assert phases(measured)["event 1"] == (
        2,
        named(measured, "late")["self_us"] + named(measured, "late_part")["self_us"],
    )
    assert "event 0" not in phases(measured)


def test_times_add_up_and_follow_each_other(measured: Imports) -> None:
    modules = measured["modules"]
    heavy = named(measured, "heavy")
    assert heavy["self_us"] >= 200_000
    assert named(measured, "only_heavy")["self_us"] >= 100_000
    assert heavy["cumulative_us"] >= heavy["self_us"] + 100_000
    for number, module in enumerate(modules):
        children = [child for child in modules if child["parent"] == number]
        below = sum(child["cumulative_us"] for child in children)
        assert module["cumulative_us"] == module["self_us"] + below
        for child in children:
            assert module["began_us"] <= child["began_us"]
            assert (
                child["began_us"] + child["cumulative_us"]
                <= module["began_us"] + module["cumulative_us"]
            )
    began = [module["began_us"] for module in modules]
    assert began == sorted(began)


@pytest.mark.parametrize(
    ("name", "used", "called"),
    [
        pytest.param("light", True, False, id="ran in each event"),
        pytest.param("plugin", True, False, id="ran in another thread"),
        pytest.param("late", True, False, id="imported and ran in an event"),
        pytest.param("heavy", False, False, id="never ran"),
        pytest.param("heavy.part", False, False, id="only its class was made"),
        pytest.param("decorating", False, True, id="called while importing"),
        pytest.param("late_part", False, True, id="called while importing in an event"),
        pytest.param("constants", None, False, id="holds no function"),
        pytest.param("nowhere", None, False, id="is not there"),
    ],
)
def test_modules_are_used_if_functions_run_in_events(
    measured: Imports, name: str, used: bool | None, called: bool
) -> None:
    module = named(measured, name)
    assert module["used"] is used
    assert module["called"] is called


@pytest.mark.parametrize(
    ("name", "importers"),
    [
        pytest.param("heavy", ["index:4"], id="statement"),
        pytest.param("shared", ["heavy:2", "light:1"], id="two, the first one waited"),
        pytest.param("light", ["index:5", "plugin:1"], id="again by the first"),
        pytest.param("plugin", ["index:8"], id="by name"),
        pytest.param("plugin.nested", ["index:9"], id="by relative name"),
        pytest.param("late", ["index:24"], id="in a function"),
    ],
)
def test_importers_are_named_with_lines(measured: Imports, name: str, importers: list[str]) -> None:
    assert named(measured, name)["importers"] == importers


def test_own_modules_stand_in_the_targets_folder(measured: Imports) -> None:
    own = {module["name"] for module in measured["modules"] if module["own"]}
    assert own == {"index", "tools"}


def test_installed_packages_in_the_same_folder_are_not_own(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("import lib\ndef handler(event, context): return {}\n")
    (tmp_path / "lib.py").touch()
    metadata = tmp_path / "lib-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lib\nVersion: 1.0\n")
    (metadata / "RECORD").write_text("lib.py,,\n")
    imports = measure(Target("app", tmp_path, "index", "handler", ()), {})
    assert named(imports, "index")["own"] is True
    assert named(imports, "lib")["own"] is False


def test_lines_that_waited_are_named(measured: Imports) -> None:
    took_us = named(measured, "heavy")["cumulative_us"]
    assert Line("index:4", ("heavy",), "application", took_us, own=True) in direct(measured)
    places = [line.place for line in direct(measured)]
    # Line 7 imports what is the application's own.
    assert "index:7" not in places
    assert "heavy:2" not in places
    [late] = in_events(measured)
    took_us = named(measured, "late")["cumulative_us"]
    assert late == Line("index:24", ("late",), "event 1", took_us, own=True)


def test_unused_packages_are_told_with_all_that_falls_away(measured: Imports) -> None:
    [entry] = [entry for entry in unused(measured) if entry.name == "heavy"]
    assert entry.brings == ("only_heavy",)
    assert entry.modules == 3
    # What light imports as well would stay.
    assert entry.saved_us == sum(
        named(measured, name)["self_us"] for name in ("heavy", "heavy.part", "only_heavy")
    )
    assert entry.importers == ("index:4",)
    assert entry.own
    assert not entry.called
    names = [entry.name for entry in unused(measured)]
    assert "only_heavy" not in names
    assert "plugin.nested" in names
    assert "tools" in names
    assert not {"index", "light", "plugin", "constants", "nowhere"} & set(names)


@pytest.mark.parametrize(
    ("event", "match"),
    [
        pytest.param(
            "raise", "shop raised in event 0(.|\n)*LookupError: no such order", id="raised"
        ),
        pytest.param({"version": "2.0"}, None, id="odd, but answered"),
    ],
)
def test_events_must_be_answered(shop: Target, event: Any, match: str | None) -> None:
    if match is None:
        assert measure(shop, event)["modules"]
        return
    with pytest.raises(BenchError, match=match):
        measure(shop, event)


def test_events_that_all_end_in_errors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def handler(e, c): return {'statusCode': 503}\n")
    event = json.loads((SAMPLES / "flask_app" / "events" / "hello.json").read_text())
    with pytest.raises(BenchError, match="app must answer one event at least.* 503, 503"):
        measure(Target("app", tmp_path, "index", "handler", ()), event, event)


def test_flask_sample_imports_jieba_in_an_event(flask_sample: Imports) -> None:
    jieba = named(flask_sample, "jieba")
    assert (jieba["phase"], jieba["parent"], jieba["used"]) == ("event 1", -1, True)
    [line] = [line for line in in_events(flask_sample) if line.own]
    assert line.names == ("jieba",)
    source = (SAMPLES / "flask_app" / "app.py").read_text().splitlines()
    module, _, number = line.place.partition(":")
    assert module == "app"
    assert source[int(number) - 1].strip().startswith("import jieba")
    assert {"app", "picture"} <= {blame.package for blame in first_level(flask_sample) if blame.own}
    # Flask brings its command line along, which no function needs.
    assert "click" in idle(flask_sample)
    assert not {"flask", "jieba", "werkzeug"} & set(idle(flask_sample))


def test_django_sample_shows_what_settings_name() -> None:
    imports = measure_sample("django_app", "home")
    for name in ("guestbook.settings", "entries.models", "django.contrib.admin.apps"):
        assert named(imports, name)["phase"] == "application"
        assert named(imports, name)["importers"]
    assert named(imports, "entries.views")["used"] is True
    assert "sqlparse" in [entry.name for entry in unused(imports)]


def written(*modules: tuple[str, str, int, bool | None, list[str]]) -> Imports:
    """Write imports by hand: name, parent, µs, used, importers."""
    numbers = {name: number for number, (name, *_) in enumerate(modules)}
    traced: list[Imported] = [
        {
            "name": name,
            "parent": numbers.get(parent, -1),
            "phase": "application",
            "began_us": 0,
            "self_us": self_us,
            "cumulative_us": self_us,
            "package": name.partition(".")[0],
            "used": used,
            "importers": importers,
            "own": name == "app",
            "called": False,
        }
        for name, parent, self_us, used, importers in modules
    ]
    return cast("Imports", {"modules": traced})


def test_unused_parts_are_the_largest_without_use() -> None:
    imports = written(
        ("app", "", 10, True, ["__main__:1"]),
        ("lib", "app", 10, True, ["app:1"]),
        ("lib.a", "lib", 300, False, ["lib:1"]),
        ("lib.a.one", "lib.a", 200, False, ["lib.a:1"]),
        ("lib.b", "lib", 400, False, ["lib:2"]),
        ("lib.b.used", "lib.b", 50, True, ["lib.b:1"]),
        ("lib.b.idle", "lib.b", 60, False, ["lib.b:2", "app:9"]),
        ("ext", "lib.a.one", 70, None, ["lib.a.one:1"]),
    )
    found = [(entry.name, entry.saved_us, entry.brings) for entry in unused(imports)]
    assert found == [("lib.a", 570, ("ext",)), ("lib.b.idle", 60, ())]
    assert unused(imports)[1].importers == ("app:9", "lib.b:2")


def test_savings_can_be_added() -> None:
    imports = written(
        ("app", "", 10, True, ["__main__:1"]),
        ("big", "app", 100, False, ["app:1"]),
        ("mid", "big", 80, False, ["big:1"]),
        ("small", "mid", 20, False, ["mid:1"]),
        # In a circle, but nobody else asks for either.
        ("left", "app", 5, False, ["app:2", "right:1"]),
        ("right", "left", 6, False, ["left:1"]),
    )
    found = [(entry.name, entry.saved_us, entry.brings) for entry in unused(imports)]
    assert found == [("big", 200, ("mid", "small")), ("left", 11, ("right",))]


def test_application_itself_is_not_told_unused() -> None:
    imports = written(
        ("app", "", 10, False, ["__main__:1"]),
        ("lib", "app", 10, True, ["app:1"]),
        ("own_thread", "", 30, False, []),
    )
    assert idle(imports) == ["app", "own_thread"]
    assert unused(imports) == []


def test_lines_stand_with_all_they_waited_for() -> None:
    imports = written(
        ("app", "", 10, True, ["__main__:1"]),
        ("quick", "app", 20, True, ["app:1"]),
        ("slow", "app", 70, True, ["app:2", "quick:1"]),
        ("slow.part", "app", 30, True, ["app:2"]),
        # It was there already when the application asked.
        ("ext", "quick", 500, True, ["quick:1", "app:3"]),
    )
    assert direct(imports) == [
        Line("app:2", ("slow", "slow.part"), "application", 100, own=True),
        Line("app:1", ("quick",), "application", 20, own=True),
    ]


def test_packages_are_blamed_by_their_own_time() -> None:
    imports = written(
        ("app", "", 10, True, []),
        ("lib", "app", 20, None, []),
        ("lib.a", "lib", 70, True, []),
        ("lib.b", "lib", 5, False, []),
        ("ext", "lib.b", 60, None, []),
    )
    found = [
        (b.package, b.self_us, b.modules, b.runnable, b.ran, b.own) for b in first_level(imports)
    ]
    assert found == [
        ("lib", 95, 3, 2, 1, False),
        ("ext", 60, 1, 0, 0, False),
        ("app", 10, 1, 1, 1, True),
    ]


def test_diff_tells_packages_by_effect() -> None:
    base = written(
        ("app", "", 1000, True, []),
        ("gone", "app", 9000, True, []),
        ("lib", "app", 3000, True, []),
        ("lib.a", "lib", 2000, True, []),
    )
    new = written(
        ("app", "", 1000, True, []),
        ("lib", "app", 4500, True, []),
        ("lib.b", "lib", 2500, True, []),
        ("fresh", "app", 700, True, []),
    )
    assert diff(base, new) == [
        Change("gone", 9000, None, (), ("gone",)),
        Change("lib", 5000, 7000, ("lib.b",), ("lib.a",)),
        Change("fresh", None, 700, ("fresh",), ()),
        Change("app", 1000, 1000, (), ()),
    ]
    assert [change.effect_us for change in diff(base, new)] == [-9000, 2000, 700, 0]


def printed(width: int, encoding: str = "utf-8") -> tuple[Console, io.BytesIO]:
    octets = io.BytesIO()
    file = io.TextIOWrapper(octets, encoding, errors="backslashreplace", write_through=True)
    return Console(file=file, width=width, highlight=False, soft_wrap=True), octets


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_is_printed_fits_the_terminal(flask_sample: Imports, width: int) -> None:
    console, octets = printed(width)
    print_imports(console, flask_sample, ["GET /hello/世界", "GET /segment [bold]"])
    text = octets.getvalue().decode()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "event 1: GET /seg" in text
    assert "[bold]" in text or width < 80
    assert "└ jieba" in text
    assert "jieba is imported in the application's own code, at app:" in " ".join(text.split())
    assert "click*" in text


def test_print_is_ascii_where_the_terminal_is(measured: Imports) -> None:
    console, octets = printed(120, "ascii")
    print_imports(console, measured)
    text = octets.getvalue().decode("ascii")
    assert "\\u" not in text
    assert "|- heavy" in text
    assert "####" in text


def test_diff_is_printed() -> None:
    console, octets = printed(80)
    base = written(("app", "", 10_000, True, []), ("gone", "", 90_000, True, []))
    new = written(("app", "", 10_100, True, []), ("fresh", "", 40_000, True, []))
    print_diff(console, diff(base, new), "v1", "v2")
    lines = [line.split() for line in octets.getvalue().decode().splitlines()]
    assert " ".join(lines[0] + lines[1]).startswith(
        "Imports take 50.1 ms instead of 100 ms (-49.9 ms, -50%); modules: 1 added, 1 removed."
    )
    assert ["package", "v1", "ms", "v2", "ms", "change", "modules"] in lines
    assert ["gone", "90.0", "-90.0", "gone"] in [line[:4] for line in lines]
    assert ["fresh", "40.0", "+40.0", "new"] in [line[:4] for line in lines]


def test_diff_of_the_same_says_so(measured: Imports) -> None:
    console, octets = printed(80)
    print_diff(console, diff(measured, measured))
    assert b"No package differs" in octets.getvalue()
