"""The samples' own suites, directly and through every gateway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from slsadapt import gateways
from tests.samples.conftest import WARNINGS

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
OCTETS_IN = "request bodies that are not UTF-8"
OCTETS_OUT = "response bodies that are not UTF-8"
REPEATS = "whether a query key repeated or its value had a comma"
LAST = "all but the last value of a query key that repeats"
# Without https there is no Referer to check, with it there must be one.
SCHEME = "whether the client came by http"
FILE_NAME = "drops content-length, content-disposition from answers"

# How many tests there are beside the cassettes, and by test and gateway why one is skipped.
SUITES: dict[str, tuple[int, dict[tuple[str, str], str]]] = {
    "flask_app": (
        23,
        {
            ("test_query_keys_repeat", "alibaba_apigw"): LAST,
            ("test_query_keys_repeat", "alibaba_fc3"): REPEATS,
            ("test_query_keys_repeat", "baidu_cfc"): LAST,
            ("test_query_keys_repeat", "scaleway"): LAST,
            ("test_query_keys_repeat", "volcengine"): REPEATS,
            ("test_an_upload_arrives_octet_by_octet", "scaleway"): OCTETS_IN,
            ("test_an_upload_arrives_octet_by_octet", "tencent_function_url"): OCTETS_IN,
            ("test_an_upload_arrives_octet_by_octet", "volcengine"): OCTETS_IN,
            ("test_a_picture_is_downloaded", "alibaba_fc3"): FILE_NAME,
            ("test_a_picture_is_downloaded", "volcengine"): OCTETS_OUT,
        },
    ),
    "django_app": (
        15,
        {
            ("test_a_form_from_elsewhere_is_refused", "baidu_cfc"): SCHEME,
            ("test_a_form_from_elsewhere_is_refused", "kong"): SCHEME,
            ("test_a_form_from_elsewhere_is_refused", "openwhisk"): SCHEME,
            ("test_a_form_from_elsewhere_is_refused", "tencent_function_url"): SCHEME,
            ("test_a_form_from_elsewhere_is_refused", "volcengine"): SCHEME,
            ("test_an_attachment_comes_back_octet_by_octet", "alibaba_fc3"): FILE_NAME,
            ("test_an_attachment_comes_back_octet_by_octet", "scaleway"): OCTETS_IN,
            ("test_an_attachment_comes_back_octet_by_octet", "tencent_function_url"): OCTETS_IN,
            ("test_an_attachment_comes_back_octet_by_octet", "volcengine"): OCTETS_IN,
        },
    ),
}


class Ran(NamedTuple):
    """How a suite went: (test, gateway) of each, and the reason of those that were skipped."""

    code: int
    tests: list[tuple[str, str]]
    skipped: dict[tuple[str, str], str]
    printed: str


def run_suite(name: str, temporary: Path, *options: str) -> Ran:
    """Run the suite of the sample ``name`` as its README says, from the root."""
    report = temporary / "report.xml"
    arguments = ["-p", "no:cacheprovider", *WARNINGS, f"--junitxml={report}", *options]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "GUESTBOOK_DIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"samples/{name}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    tests: list[tuple[str, str]] = []
    skipped: dict[tuple[str, str], str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        test, _, parameters = case.attrib["name"].partition("[")
        if test.startswith("event "):
            continue
        tests.append((test, parameters.rstrip("]").rpartition("-")[2] if options else ""))
        for skip in case.iter("skipped"):
            skipped[tests[-1]] = skip.attrib["message"]
    return Ran(done.returncode, tests, skipped, done.stdout)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_passes_directly(name: str, tmp_path: Path) -> None:
    ran = run_suite(name, tmp_path)

    assert ran.code == 0, ran.printed
    assert len(ran.tests) == SUITES[name][0]
    assert ran.skipped == {}


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_passes_through_every_gateway(name: str, tmp_path: Path) -> None:
    before = {*(ROOT / "samples" / name).rglob("*")}

    ran = run_suite(name, tmp_path, "--gateway", "all")

    count, losses = SUITES[name]
    assert ran.code == 0, ran.printed
    for dialect in gateways.NAMES:
        assert [each for _, each in ran.tests].count(dialect) == count
    assert len(ran.tests) == count * len(gateways.NAMES)
    assert ran.skipped.keys() == losses.keys()
    for skipped, reason in losses.items():
        assert reason in ran.skipped[skipped]
    assert {*(ROOT / "samples" / name).rglob("*")} == before
