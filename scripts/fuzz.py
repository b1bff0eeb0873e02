"""Fuzz detection, decoding and whole handlers with mutated real events, led by coverage.

``make fuzz SECONDS=600`` runs it under atheris; ``scripts/fuzz.py FILE`` tries one file again,
which needs no atheris. Whatever comes in, what comes out must be a result that the gateway takes
or an exception of ours, within 100 ms, and the next good event must be served.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import json
import logging
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any
from zlib import crc32

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "tests" / "events"
FOUND = ROOT / "build" / "fuzz"

LIMIT_S = 0.1
INPUT_BYTES = 100_000
MINIMISE_S = 10.0

Json = Any
Check = Callable[[bytes], None]


class Finding(Exception):  # noqa: N818 - not an error of this program
    """What should not have come out; ``signature`` is alike for the same fault."""

    def __init__(self, signature: str, message: str) -> None:
        super().__init__(message)
        self.signature = signature


# --- What is fuzzed -----------------------------------------------------------------------------


def is_path(path: str) -> bool:
    """Tell a path, or the server as a whole (RFC 9112 3.2.4)."""
    return path.startswith("/") or path == "*"


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer where the environ is what PEP 3333 promises."""
    for name, value in environ.items():
        if "." not in name:
            assert type(value) is str, name
            value.encode("latin-1")
    assert is_path(environ["PATH_INFO"])
    body = environ["wsgi.input"].read()
    assert int(environ.get("CONTENT_LENGTH") or 0) == len(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=b")])
    return [b"served"]


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer where the scope is what ASGI promises."""
    assert scope["type"] == "http"
    assert is_path(scope["path"].removeprefix(scope["root_path"]))
    for name in ("method", "scheme", "path", "root_path"):
        assert type(scope[name]) is str, name
    for name in ("raw_path", "query_string"):
        assert type(scope[name]) is bytes, name
    for name, value in scope["headers"]:
        assert type(name) is type(value) is bytes
    assert type((await receive())["body"]) is bytes
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=b")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"served"})


class LastWord(logging.Handler):
    """Keep what slsadapt logged last, in silence: a refusal, or an exception."""

    refusal: str | None = None
    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.refusal = self.error = None
        if record.exc_info:
            self.error = record.exc_info[1]
        elif isinstance(record.args, tuple):
            self.refusal = str(record.args[0])


class Target:
    """slsadapt with an application behind each gateway, and the oracle of what may come out.

    Args:
        everything: whether each input is tried on the handlers of all dialects, not of two.
        limit_s: how long anything may take.
    """

    def __init__(self, everything: bool = True, limit_s: float = LIMIT_S) -> None:
        from slsadapt import Request, errors, gateways, wrap
        from slsadapt.gateways import triggers

        self.errors = errors
        self.gateways = gateways
        self.kind_of = triggers.kind_of
        # Their events are messages, which no application is served.
        self.sockets = [
            (name, import_module(f"slsadapt.gateways.{name}")) for name in gateways.SOCKET_NAMES
        ]
        self.everything = everything
        self.limit_s = limit_s
        self.dialects = {name: gateways.load(name) for name in gateways.NAMES}
        apps = {"wsgi": wsgi_app, "asgi": asgi_app}
        self.handlers = {
            (kind, name): wrap(app, gateway=name, interface=kind)  # type: ignore[arg-type]
            for name in ("auto", *gateways.NAMES)
            for kind, app in apps.items()
        }
        request = Request("GET", "/good", server=("localhost", 443))
        # Written anew each time, since a body can be read once.
        self.good = {
            name: partial(dialect.encode_event, request) for name, dialect in self.dialects.items()
        }
        self.turns = cycle(self.good)
        self.log = LastWord()
        self.logger = logging.getLogger("slsadapt")
        self.logger.addHandler(self.log)
        self.logger.propagate = False

    def close(self) -> None:
        """Stop the handlers' loops and leave the log as it was."""
        for handler in self.handlers.values():
            handler.pre_stop()
        self.logger.removeHandler(self.log)
        self.logger.propagate = True

    def check(self, data: bytes) -> None:
        """Try one input.

        Raises:
            Finding: something came out that should not.
        """
        try:
            event = json.loads(data)
            before = json.dumps(event)
        except (ValueError, RecursionError):
            for kind in ("wsgi", "asgi"):
                self.serve(kind, "auto", lambda: data)
            return
        if isinstance(event, dict):
            self.read(event)
        names = list(self.dialects)
        if not self.everything:
            start = crc32(data)
            names = [names[start % len(names)], names[start // 64 % len(names)]]
        for name in ("auto", *names):
            for kind in ("wsgi", "asgi"):
                self.serve(kind, name, lambda: event)
        if json.dumps(event) != before:
            raise Finding("mutation", "the event was changed")
        for name, make_object in objects(event):
            for kind in ("wsgi", "asgi"):
                self.serve(kind, "auto", make_object)
                self.serve(kind, name, make_object)

    def read(self, event: dict[str, Json]) -> None:
        """Try ``matches``, ``detect`` and ``decode_event`` on an event."""
        claims: list[str | None] = []
        for name, dialect in self.dialects.items():
            claimed = self.timed(f"{name}.matches", partial(dialect.matches, event))
            if type(claimed) is not bool:
                raise Finding(f"{name}.matches", f"matches gave {claimed!r}")
            if claimed:
                claims.append(name)
            request = self.timed(f"{name}.decode_event", partial(dialect.decode_event, event))
            if request is not None:
                self.check_request(name, request)
        for name, module in self.sockets:
            self.timed(f"{name}.matches", partial(module.matches, event))
            self.timed(f"{name}.decode_event", partial(module.decode_event, event))
        detected = self.timed("detect", partial(self.gateways.detect, event))
        found = detected.__name__.rpartition(".")[2] if detected else None
        # Of what is spliced from two gateways' events, both may claim the whole.
        if found not in (claims or [None]):
            raise Finding(f"detect {claims}", f"{claims} claim it, but detect finds {found}")

    def check_request(self, name: str, request: Any) -> None:
        """Hold a request to what message.Request promises."""
        for field in ("method", "path", "query", "scheme", "root_path", "stage", "request_id"):
            if type(getattr(request, field)) is not str:
                raise Finding(f"{name} {field}", f"{name} decodes {field} as no text")
        right = {
            "method": request.method == request.method.upper(),
            "path": is_path(request.path) and request.path.isascii(),
            "query": request.query.isascii(),
            "headers": all(ord(max(value, default=" ")) < 256 for _, value in request.headers),
            "body": type(request.body) is bytes,
            "scheme": request.scheme in ("http", "https"),
            "client": request.client is None or [*map(type, request.client)] == [str, int],
            "server": [*map(type, request.server)] == [str, int],
            "root_path": request.root_path == "" or request.root_path[0] == "/",
            "user": request.user is None or type(request.user) is str,
        }
        for field, is_right in right.items():
            if not is_right:
                value = getattr(request, field)
                raise Finding(f"{name} {field}", f"{name} decodes {field} as {value!r}")

    def serve(self, kind: str, name: str, make_event: Callable[[], Any]) -> None:
        """Try a whole call, and one with a good event after it."""
        handler = self.handlers[kind, name]
        self.log.refusal = self.log.error = None
        where = f"{kind} {name}"
        served = self.timed(where, lambda: self.call(handler, make_event()))
        if served is not None:
            dialect, result = served
            self.check_result(where, dialect, result, make_event)
        good = name if name != "auto" else next(self.turns)
        try:
            dialect, result = self.call(handler, self.good[good]())
        except Exception as error:
            raise Finding(f"{where} after {signature(error)}", explained(error)) from error
        response = dialect.decode_result(result)
        if (response.status, response.body) != (200, b"served"):
            raise Finding(f"{where} after", "the next good event was not served")

    def call(self, handler: Any, event: Any) -> tuple[Any, Any]:
        """Call as the platforms do, of which one passes ``start_response`` as the context.

        Returns:
            (dialect that wrote the result, result).
        """
        started: list[tuple[str, list[tuple[str, str]]]] = []
        result = handler(event, lambda status, headers: started.append((status, headers)))
        if not started:
            return handler.dialect, result
        status, headers = started[0]
        whole = {"status": int(status[:3]), "headers": headers, "body": b"".join(result)}
        return self.dialects["alibaba_fc2"], whole

    def check_result(
        self, where: str, dialect: Any, result: Any, make_event: Callable[[], Any]
    ) -> None:
        """Hold a result to what the gateway takes: the application's answer, or our refusal."""
        if result is None:
            if self.kind_of(make_event()) is None:
                raise Finding(f"{where} None", "None for what is no trigger's event")
            return
        if dialect.__name__.rpartition(".")[2] not in self.gateways.OBJECT_NAMES:
            result = json.loads(json.dumps(result))
        response = dialect.decode_result(result)
        if self.log.error is not None:
            raise Finding(f"{where} {signature(self.log.error)}", explained(self.log.error))
        text = response.body.decode("utf-8", "replace")
        refusal = self.log.refusal
        right = response.status == 200 if refusal is None else 400 <= response.status < 500
        # A HEAD request is answered without a body.
        if not right or text not in (refusal or "served", ""):
            raise Finding(f"{where} {response.status}", f"{response.status} {text[:200]!r}")

    def timed(self, where: str, call: Callable[[], Any]) -> Any:
        """Call, giving None for an exception of ours; what is slow must be so three times more."""
        best_s = float("inf")
        outcome = None
        for _ in range(4):
            start = time.perf_counter()
            try:
                outcome = call()
            except self.errors.SlsadaptError:
                outcome = None
            except Exception as error:
                raise Finding(f"{where} {signature(error)}", explained(error)) from error
            best_s = min(best_s, time.perf_counter() - start)
            if best_s < self.limit_s:
                return outcome
        raise Finding(f"{where} slow", f"{where} took {best_s * 1000:.0f} ms at best")


def objects(event: Json) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Make the platforms' request objects of events that have their fields."""
    if not isinstance(event, dict):
        return
    makers = {"azure": azure_request, "gcp": flask_request, "alibaba_fc2": environ}
    for name, make in makers.items():
        try:
            make(event)
        except Exception:
            # The platform's library makes nothing of these fields.
            continue
        yield name, partial(make, event)


def azure_request(event: dict[str, Json]) -> Any:
    """Make an ``azure.functions.HttpRequest``, whose url the platform's worker writes."""
    request = import_module("azure.functions").HttpRequest
    maps = {name: event.get(name) for name in ("headers", "params", "route_params")}
    maps = {name: value for name, value in maps.items() if isinstance(value, dict)}
    return request(event["method"] + "", event["url"] + "", **maps, body=event["body"].encode())


def flask_request(event: dict[str, Json]) -> Any:
    """Make a ``flask.Request`` of an environ, whose variables are always text."""
    variables = {name: value for name, value in event.items() if type(value) is str}
    return import_module("flask").Request({"wsgi.url_scheme": "http"} | environ(variables))


def environ(event: dict[str, Json]) -> dict[str, Any]:
    """Make an environ, whose body is a stream."""
    stream = io.BytesIO(str(event.get("wsgi.input", "")).encode("utf-8", "replace"))
    needed = {name: event[name] for name in ("REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT")}
    return event | needed | {"wsgi.input": stream}


def signature(error: BaseException) -> str:
    """Name an exception by its type and the innermost line of slsadapt."""
    lines = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "slsadapt" in frame.filename
    ]
    return f"{type(error).__name__} {lines[-1] if lines else ''}"


def explained(error: BaseException) -> str:
    """Write an exception with its traceback."""
    return "".join(traceback.format_exception(error))[-3000:]


ENVIRON = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "/2016-08-15/proxy/shop/web",
    "PATH_INFO": "/orders/\u00e4",
    "QUERY_STRING": "a=1&a=2",
    "RAW_URI": "/orders/%C3%A4?a=1&a=2",
    "CONTENT_TYPE": "text/plain",
    "CONTENT_LENGTH": "5",
    "HTTP_HOST": "api.example.com:8443",
    "HTTP_X_FORWARDED_FOR": "192.0.2.66, 203.0.113.9",
    "HTTP_X_FORWARDED_PROTO": "https",
    "REMOTE_ADDR": "203.0.113.9",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8080",
    "fc.request_uri": "/2016-08-15/proxy/shop/web/orders/%C3%A4?a=1&a=2",
    "wsgi.url_scheme": "http",
    "wsgi.input": "hello",
}


# --- How events are mutated ---------------------------------------------------------------------

JUNK: list[Json] = [
    None, True, False, 0, 1, -1, 2**63, 1.5, float("nan"), 1e999, "", "x", "true", "false", "0",
    [], [[]], [None], [""], {}, {"": ""}, {"a": None}, {"a": []}, "\ud800", "é", "中", "\0",
    "\r\nx: y", "%", "%zz", "%2F", "%00", "//", "?", "#", "/..", "a b", "aGk=", "=", "&", ";",
    "[::1", "host:99999", "host:-1", "http://[", "[]", "{}", "{a}", "1.0", "2.0", "v1", "HEAD",
    "localhost:٣", "$default", "get", "text/plain; charset=x", "9" * 5000,
]  # fmt: skip


class Mutator:
    """Change events as JSON: fields set, taken out, doubled, retyped, and spliced from others."""

    def __init__(self, seeds: list[Json]) -> None:
        self.seeds = seeds
        self.pieces: dict[str, list[Json]] = {}
        for seed in seeds:
            for holder, key in places(seed):
                if isinstance(key, str):
                    self.pieces.setdefault(key, []).append(holder[key])
        self.names = [*self.pieces]

    def mutate(self, event: Json, random: random.Random) -> Json:
        """Return an event changed in one to four places."""
        for _ in range(random.choice((1, 1, 2, 3, 4))):
            found = [*places(event)]
            if not found:
                return copy.deepcopy(random.choice(self.seeds))
            holder, key = random.choice(found)
            random.choice(self.WAYS)(self, holder, key, random)
        return event

    def delete(self, holder: Json, key: Json, random: random.Random) -> None:
        """Take a field out."""
        del holder[key]

    def replace(self, holder: Json, key: Json, random: random.Random) -> None:
        """Set a field to what no gateway sends."""
        holder[key] = copy.deepcopy(random.choice(JUNK))

    def retype(self, holder: Json, key: Json, random: random.Random) -> None:
        """Write a field's value as another type does."""
        value = holder[key]
        ways: list[Callable[[], Json]] = [
            lambda: [value],
            lambda: {"a": value},
            lambda: str(value),
            lambda: len(str(value)),
            lambda: json.dumps(value),
            lambda: value == "true",
            lambda: [*value] if isinstance(value, (dict, str)) else {"": value},
        ]
        holder[key] = copy.deepcopy(random.choice(ways)())

    def double(self, holder: Json, key: Json, random: random.Random) -> None:
        """Repeat a field under another spelling of its name, or an item of a list."""
        value = copy.deepcopy(holder[key])
        if isinstance(holder, list):
            holder.insert(key, value)
        else:
            spellings = (key.upper(), key.title(), key.lower(), key + "_", key.replace("-", "_"))
            holder[random.choice(spellings)] = value

    def rename(self, holder: Json, key: Json, random: random.Random) -> None:
        """Move a field to a name that some gateway knows."""
        if isinstance(holder, dict):
            holder[random.choice(self.names)] = holder.pop(key)

    def splice(self, holder: Json, key: Json, random: random.Random) -> None:
        """Set a field as another event has it, the field itself or one beside it."""
        name = key if key in self.pieces else random.choice(self.names)
        where = name if isinstance(holder, dict) else key
        holder[where] = copy.deepcopy(random.choice(self.pieces[name]))

    def graft(self, holder: Json, key: Json, random: random.Random) -> None:
        """Add a field of another event."""
        if isinstance(holder, dict):
            name = random.choice(self.names)
            holder[name] = copy.deepcopy(random.choice(self.pieces[name]))

    def retext(self, holder: Json, key: Json, random: random.Random) -> None:
        """Change a text inside."""
        if isinstance(text := holder[key], str):
            at = random.randint(0, len(text))
            piece = random.choice([each for each in JUNK if isinstance(each, str)])
            holder[key] = text[:at] + piece + text[at + random.choice((0, 0, 1, len(piece))) :]

    def grow(self, holder: Json, key: Json, random: random.Random) -> None:
        """Make a text long, a list wide, an object broad or the whole deep."""
        value = holder[key]
        # So that a few of these together stay below INPUT_BYTES.
        times = min(random.choice((10, 100, 1000)), INPUT_BYTES // 4 // len(json.dumps(value)))
        if isinstance(value, (str, list)) and times:
            value = value * times
        elif isinstance(value, dict):
            value = {f"{name}{n}": value[name] for name in value for n in range(times)}
        else:
            for _ in range(min(times, 200)):
                value = [value]
        # Written out, lest the copies grow as one.
        holder[key] = json.loads(json.dumps(value))

    WAYS = (delete, replace, replace, retype, double, rename, splice, splice, graft, retext, grow)


def places(value: Json) -> Iterator[tuple[Json, Json]]:
    """Walk through a JSON value: each holder with each of its keys or indexes."""
    waiting = [value] if isinstance(value, (dict, list)) else []
    while waiting:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, member in pairs:
            yield holder, key
            if isinstance(member, (dict, list)):
                waiting.append(member)


def minimise(check: Check, data: bytes, finding: Finding) -> bytes:
    """Take out of an event all without which the same finding comes."""
    deadline = time.monotonic() + MINIMISE_S

    def still(candidate: bytes) -> bool:
        try:
            check(candidate)
        except Finding as again:
            return again.signature == finding.signature
        return False

    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        step = len(data) // 2
        while step and time.monotonic() < deadline:
            cuts = (data[:at] + data[at + step :] for at in range(0, len(data), step))
            shorter = next((cut for cut in cuts if still(cut)), None)
            data, step = (shorter, step) if shorter is not None else (data, step // 2)
        return data
    progress = isinstance(event, (dict, list))
    while progress and time.monotonic() < deadline:
        progress = False
        for holder, key in [*places(event)]:
            try:
                value = holder[key]
            except (KeyError, IndexError):
                continue
            del holder[key]
            if still(json.dumps(event).encode()):
                progress = True
                break
            if isinstance(holder, list):
                holder.insert(key, value)
            else:
                holder[key] = value
            half = len(value) // 2 if isinstance(value, str) else 0
            for part in (value[:half], value[half:]) if half else ():
                holder[key] = part
                if still(json.dumps(event).encode()):
                    progress = True
                    break
                holder[key] = value
            if progress:
                break
    return json.dumps(event).encode()


# --- Running ------------------------------------------------------------------------------------

# What libFuzzer prints as a matter of course.
CHATTER = ("INFO:", "stat::", "#", "WARNING:", "Done ", "\n")
# Inputs that no mutation of events comes to.
NO_EVENTS = (b"", b"\xff", b"null", b'"text"', b"[" * 50_000, b'{"a":' * 10_000)


def load_seeds() -> list[Json]:
    """Read every recorded event, and write the environ that two platforms send."""
    files = sorted(EVENTS.glob("*/*.json"))
    events = [each["event"] for file in files if "event" in (each := json.loads(file.read_text()))]
    return [*events, ENVIRON]


def fuzz(seconds: int, corpus: Path) -> None:
    """Run atheris in this process, which it ends; findings go to stderr and to files."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["slsadapt"]):
        target = Target(everything=False)
    mutator = Mutator(load_seeds())
    known: set[str] = set()

    def one_input(data: bytes) -> None:
        try:
            target.check(data)
        except Finding as finding:
            if finding.signature not in known:
                known.add(finding.signature)
                keep(target.check, data, finding)

    def custom_mutator(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.03:
            mutated: bytes = atheris.Mutate(data, size)
            return mutated
        try:
            event = mutator.mutate(json.loads(data), chance)
            written = json.dumps(event).encode()
        except (ValueError, TypeError, RecursionError):
            return json.dumps(chance.choice(mutator.seeds)).encode()[:size]
        return written if len(written) <= size else data

    options = [
        str(corpus),
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_BYTES}",
        f"-artifact_prefix={FOUND}/",
        "-timeout=10",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options], one_input, custom_mutator=custom_mutator)
    atheris.Fuzz()


def keep(check: Check, data: bytes, finding: Finding) -> None:
    """Write a finding's event, minimised, and say how to try it again."""
    FOUND.mkdir(parents=True, exist_ok=True)
    # How deep is too deep depends on the stack, so what recurses is kept as it is.
    is_deep = "RecursionError" in finding.signature
    small = data if is_deep else minimise(check, data, finding)
    file = FOUND / f"{hashlib.sha256(finding.signature.encode()).hexdigest()[:12]}.json"
    file.write_bytes(small)
    print(f"FINDING {finding.signature}\n{finding}", file=sys.stderr)
    print(f"try it again: {again(file)}", file=sys.stderr, flush=True)


def again(file: Path) -> str:
    """Write the command that tries one file."""
    return f"{sys.executable} {Path(__file__).relative_to(ROOT)} {file.relative_to(ROOT)}"


def watch(seconds: int) -> int:
    """Run the fuzzer in a process of its own and tell how it goes; return 1 on findings."""
    status = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
    FOUND.mkdir(parents=True, exist_ok=True)
    findings = 0
    last = ["0", "0", "0", "0"]
    told_s = started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slsadapt-fuzz-") as folder:
        seeds = [*[json.dumps(seed).encode() for seed in load_seeds()], *NO_EVENTS]
        for number, seed in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        command = [sys.executable, __file__, "--seconds", str(seconds), "--corpus", folder]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
        assert child.stderr is not None
        for line in child.stderr:
            if found := status.match(line):
                last = [*found.groups()]
                if time.monotonic() - told_s > 5:
                    told_s = time.monotonic()
                    tell(told_s - started_s, last, findings)
            elif line.startswith("stat::number_of_executed_units:"):
                last[0] = line.split()[1]
            elif not line.startswith(CHATTER):
                findings += line.startswith("FINDING")
                print(line, end="", flush=True)
        code = child.wait()
    tell(time.monotonic() - started_s, last, findings)
    if code:
        # It hung, or ran out of memory: libFuzzer has written down the input.
        newest = max(FOUND.iterdir(), key=lambda file: file.stat().st_mtime, default=FOUND)
        print(f"the fuzzer ended with {code}; try it again: {again(newest)}")
    return 1 if findings or code else 0


def tell(elapsed_s: float, last: list[str], findings: int) -> None:
    """Print one line of progress."""
    executions, coverage, features, kept = map(int, last)
    print(
        f"{elapsed_s:4.0f} s: {executions:,} executions, {executions / max(elapsed_s, 1):,.0f}/s, "
        f"coverage {coverage}, {features} features, {kept} inputs kept, {findings} findings",
        flush=True,
    )


def main() -> int:
    """Fuzz, or try files again; return 1 when something is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="events to try instead of fuzzing")
    parser.add_argument("--seconds", type=int, default=60, help="how long to fuzz")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.corpus:
        fuzz(options.seconds, options.corpus)
    if not options.files:
        return watch(options.seconds)
    target = Target()
    for file in options.files:
        try:
            target.check(file.read_bytes())
        except Finding as finding:
            print(f"{file}: {finding.signature}\n{finding}")
            return 1
        print(f"{file}: nothing to find")
    return 0


if __name__ == "__main__":
    sys.exit(main())
