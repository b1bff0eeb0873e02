"""Pages and pictures of a report: complete, safe for what they show, and free of the network."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import struct
import subprocess
import threading
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from slsadapt.bench.page import write_page, write_png
from slsadapt.errors import BenchError
from tests.debian import find_or_install

from .test_charts import make_cold, make_head, make_module, make_report, make_state

if TYPE_CHECKING:
    from pathlib import Path

    from slsadapt.bench.report import Report

pytestmark = pytest.mark.once

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


class Page(HTMLParser):
    """What a browser would find: text by element, attributes that may load, and identifiers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.loads: list[str] = []
        self.scripts: dict[str, str] = {}
        self.handlers: list[str] = []
        self.policy = ""
        self._script = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.loads += [named[name] for name in ("src", "href", "action", "data") if name in named]
        self.handlers += [name for name in named if name.startswith("on")]
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"]
        if tag == "script":
            self._script = named.get("id", "")
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        elif data.strip():
            self.texts.append((self.open[-1], " ".join(data.split())))

    def cells(self) -> list[str]:
        return [text for tag, text in self.texts if tag in ("td", "th", "dd", "dt")]


@pytest.fixture(scope="module")
def hostile() -> Report:
    """Name everything that comes from outside as nobody should."""
    report = make_report()
    report["target"] = HOSTILE
    report["events"] = [HOSTILE]
    report["environment"]["versions"][HOSTILE] = HOSTILE
    report["cold"][0]["name"] = report["warm"][0]["name"] = HOSTILE
    report["burst"][0]["how"] = HOSTILE
    report["memory"]["routes"][0]["name"] = HOSTILE
    report["imports"]["modules"].append(make_module(HOSTILE, -1, 0, 900_000, 900_000))
    return report


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, hostile: Report) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {"usual": folder / "usual.html", "hostile": folder / "new" / "hostile.html"}
    write_page(make_report(), found["usual"])
    write_page(hostile, found["hostile"])
    return found


def read(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_the_numbers_stand_in_tables_too(files: dict[str, Path]) -> None:
    cells = read(files["usual"]).cells()
    # The median start, what it is in warm calls of 50 µs, and the peak of the heaviest route.
    assert {"129 ms", "2,572 ×", "197 MiB"} <= set(cells)
    # One server: 3 rounds of 301 requests; a cold pool: one round with 2 failures.
    row = cells.index("one server")
    assert cells[row : row + 9] == [
        *("one server", "measured", "in a row", "3", "903", "0", "11.3 ms", "1.71 s", "3.4 s")
    ]
    row = cells.index("cold pool")
    assert cells[row : row + 6] == ["cold pool", "modelled", "drawn", "1", "299", "2"]
    # flask: 30 + 50 of 151 ms, one of its two modules ran.
    row = cells.index("flask")
    assert cells[row : row + 6] == ["flask", "80 ms", "53.0 %", "80 ms", "2", "1 of 2"]


def test_states_machine_and_versions_are_told(files: dict[str, Path]) -> None:
    cells = read(files["usual"]).cells()
    row = cells.index("process")
    assert cells[row : row + 6] == ["process", "bytecode", "page cache", "gc", "cpu", "adapter"]
    for told in ("CPython 3.11.7", "Linux 6.1", "Abacus 9, 2 to run on", "4,096 MiB", "3.1.3"):
        assert told in cells


def test_states_are_compared_with_the_first_one(files: dict[str, Path]) -> None:
    cells = read(files["usual"]).cells()
    assert cells[cells.index("spawn") + 8] == "1"
    # Three rounds of 2 to 2.75 times, too few for an interval.
    assert re.fullmatch(r"2\.[0-7]\d ×", cells[cells.index("spawn, no bytecode") + 8])


def test_p99_of_few_starts_is_not_told(files: dict[str, Path]) -> None:
    cells = read(files["usual"]).cells()
    row = cells.index("spawn, no bytecode")
    # n, median, no interval of three, p95, no p99.
    assert cells[row + 1 : row + 6] == ["3", "322 ms", "–", "330 ms", "–"]


def test_the_page_says_how_to_measure_again(tmp_path: Path, files: dict[str, Path]) -> None:
    code = [text for tag, text in read(files["usual"]).texts if tag == "code"]
    assert code == [
        "slsadapt bench all shop.wsgi:application EVENT --json new.json "
        "slsadapt bench compare report.json new.json --fail-above 5%"
    ]
    report = make_head(cold=[make_cold("spawn", [1.0], [])])
    report["target"] = "my shop/index.py"
    write_page(report, tmp_path / "cold.html")
    code = [text for tag, text in read(tmp_path / "cold.html").texts if tag == "code"]
    assert code[0].startswith("slsadapt bench cold 'my shop/index.py' EVENT --json")


@pytest.mark.parametrize("which", ["usual", "hostile"])
def test_the_page_loads_nothing(files: dict[str, Path], which: str) -> None:
    page = read(files[which])
    assert page.loads == ["data:,"]
    assert page.policy.startswith("default-src 'none';")
    assert "@import" not in files[which].read_text(encoding="utf-8").split("<body>")[0]


def test_names_from_outside_stay_text(files: dict[str, Path], hostile: Report) -> None:
    page = read(files["hostile"])
    assert ("h1", HOSTILE) in page.texts
    assert page.cells().count(HOSTILE) >= 7
    assert page.handlers == []
    assert len(page.scripts) == 3
    drawn = json.loads(page.scripts["charts"])
    assert HOSTILE in {row["name"] for row in drawn["charts"]["waterfall"]["datasets"]["modules"]}


def test_the_page_holds_the_whole_report(files: dict[str, Path]) -> None:
    packed = read(files["usual"]).scripts["report"]
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == make_report()


def test_the_same_report_makes_the_same_page(tmp_path: Path) -> None:
    for name in ("one.html", "other.html"):
        write_page(make_head(imports=make_report()["imports"]), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_a_large_report_stays_below_two_megabytes(tmp_path: Path) -> None:
    report = make_report()
    # As measured: three decimals, and some noise in each.
    calls = [float(f"{48 + (n * 7919 % 1009) / 37:.3f}") for n in range(10_000)]
    report["warm"] = [
        {"name": name, "state": make_state(), "rounds": [calls]} for name in ("a", "b", "c")
    ]
    report["imports"]["modules"] += [
        make_module(f"package{n % 40}.module{n}", -1, 151_000 + n * 500, 400, 400)
        for n in range(600)
    ]
    write_page(report, tmp_path / "large.html")
    assert (tmp_path / "large.html").stat().st_size < 2_000_000


def test_a_report_without_measurements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"one of cold, warm, burst, imports and memory"):
        write_page(make_head(), tmp_path / "none.html")
    with pytest.raises(BenchError, match="it has only environment, events"):
        write_png(make_head(), tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []


def png_size(file: Path) -> tuple[int, int]:
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    return width, height


def test_one_picture_holds_all_charts_and_a_folder_one_each(
    tmp_path: Path, hostile: Report
) -> None:
    report = make_head(cold=hostile["cold"], memory=hostile["memory"])
    report["target"] = HOSTILE
    assert write_png(report, tmp_path / "all.png") == [tmp_path / "all.png"]
    folder = tmp_path / "new" / "charts"
    written = write_png(report, folder)
    names = ["phases.png", "memory.png"]
    assert [file.name for file in written] == names
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    width, height = png_size(tmp_path / "all.png")
    sizes = [png_size(file) for file in written]
    assert width >= max(one for one, _ in sizes)
    assert height > sum(one for _, one in sizes)


# Tells on the console when all is drawn: neither the end of loading nor virtual time wait for it.
TELL = """<script>setInterval(() => {
  const drawn = document.querySelectorAll('.plot[data-drawn="yes"] svg.marks').length;
  if (drawn === 5) console.log(`drawn ${drawn}, titled ${document.title}`);
}, 100);</script>"""


@pytest.mark.parametrize("which", ["usual", "hostile"])
def test_a_browser_draws_every_chart(files: dict[str, Path], tmp_path: Path, which: str) -> None:
    browser_path = find_or_install("chromium", "chromium", "chromium-browser", "google-chrome")
    page = tmp_path / "page.html"
    page.write_text(files[which].read_text(encoding="utf-8") + TELL, encoding="utf-8")
    command: list[str] = [
        *(browser_path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--enable-logging=stderr", "--window-size=1000,800"),
        *("--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()),
    ]
    said = []
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        # Where it also writes, whatever folder its profile is in.
        env={**os.environ, "HOME": str(tmp_path)},
    ) as browser:
        assert browser.stderr is not None
        limit = threading.Timer(90, browser.kill)
        limit.start()
        for line in browser.stderr:
            if ":CONSOLE" in line:
                said.append(line.partition(' "')[2].rpartition('", source')[0])
                if said[-1].startswith("drawn"):
                    break
        limit.cancel()
        browser.terminate()
    target = HOSTILE if which == "hostile" else "shop.wsgi:application"
    # What the policy of the page refuses to load would be told here as well.
    assert [line for line in said if not line.startswith("WARN ")] == [
        f"drawn 5, titled {target} · slsadapt bench"
    ]
