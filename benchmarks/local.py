"""Measure ``slsadapt serve``: what it adds to a call, how much it carries, how soon it starts.

=============  =================================================================================
part           measures
=============  =================================================================================
latency        the handler called in this process, and through the gateway and a warm instance
               that was spawned or forked, one request after another on one connection
throughput     requests per second of one warm instance, loaded by wrk over eight connections
cold           from sending to the response where each request needs a new, forked instance; and
               301 of them at once, where each takes half a second so that none is used again
reload         from the end of a save to the end of the first response by what was saved, with the
               samples of this repository
peers          requests per second of the same handler under serverless-offline, and of the same
               words under functions-framework, over one connection and over eight
=============  =================================================================================

All contenders of a part run at the same time and take turns, in random order within rounds; ratios
are taken within a round. wrk comes from Debian, serverless-offline from npm:
https://github.com/wg/wrk, https://github.com/dherault/serverless-offline,
https://github.com/GoogleCloudPlatform/functions-framework-python
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from slsadapt import __version__
from slsadapt.bench.environment import describe_environment
from slsadapt.bench.stats import Ratio, paired_ratio
from slsadapt.gateways import load
from slsadapt.message import Request
from slsadapt.testing import contexts
from tests.debian import find_or_install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HELLO = """\
import os
import time


def handler(event, context):
    if event["rawPath"] == "/half-a-second":
        time.sleep(0.5)
    headers = {"content-type": "text/plain", "x-pid": str(os.getpid())}
    return {"statusCode": 200, "headers": headers, "body": "hello"}


def hello(request):
    return "hello", 200, {"content-type": "text/plain", "x-pid": str(os.getpid())}
"""
# hapi's cookie parser of later versions refuses what Set-Cookie may hold.
PACKAGE = {
    "private": True,
    "dependencies": {"serverless": "3.40.0", "serverless-offline": "13.10.1"},
    "overrides": {"@hapi/hapi": "21.3.12", "@hapi/statehood": "8.1.1"},
}
SERVERLESS = """\
service: hello
frameworkVersion: "3"
provider:
  name: aws
  runtime: python3.11
  timeout: 5
  httpApi: {{payload: "2.0"}}
custom:
  serverless-offline: {{host: 127.0.0.1, httpPort: {port}, lambdaPort: {lambda_port},
    noPrependStageInUrl: true}}
functions:
  hello:
    handler: hello.handler
    events: [{{httpApi: "GET /hello"}}]
plugins: [serverless-offline]
"""
# Follows a sample's index.py; each save has a number of its own.
VERSION = """

_answer = main_handler


def main_handler(event, context):
    result = _answer(event, context)
    result["headers"]["x-version"] = "{number}"
    return result
"""
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
BURST = 301
SERVE = "slsadapt serve"
TARGETS = {
    "added latency, spawn": "<= 1.5 ms",
    "added latency, fork": "<= 1.5 ms",
    "one instance": ">= 1,000 requests/s",
    "fork cold start": "<= 15 ms",
    "301 at once": "<= 2 s, no failures",
    "flask_app, spawn": "<= 300 ms",
    "flask_app, fork": "<= 300 ms",
    "django_app, spawn": "<= 300 ms",
    "django_app, fork": "<= 300 ms",
    "/ serverless-offline": ">= 2",
}


@contextmanager
def served(folder: Path, *options: str) -> Iterator[int]:
    """Run ``slsadapt serve`` on the handler; give its port."""
    port = free_port()
    command = [sys.executable, "-m", "slsadapt", "serve", "hello:handler"]
    command += ["--dialect", "aws_http", "--port", str(port), *options]
    with running(command, folder, port):
        yield port


@contextmanager
def running(
    command: list[str], folder: Path, port: int, path: str = "/hello", **environ: str
) -> Iterator[None]:
    """Run a server until it is not needed any more, ready when it answers."""
    # As for most people: bytecode is kept, and output is what each program makes it.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**usual, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_for(port, process, Path(log.name), path)
            yield
        finally:
            # Those that it started, too: npm's programs leave theirs alone.
            for number in (signal.SIGINT, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path, path: str) -> None:
    """Wait until a server answers with 200."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            if get(port, path=path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"{' '.join(process.args)}: no answer\n{log.read_text()[-2000:]}")  # type: ignore[arg-type]


def get(
    port: int, connection: HTTPConnection | None = None, path: str = "/hello"
) -> tuple[int, str]:
    """Ask for a page; give the status, and the process that answered."""
    is_own = connection is None
    connection = connection or HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("x-pid", "")
    finally:
        if is_own:
            connection.close()


def free_port() -> int:
    """Find a port that is free, and the next one with it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except OSError:
                continue


# Latency


def measure_latency(folder: Path, rounds: int, calls: int = 300) -> dict[str, Any]:
    """Compare calls in this process with requests, one after another."""
    sys.path.insert(0, str(folder))
    from hello import handler  # type: ignore[import-not-found]

    event = load("aws_http").encode_event(
        Request("GET", "/hello", "", (("host", "127.0.0.1"), ("accept-encoding", "identity")))
    )
    context = contexts.aws()
    taken: dict[str, list[float]] = {"in process": [], "spawn": [], "fork": []}
    with ExitStack() as stack:
        connections = {}
        for cold in ("spawn", "fork"):
            port = stack.enter_context(served(folder, "--instances", "1", "--cold", cold))
            connections[cold] = HTTPConnection("127.0.0.1", port, timeout=10)
            stack.callback(connections[cold].close)
        asks: dict[str, Callable[[], object]] = {"in process": lambda: handler(event, context)}
        for cold, connection in connections.items():
            asks[cold] = partial(get, 0, connection)
        for turn in range(rounds + 1):
            for name in shuffled(asks):
                times = [timed(asks[name]) for _ in range(calls)]
                # The first turn is the rehearsal.
                if turn:
                    taken[name].append(median(times))
    called = median(taken["in process"])
    print(f"latency, p50 of {calls} calls, {rounds} rounds")
    print(f"  {'in process':<28}{called:9.3f} ms")
    added = {}
    for cold in ("spawn", "fork"):
        added[cold] = median(
            [
                through - alone
                for through, alone in zip(taken[cold], taken["in process"], strict=True)
            ]
        )
        show(f"added latency, {cold}", f"{added[cold]:9.3f} ms")
    return {"p50_ms": taken, "added_ms": added}


def timed(ask: Callable[[], object]) -> float:
    """Give the ms that a call takes."""
    began = perf_counter()
    ask()
    return (perf_counter() - began) * 1000


# Throughput


def load_with_wrk(wrk: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    """Load a server; give requests per second, failures, and the median latency in ms."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/hello"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", done)
    middle = re.search(r"\b50%\s+([\d.]+)(us|ms|s)\b", done)
    if found is None or middle is None:
        raise SystemExit(f"wrk says something else:\n{done}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done
    )
    failures = int(refused[1]) if refused else 0
    failures += sum(map(int, broken.groups())) if broken else 0
    return {
        "requests_per_s": float(found[1]),
        "failures": failures,
        "p50_ms": float(middle[1]) * {"us": 0.001, "ms": 1, "s": 1000}[middle[2]],
    }


def measure_throughput(wrk: str, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Load one warm instance, which takes one request at a time; the others queue."""
    samples: dict[str, list[dict[str, float]]] = {"spawn": [], "fork": []}
    with ExitStack() as stack:
        ports = {}
        for cold in samples:
            options = ("--instances", "1", "--queue", "30", "--cold", cold)
            ports[cold] = stack.enter_context(served(folder, *options))
            load_with_wrk(wrk, ports[cold], 8, 1)
        for _ in range(rounds):
            for cold in shuffled(samples):
                samples[cold].append(load_with_wrk(wrk, ports[cold], 8, seconds))
    print(f"\none warm instance, eight connections, {rounds} rounds of {seconds:.0f} s")
    for cold, each in samples.items():
        rate = median(sample["requests_per_s"] for sample in each)
        failures = sum(sample["failures"] for sample in each)
        show("one instance", f"{rate:9,.0f} requests/s, {failures:.0f} failures  ({cold})")
    return samples


# Cold starts


def measure_cold(folder: Path, starts: int, bursts: int) -> dict[str, Any]:
    """Ask forked instances that do not yet exist."""
    taken: list[float] = []
    with served(folder, "--instances", "2", "--cold", "fork", "--idle-ttl", "0.05") as port:
        seen = ""
        for _ in range(starts):
            pid = seen
            while pid == seen:
                # The last one ends meanwhile, or is asked once more and counts no more.
                time.sleep(0.25)
                connection = HTTPConnection("127.0.0.1", port, timeout=10)
                connection.connect()
                began = perf_counter()
                _, pid = get(port, connection)
                took_ms = (perf_counter() - began) * 1000
                connection.close()
            seen = pid
            taken.append(took_ms)
    at_once = []
    for _ in range(bursts):
        options = ("--instances", str(BURST), "--cold", "fork", "--timeout", "30")
        with served(folder, *options) as port:
            at_once.append(asyncio.run(burst(port)))
    print(f"\nforked instances, {starts} starts, {bursts} bursts of {BURST}")
    show("fork cold start", f"{median(taken):9.1f} ms")
    for each in at_once:
        words = f"{each['instances']} instances, {each['failures']} failures"
        if each["failures_by_status"]:
            words += f" {each['failures_by_status']}"
        show("301 at once", f"{each['total_ms']:9.0f} ms, {words}")
    return {"start_ms": taken, "bursts": at_once}


async def burst(port: int) -> dict[str, Any]:
    """Send requests at once, over connections that are there already."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(BURST)]
    began = perf_counter()
    for _, writer in streams:
        writer.write(b"GET /half-a-second HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    answers = await asyncio.gather(*[reader.read() for reader, _ in streams])
    total_ms = (perf_counter() - began) * 1000
    for _, writer in streams:
        writer.close()
    good = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200 ")]
    pids = {found[1] for each in good if (found := re.search(rb"x-pid: (\d+)", each))}
    # What clients got instead, an empty line where the connection ended without a response.
    others = Counter(each.partition(b"\r\n")[0].decode() for each in answers if each not in good)
    return {
        "total_ms": total_ms,
        "instances": len(pids),
        "failures": BURST - len(good),
        "failures_by_status": dict(others),
    }


# Reload


def measure_reload(folder: Path, rounds: int) -> dict[str, Any]:
    """Save a file, and ask until the answer is the new one's."""
    taken: dict[str, list[float]] = {}
    print(f"\nfrom a save to the first response by it, {rounds} saves")
    for sample in ("flask_app", "django_app"):
        for cold in ("spawn", "fork"):
            copy = folder.parent / f"{sample}-{cold}"
            shutil.copytree(SAMPLES / sample, copy)
            index = copy / "index.py"
            source = index.read_text(encoding="utf-8")
            times = taken[f"{sample}, {cold}"] = []
            port = free_port()
            options = ("--port", str(port), "--cold", cold, "--memory", "512")
            command = [sys.executable, "-m", "slsadapt", "serve", ".", *options]
            with running(command, copy, port, "/"):
                for number in range(rounds):
                    # The last save is over, and its old instance gone.
                    time.sleep(0.5)
                    index.write_text(source + VERSION.format(number=number), encoding="utf-8")
                    began = perf_counter()
                    while version(port) != str(number):
                        pass
                    times.append((perf_counter() - began) * 1000)
            show(f"{sample}, {cold}", f"{median(times):9.0f} ms, {max(times):.0f} at most")
    return {"ms": taken}


def version(port: int) -> str:
    """Tell which save answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.getheader("x-version", "")
    finally:
        connection.close()


# Peers


@contextmanager
def serverless_offline(folder: Path) -> Iterator[int]:
    """Install and run serverless-offline with the same handler."""
    (folder / "package.json").write_text(json.dumps(PACKAGE), encoding="utf-8")
    if not (folder / "node_modules").is_dir():
        tell("installing serverless-offline")
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    port = free_port()
    settings = SERVERLESS.format(port=port, lambda_port=port + 1)
    (folder / "serverless.yml").write_text(settings, encoding="utf-8")
    command = ["node", "node_modules/serverless/bin/serverless.js", "offline", "start"]
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}
    # Its helper runs python3.11, or whatever the runtime is called.
    quiet["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with running(command, folder, port, **quiet):
        yield port


@contextmanager
def functions_framework(folder: Path) -> Iterator[int]:
    """Run functions-framework with the same words."""
    port = free_port()
    program = str(Path(sys.executable).with_name("functions-framework"))
    command = [program, "--source", "hello.py", "--target", "hello", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port)], folder, port):
        yield port


def measure_peers(wrk: str, folder: Path, npm: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Load all with the same, in turns."""
    report: dict[str, Any] = {}
    with ExitStack() as stack:
        ports = {
            SERVE: stack.enter_context(served(folder, "--instances", "8")),
            "serverless-offline": stack.enter_context(serverless_offline(npm)),
            "functions-framework": stack.enter_context(functions_framework(folder)),
        }
        for connections in (1, 8):
            samples: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
            for turn in range(rounds + 1):
                for name in shuffled(ports):
                    tell(f"{name}, {connections} connections, round {turn} of {rounds}")
                    sample = load_with_wrk(wrk, ports[name], connections, seconds if turn else 1)
                    if turn:
                        samples[name].append(sample)
            report[f"{connections} connections"] = samples | compare(samples, connections, rounds)
    return report


def compare(
    samples: dict[str, list[dict[str, float]]], connections: int, rounds: int
) -> dict[str, Any]:
    """Print requests per second, and how many times a peer's they are."""
    plural = "connection" if connections == 1 else "connections"
    print(f"\nhello over {connections} {plural}, {rounds} rounds")
    rates = {name: [each["requests_per_s"] for each in took] for name, took in samples.items()}
    for name, rate in rates.items():
        failures = sum(each["failures"] for each in samples[name])
        p50_ms = median(each["p50_ms"] for each in samples[name])
        words = f"{median(rate):9,.0f} requests/s, p50 {p50_ms:.2f} ms, {failures:.0f} failures"
        show(name, words)
    ratios = {
        f"{SERVE} / {name}": paired_ratio(rate, rates[SERVE])
        for name, rate in rates.items()
        if name != SERVE
    }
    for pair, ratio in ratios.items():
        show(pair.removeprefix(f"{SERVE} "), written(ratio))
    return {"ratios": {pair: asdict(ratio) for pair, ratio in ratios.items()}}


def written(ratio: Ratio) -> str:
    """Write a ratio; fewer than six rounds have no interval."""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:9.2f}"
    return f"{ratio.value:9.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def shuffled(names: dict[str, Any]) -> list[str]:
    """Give the order of a round."""
    return random.sample([*names], len(names))


def show(name: str, words: str) -> None:
    """Print a figure beside its target."""
    target = TARGETS.get(name)
    print(f"  {name:<28}{words}" + (f"   target {target}" if target else ""))


def tell(line: str) -> None:
    """Show how far it is where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}\r", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write JSON."""
    parts = ("latency", "throughput", "cold", "reload", "peers")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3, help="of load in a round")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--only", choices=parts, action="append", help="measure these parts")
    parser.add_argument("--npm", type=Path, metavar="DIR", help="keep serverless-offline here")
    options = parser.parse_args()
    chosen = options.only or parts
    report: dict[str, Any] = {"slsadapt": __version__}
    random.seed(1)
    with tempfile.TemporaryDirectory(prefix="slsadapt-local-") as temporary:
        folder = Path(temporary, "hello")
        npm = (options.npm or Path(temporary, "npm")).resolve()
        for each in (folder, npm):
            each.mkdir(parents=True, exist_ok=True)
        (folder / "hello.py").write_text(HELLO, encoding="utf-8")
        wrk = find_or_install("wrk") if {"throughput", "peers"} & {*chosen} else ""
        if "latency" in chosen:
            report["latency"] = measure_latency(folder, options.rounds)
        if "throughput" in chosen:
            report["throughput"] = measure_throughput(wrk, folder, options.rounds, options.seconds)
        if "cold" in chosen:
            report["cold"] = measure_cold(folder, starts=21, bursts=3)
        if "reload" in chosen:
            report["reload"] = measure_reload(folder, options.rounds)
        if "peers" in chosen:
            report["peers"] = measure_peers(wrk, folder, npm, options.rounds, options.seconds)
    report["environment"] = describe_environment([])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
