"""The pytest plugin: any test suite through any gateway.

``pytest --gateway aws_http`` runs an existing suite as if its application were deployed: what the
test clients of Flask, werkzeug, Django, Starlette and FastAPI send goes through event, function
and result. A test that fails so is run once more without: the summary tells what fails through
the gateway alone.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest
from _pytest.runner import runtestprotocol

from .. import gateways
from ..errors import BadEventError
from ..gateways.losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from .client import GatewayClient, GatewayResponse
    from .clients import Passage
    from .gateway import Gateway

_DEFAULT = "aws_http"
# What a dialect's events are made with, where that is not JSON.
_PACKAGES = {"azure": "azure", "gcp": "flask"}
_SHOWN_CHARACTERS = 4000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gateway`` and what tells which application cassettes are for."""
    group = parser.getgroup("slsadapt", "slsadapt: run tests through a cloud's gateway")
    group.addoption(
        "--gateway",
        action="append",
        default=[],
        metavar="DIALECT",
        help="Send what test clients send through this gateway, as aws_http or tencent_apigw; "
        "may be repeated; 'all' is every one.",
    )
    parser.addini(
        "gateway_app",
        "Application that the events recorded in cassettes/ are replayed on: module:name.",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and set the test clients up."""
    config.addinivalue_line(
        "markers",
        "gateway(*dialects): run the test through each of these gateways, or 'all'; "
        "see slsadapt.testing.",
    )
    names, left_out = _chosen(config.getoption("gateway"))
    config.stash[_NAMES] = names
    config.stash[_LEFT_OUT] = left_out
    config.pluginmanager.register(_Summary(config, names), "slsadapt_summary")
    if names:
        from .clients import install

        install()


_NAMES = pytest.StashKey[tuple[str, ...]]()
_LEFT_OUT = pytest.StashKey[tuple[str, ...]]()
_GATEWAY = pytest.StashKey["Gateway"]()


def _chosen(given: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the dialects that are named, and those left out for want of a package."""
    missing = tuple(name for name, package in _PACKAGES.items() if not find_spec(package))
    names: list[str] = []
    left_out: tuple[str, ...] = ()
    for each in given:
        if each == "all":
            names += [name for name in gateways.NAMES if name not in missing]
            left_out = missing
        elif each in missing:
            raise pytest.UsageError(f"gateway {each} needs the package {_PACKAGES[each]}")
        elif each not in gateways.NAMES:
            raise pytest.UsageError(
                f"there is no gateway {each!r}; there are {', '.join(gateways.NAMES)}, and 'all'"
            )
        else:
            names.append(each)
    return tuple(dict.fromkeys(names)), left_out


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the gateways."""
    names = config.stash[_NAMES]
    lines = [f"gateways: {', '.join(names)}"] if names else []
    if left_out := config.stash[_LEFT_OUT]:
        needed = ", ".join(f"{name} (needs {_PACKAGES[name]})" for name in left_out)
        lines.append(f"gateways left out: {needed}")
    return lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each gateway that a mark names."""
    try:
        marked = _marked(metafunc.definition)
    except pytest.UsageError as error:
        pytest.fail(str(error), pytrace=False)
    if marked:
        if "gateway" not in metafunc.fixturenames:
            metafunc.fixturenames.append("gateway")
        metafunc.parametrize("gateway", marked, indirect=True)


def _marked(item: pytest.Item) -> tuple[str, ...]:
    mark = item.get_closest_marker("gateway")
    return () if mark is None else _chosen(mark.args)[0]


def _gateways_of(item: pytest.Item) -> tuple[str, ...]:
    """Tell the gateways to run a test through: its parameter, its mark, or the option's."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "gateway" in callspec.params and _marked(item):
        return (callspec.params["gateway"],)
    if isinstance(item, CassetteItem):
        return ()
    return _marked(item) or item.config.stash[_NAMES]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Count a test as often as it is run, for the progress to end at 100 %."""
    session.testscollected += sum(max(len(_gateways_of(each)) - 1, 0) for each in session.items)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test through its gateways, one after the other."""
    names = _gateways_of(item)
    if not names:
        return None
    from .clients import Passage, install

    install()
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for name in names:
        # Modules and classes are torn down after the last one.
        following = nextitem if name == names[-1] else cast("pytest.Item", item.parent)
        passage = Passage(name)
        with passage:
            reports = runtestprotocol(item, log=False, nextitem=following)
        outcome = _judge(passage, reports)
        if outcome == "fails" and _passes(item, following):
            reason = _reason(item, following, passage)
            outcome = _skip(reports, f"{name} {reason}") if reason else "fails only"
        # Of a test that has no use for a gateway the others would see no more.
        is_over = passage.is_idle and "gateway" not in getattr(item, "fixturenames", ())
        nodeid = item.nodeid if is_over or len(names) == 1 else _suffixed(item.nodeid, name)
        for report in reports:
            told = {"name": name, "outcome": outcome, "nodeid": nodeid}
            report.gateway = told  # type: ignore[attr-defined]
            if report.failed:
                report.sections += _sections(passage)
            hook.pytest_runtest_logreport(report=report)
        if is_over:
            item.session.testscollected -= len(names) - 1
        if is_over or item.session.shouldfail or item.session.shouldstop:
            _tear_down(item, nextitem)
            break
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _tear_down(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Tear down what the next test does not need, and tell if that fails."""
    tear_down = partial(item.session._setupstate.teardown_exact, nextitem)
    call = pytest.CallInfo.from_call(tear_down, "teardown")
    if call.excinfo is not None:
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)


def _passes(
    item: pytest.Item, nextitem: pytest.Item | None, passage: Passage | None = None
) -> bool:
    """Run a test once more, directly or through what is given, and tell how that went."""
    with passage or nullcontext():
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    return not any(report.failed for report in reports)


def _judge(passage: Passage, reports: list[pytest.TestReport]) -> str:
    """Tell how a test went through a gateway."""
    if passage.refused is not None:
        return _skip(reports, f"{passage.dialect}: {passage.refused}")
    if any(report.failed for report in reports):
        if passage.deliveries:
            return "fails"
        return "fails itself" if passage.asked else "sends nothing"
    if any(report.skipped for report in reports):
        return "skipped"
    return "passes" if passage.deliveries or passage.asked else "sends nothing"


def _skip(reports: list[pytest.TestReport], reason: str) -> str:
    """Make the reports of a run those of a test that was skipped."""
    # There is no call where the fixtures already failed.
    skipped = next((each for each in reports if each.when == "call"), reports[0])
    for report in reports:
        if report is skipped:
            path, line, _ = report.location
            report.outcome = "skipped"
            report.longrepr = (path, (line or 0) + 1, f"Skipped: {reason}")
        elif report.failed:
            report.outcome = "passed"
            report.longrepr = None
        # Neither did it fail as was expected.
        vars(report).pop("wasxfail", None)
    return "not carried"


def _reason(item: pytest.Item, nextitem: pytest.Item | None, passage: Passage) -> str:
    """Tell for what of the gateway's a test fails that passes directly, ``""`` for nothing."""
    from .clients import Passage

    streamed = passage.streamed
    try:
        lost = _lost_in_requests(passage)
    except BadEventError as error:
        # No client gets so far: gateways refuse what is no HTTP themselves.
        return f"would refuse the request: {error}"
    # What is lost is no reason where the test passes all the same, nor what is changed where it
    # fails all the same without: hence two more runs.
    if lost and not _passes(item, nextitem, Passage(passage.dialect, half=True)):
        return lost
    if refused := _refused(passage):
        return refused
    changed = _changed_in_answers(passage)
    if changed and _passes(item, nextitem, Passage(passage.dialect, as_sent=True)):
        return changed
    return "answers as a whole, and the application answers in parts" if streamed else ""


def _lost_in_requests(passage: Passage) -> str:
    """Tell what the gateway lost of a test's requests, ``""`` for nothing."""
    from .losses import lost_in_request

    lost: dict[str, None] = {}
    for delivery in passage.deliveries:
        if delivery.dialect is not None and delivery.request is not None:
            arrived = delivery.dialect.decode_event(delivery.event)
            lost |= dict.fromkeys(lost_in_request(delivery.dialect, delivery.request, arrived))
    # No client sends one: it is the gateway's.
    lost.pop("request_id", None)
    return _cannot_carry(lost)


def _refused(passage: Passage) -> str:
    """Tell which of the application's answers the gateway has no result for, ``""`` for none."""
    from .losses import is_refused

    for delivery in passage.deliveries:
        losses = () if delivery.dialect is None else delivery.dialect.LOSES
        sent = delivery.timing.response
        if delivery.response is None and sent is not None and is_refused(losses, sent):
            return _cannot_carry(["response_binary"])
    return ""


def _changed_in_answers(passage: Passage) -> str:
    """Tell what the gateway changed of a test's answers, ``""`` for nothing."""
    from .losses import lost_in_response

    lost: dict[str, None] = {}
    added: dict[str, None] = {}
    dropped: dict[str, None] = {}
    for delivery in passage.deliveries:
        sent, received = delivery.timing.response, delivery.response
        if delivery.dialect is not None and sent is not None and received is not None:
            lost |= dict.fromkeys(lost_in_response(delivery.dialect, sent, received))
            names = dict.fromkeys(name.lower() for name, _ in sent.headers)
            arrived = dict.fromkeys(name.lower() for name, _ in received.headers)
            added |= {name: None for name in arrived if name not in names}
            dropped |= {name: None for name in names if name not in arrived}
    changes = [_cannot_carry(lost)]
    changes += [f"adds {', '.join(added)} to answers"] if added else []
    changes += [f"drops {', '.join(dropped)} from answers"] if dropped else []
    return "; ".join(filter(None, changes))


def _cannot_carry(losses: Collection[str]) -> str:
    return f"cannot carry {'; '.join(LOSSES[each] for each in losses)}" if losses else ""


def _sections(passage: Passage) -> list[tuple[str, str]]:
    """Show the last event and its result, beside what failed."""
    deliveries = passage.deliveries or passage.asked
    if not deliveries:
        return []
    last = deliveries[-1]
    number = f"{len(deliveries)} of {len(deliveries)}"
    sections = [(f"{passage.dialect}: event {number}", _pretty(last.event))]
    if last.error is None:
        sections.append((f"{passage.dialect}: result", _pretty(last.result)))
    else:
        error = f"{type(last.error).__name__}: {last.error}"
        sections.append((f"{passage.dialect}: the function raised", error))
    return sections


def _pretty(value: Any) -> str:
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}... ({len(text):,} characters)"
    return text


def _suffixed(nodeid: str, name: str) -> str:
    return f"{nodeid[:-1]}-{name}]" if nodeid.endswith("]") else f"{nodeid}[{name}]"


class _Summary:
    """Counts, for the end of the run."""

    def __init__(self, config: pytest.Config, names: tuple[str, ...]) -> None:
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        # By gateway: the worst that was told of each test.
        self._outcomes: dict[str, dict[str, str]] = {name: {} for name in names}
        # By the ids that reports have, those that pytest knows.
        self._tests: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = getattr(report, "gateway", None)
        # pytest-xdist's workers look reports up by the ids they were given.
        if told is not None and not self._is_worker:
            self._outcomes.setdefault(told["name"], {})[told["nodeid"]] = told["outcome"]
            self._tests[told["nodeid"]] = report.nodeid
            report.nodeid = told["nodeid"]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Have ``--lf`` find a test that failed through one of several gateways."""
        cache = getattr(self._config, "cache", None)
        if cache is None or self._is_worker or not self._tests:
            return
        saved = cache.get("cache/lastfailed", {})
        ran = {*self._tests.values()}
        # Of a test that ran with ids of its own, the one that pytest knows is of an earlier run.
        kept = [each for each in saved if each in self._tests or each not in ran]
        cache.set("cache/lastfailed", {self._tests.get(each, each): True for each in kept})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell how many tests did how, and which fail through a gateway alone."""
        if not self._outcomes:
            return
        terminalreporter.section("gateways")
        for name, outcomes in self._outcomes.items():
            counts = {each: [*outcomes.values()].count(each) for each in _WORDS}
            told = ", ".join(_WORDS[each].format(n=n) for each, n in counts.items() if n)
            terminalreporter.write_line(f"{name}: {told or 'no test ran'}")
        for name, outcomes in self._outcomes.items():
            only = [nodeid for nodeid, outcome in outcomes.items() if outcome == "fails only"]
            if only:
                terminalreporter.write_line("")
                terminalreporter.write_line(
                    f"pass directly, but fail through {name}:", red=True, bold=True
                )
                for nodeid in only:
                    terminalreporter.write_line(f"  {nodeid}")


_WORDS = {
    "passes": "{n} passed through it",
    "fails only": "{n} failed through it alone",
    "fails": "{n} failed, directly too",
    "fails itself": "{n} failed",
    "not carried": "{n} skipped for what it cannot carry",
    "skipped": "{n} skipped by themselves",
    "sends nothing": "{n} sent nothing",
}


# Fixtures


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> str:
    """Name the gateway of this run: of ``--gateway`` or the mark, else ``"aws_http"``."""
    from .clients import Passage

    if Passage.current is not None:
        return Passage.current.dialect
    name: str = getattr(request, "param", _DEFAULT)
    return name


@pytest.fixture
def gateway_client(gateway: str) -> Iterator[Callable[..., GatewayClient]]:
    """Give what makes a ``GatewayClient`` of an application or function, by this run's gateway.

    >>> def test_orders(gateway_client):
    ...     assert gateway_client(app).get("/orders").status_code == 200
    """
    from .client import GatewayClient
    from .clients import Passage

    made: list[GatewayClient] = []

    def make(target: Any, **options: Any) -> GatewayClient:
        if Passage.current is not None:
            options.setdefault("told", Passage.current.asked.append)
        made.append(GatewayClient(target, options.pop("dialect", gateway), **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def gateway_event(gateway: str) -> Callable[..., Any]:
    """Give what makes an event of this run's gateway, of what ``GatewayClient.request`` takes.

    >>> def test_handler(gateway_event):
    ...     result = main_handler(gateway_event("GET", "/orders", params={"page": 2}), None)
    """
    from .client import GatewayClient

    def answer_nothing(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    def make(method: str = "GET", url: str = "/", **request: Any) -> Any:
        dialect = request.pop("dialect", gateway)
        options = {name: request.pop(name) for name in _CLIENT_OPTIONS & request.keys()}
        answer: GatewayResponse = GatewayClient(answer_nothing, dialect, **options).request(
            method, url, **request
        )
        return answer.event

    return make


_CLIENT_OPTIONS = {"base_url", "stage", "user", "client_address"}


# Cassettes


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the events recorded in ``cassettes/``, where it is told for which application."""
    app = parent.config.getini("gateway_app")
    if app and file_path.suffix in (".json", ".jsonl") and "cassettes" in file_path.parts:
        file: CassetteFile = CassetteFile.from_parent(parent, path=file_path)
        return file
    return None


class CassetteFile(pytest.File):
    """One file of recorded events."""

    def collect(self) -> Iterator[CassetteItem]:
        """Make a test of each."""
        from .cassettes import read

        try:
            cassettes = read(self.path)
        except BadEventError as error:
            raise self.CollectError(str(error)) from None
        for number, cassette in enumerate(cassettes, 1):
            yield CassetteItem.from_parent(self, name=f"event {number}", cassette=cassette)


class CassetteItem(pytest.Item):
    """One recorded event, replayed and compared."""

    def __init__(self, *, cassette: Any, **rest: Any) -> None:
        super().__init__(**rest)
        self._cassette = cassette

    def runtest(self) -> None:
        """Replay it."""
        from .replay import replay

        outcome = replay(_gateway(self.config), self._cassette)
        if outcome.status == "skipped":
            raise pytest.skip.Exception(outcome.reason, _use_item_location=True)
        if outcome.status != "same":
            raise _DiffersError(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what differs rather than where that was noticed."""
        if isinstance(excinfo.value, _DiffersError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the file and the event."""
        return self.path, max(self._cassette.line - 1, 0), f"{self.path.name}: {self.name}"


class _DiffersError(Exception):
    """A recorded event was answered otherwise."""


def _gateway(config: pytest.Config) -> Gateway:
    """Give what replays cassettes on the application that the configuration names."""
    if _GATEWAY not in config.stash:
        from .gateway import Gateway

        # As a cloud has the function's folder in front.
        sys.path.insert(0, str(config.rootpath))
        config.stash[_GATEWAY] = Gateway(config.getini("gateway_app"))
        config.add_cleanup(config.stash[_GATEWAY].close)
    return config.stash[_GATEWAY]
