"""Processes of instances: how they begin, what they find, how they end, and that all of them do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import psutil
import pytest

from slsadapt.errors import LocalError
from slsadapt.local.function import Function
from slsadapt.local.spawner import Preloaded, Process, Spawner

Cold = Literal["spawn", "fork"]

# Serves one event, and gives (address, answers).
Serve = Callable[[bytes], tuple[str, list[bytes]]]

SAMPLES = Path(__file__).parents[2] / "samples"
COLD = pytest.mark.parametrize("cold", ["spawn", "fork"])
# Long enough for all that is done to what sleeps so long.
SLEEP = ("sleep", "600")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a function's folder; what tests write into it needs no bytecode to be fresh."""
    path = tmp_path / "shop"
    path.mkdir()
    return path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of installed modules."""
    path = tmp_path / "site"
    (path / "shelves-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(path))
    return path


@asynccontextmanager
async def opened(
    folder: Path, cold: Cold = "spawn", module: str = "index", name: str = "main_handler"
) -> AsyncIterator[Spawner]:
    function = Function(label="shop", folder=folder, module=module, name=name, dialect="aws_rest")
    spawner = await Spawner.open(cold, function)
    try:
        yield spawner
    finally:
        await spawner.close()


def instance(folder: Path, runtime_api: str = "127.0.0.1:1", **environment: str) -> dict[str, str]:
    """Write an instance's environment; no Runtime API answers but where one is given."""
    inside = {
        "runtime_api": runtime_api,
        "instance": "1",
        "folder": str(folder),
        "module": "index",
        "name": "main_handler",
        "is_handler": True,
        "dialect": "aws_rest",
        "function_name": "shop",
        "timeout_s": 3,
        "memory_mb": 128,
        "concurrency": 1,
        "base_path": "",
        "debug_port": None,
    }
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "SLSADAPT_INSTANCE": json.dumps(inside), **environment}


def write(path: Path, text: str) -> None:
    """Write a module; its size changes with its text, so that no bytecode of it is taken."""
    path.write_text(dedent(text))


async def finish(process: Process) -> tuple[int, str, str]:
    """Wait for the end: the status, and what was written."""
    status = await process.ended
    return status, drain(process.stdout), drain(process.stderr)


def drain(descriptor: int) -> str:
    """Read what is in a pipe, and close it."""
    with open(descriptor, "rb") as file:
        return (file.read() or b"").decode()


async def read_line(descriptor: int) -> str:
    """Wait for a line, and leave the pipe open."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            line += os.read(descriptor, 1)
        except BlockingIOError:
            await asyncio.sleep(0.005)
    return line.decode().strip()


def close(*processes: Process) -> None:
    for process in processes:
        os.close(process.stdout)
        os.close(process.stderr)


def wait_until_gone(*pids: int) -> None:
    """Return when none of these processes runs any more; one that does not end hangs the test."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.005)


async def run(
    folder: Path, cold: Cold, environment: Mapping[str, str], command: Sequence[str] = ()
) -> tuple[int, str, str]:
    async with opened(folder, cold) as spawner:
        return await finish(await spawner.start(environment, command))


# What a process finds.


@COLD
def test_environment_is_what_is_given(
    folder: Path, cold: Cold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_ONLY", "1")
    monkeypatch.setenv("COLOUR", "red")
    write(
        folder / "index.py",
        """
        import os
        print(os.environ.get("SERVER_ONLY"), os.environ["COLOUR"])
        os.system("echo $SERVER_ONLY $COLOUR")
        os._exit(0)
        """,
    )
    status, stdout, stderr = asyncio.run(run(folder, cold, instance(folder, COLOUR="blau, 蓝")))
    assert (status, stdout, stderr) == (0, "None blau, 蓝\nblau, 蓝\n", "")


@COLD
def test_process_begins_as_a_new_interpreter_does(folder: Path, cold: Cold) -> None:
    write(
        folder / "index.py",
        """
        import json, os, signal, sys
        print(json.dumps({
            "cwd": os.getcwd(),
            "path": sys.path[0],
            "argv": sys.argv,
            "stdin": sys.stdin.read(),
            "open": sorted(map(int, os.listdir("/dev/fd")))[:-1],
            "leads": os.getpgid(0) == os.getpid(),
            "main": [name for name in vars(sys.modules["__main__"]) if name == "Zygote"],
            "quit": signal.getsignal(signal.SIGQUIT) == signal.SIG_DFL,
            "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
            "pipe": signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
            "masked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        }))
        os._exit(0)
        """,
    )
    status, stdout, stderr = asyncio.run(run(folder, cold, instance(folder)))
    assert (status, stderr) == (0, "")
    assert json.loads(stdout) == {
        "cwd": str(folder),
        "path": str(folder),
        "argv": ["-c"],
        "stdin": "",
        "open": [0, 1, 2],
        "leads": True,
        "main": [],
        "quit": True,
        "child": True,
        "pipe": True,
        "masked": 0,
    }


def test_command_begins_with_all_signals_as_the_system_has_them(folder: Path) -> None:
    # Of /proc/self/status: hexadecimal, a bit a signal.
    command = ["sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status; pwd; ls /proc/self/fd"]
    if sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    status, stdout, _ = asyncio.run(run(folder, "spawn", instance(folder), command))
    assert status == 0
    blocked, ignored, *rest = stdout.splitlines()
    # Signals 32 and 33 are the C library's own, which nobody can set.
    masks = [int(line.split()[1], 16) & ~(0b11 << 31) for line in (blocked, ignored)]
    assert masks == [0, 0]
    # The fourth is the folder that ls reads.
    assert rest == [str(folder), "0", "1", "2", "3"]


@pytest.mark.parametrize("module", ["random", "numpy.random"])
def test_forks_have_random_numbers_of_their_own(folder: Path, module: str) -> None:
    write(
        folder / "index.py",
        f"""
        import sys; was_imported = "{module}" in sys.modules
        import {module} as source; print(was_imported, source.random()); main_handler = print
        """,
    )
    # With threads it would be left to each instance.
    environment = instance(folder, OPENBLAS_NUM_THREADS="1")

    async def numbers() -> set[str]:
        async with opened(folder, "fork") as spawner:
            assert not (await spawner.preload(environment)).error
            started = [await spawner.start(environment) for _ in range(3)]
            return {(await finish(process))[1] for process in started}

    told = asyncio.run(numbers())
    assert len(told) == 3
    assert all(each.startswith("True ") for each in told)


# How it ends.


@COLD
@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("raise SystemExit(3)", 3, id="exit code"),
        pytest.param("raise SystemExit", 0, id="exit without a code"),
        pytest.param("raise SystemExit('closed')", 1, id="exit with a message"),
        pytest.param("import os; os._exit(9)", 9, id="os._exit"),
        pytest.param("import os; os.kill(os.getpid(), 11)", -11, id="segmentation fault"),
        pytest.param("raise KeyboardInterrupt", -2, id="interrupt"),
        pytest.param("raise GeneratorExit('odd')", 1, id="exception of no runtime"),
    ],
)
def test_status_is_python_s(folder: Path, cold: Cold, code: str, status: int) -> None:
    write(folder / "index.py", code)
    assert asyncio.run(run(folder, cold, instance(folder)))[0] == status


@COLD
def test_uncaught_exception_is_told_on_stderr(folder: Path, cold: Cold) -> None:
    write(folder / "index.py", "class Closed(BaseException): ...\nraise Closed('at night')")
    status, _, stderr = asyncio.run(run(folder, cold, instance(folder)))
    assert status == 1
    assert stderr.startswith("Traceback (most recent call last):\n")
    assert "zygote" not in stderr
    assert stderr.endswith("\nindex.Closed: at night\n")


@COLD
def test_threads_and_exit_handlers_come_to_their_end(folder: Path, cold: Cold) -> None:
    write(
        folder / "index.py",
        """
        import atexit, sys, threading
        atexit.register(print, "goodbye")
        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), print("thread"))).start()
        print("hello")
        threading.Timer(0.01, go.set).start()
        sys.exit()
        """,
    )
    status, stdout, stderr = asyncio.run(run(folder, cold, instance(folder)))
    assert (status, stdout, stderr) == (0, "hello\nthread\ngoodbye\n", "")


@COLD
def test_signal_reaches_what_the_process_has_started(folder: Path, cold: Cold) -> None:
    async def scenario() -> tuple[int, int]:
        async with opened(folder, cold) as spawner:
            command = ["sh", "-c", "sleep 600 & echo $!; wait"]
            process = await spawner.start(instance(folder), command)
            grandchild = int(await read_line(process.stdout))
            process.signal(signal.SIGTERM)
            status = await process.ended
            # It is gone, and no error.
            process.signal(signal.SIGTERM)
            wait_until_gone(grandchild)
            close(process)
            return status, grandchild

    assert asyncio.run(scenario())[0] == -signal.SIGTERM


def test_end_of_the_process_ends_its_group(folder: Path) -> None:
    async def scenario() -> int:
        async with opened(folder) as spawner:
            process = await spawner.start(instance(folder), ["sh", "-c", "sleep 600 & echo $!"])
            status = await process.ended
            wait_until_gone(int(drain(process.stdout)))
            os.close(process.stderr)
            return status

    assert asyncio.run(scenario()) == 0


@pytest.mark.parametrize(
    ("command", "why"),
    [
        pytest.param("no-such-command", "No such file", id="not found"),
        pytest.param("./index.py", "Permission denied", id="not executable"),
    ],
)
def test_command_that_cannot_be_started_is_told(folder: Path, command: str, why: str) -> None:
    write(folder / "index.py", "")
    with pytest.raises(LocalError, match=f"{command} cannot be started in {folder}: .*{why}"):
        asyncio.run(run(folder, "spawn", instance(folder), [command]))


def test_folder_that_is_gone_is_told(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(LocalError, match=r"a copy .* cannot be started in .*No such file"):
        asyncio.run(run(folder, "fork", instance(folder)))


# That nothing is left behind.


def test_fifty_starts_leave_neither_zombies_nor_descriptors(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as spawner:
            zygote = psutil.Process().children()[-1]
            await finish(await spawner.start(instance(folder), ["true"]))
            before = zygote.num_fds(), psutil.Process().num_fds()
            processes = await asyncio.gather(
                *(spawner.start(instance(folder), ["true"]) for _ in range(50))
            )
            assert [await process.ended for process in processes] == [0] * 50
            close(*processes)
            for _ in range(5):
                with pytest.raises(LocalError):
                    await spawner.start({}, ["/no/such/command"])
            while zygote.children():
                await asyncio.sleep(0.005)
            assert (zygote.num_fds(), psutil.Process().num_fds()) == before

    before = psutil.Process().num_fds()
    asyncio.run(scenario())
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []


@COLD
def test_close_kills_what_is_left(folder: Path, cold: Cold) -> None:
    async def scenario() -> tuple[int, list[int]]:
        async with opened(folder, cold) as spawner:
            process = await spawner.start(instance(folder), SLEEP)
            pids = [process.pid]
            if sys.platform == "linux":
                # A daemon: it has left its group, its session, and its parent.
                daemon = ["sh", "-c", "setsid sh -c 'sleep 600 & echo $!' >&1; exec sleep 600"]
                other = await spawner.start(instance(folder), daemon)
                pids += [other.pid, int(await read_line(other.stdout))]
                close(other)
        close(process)
        return await process.ended, pids

    status, pids = asyncio.run(scenario())
    assert status == -signal.SIGKILL
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_close_ends_preloading(folder: Path) -> None:
    write(
        folder / "index.py",
        """
        import os, time
        from pathlib import Path
        Path("began.new").write_text(str(os.getpid()))
        Path("began.new").rename("began")
        time.sleep(600)
        """,
    )

    async def scenario() -> int:
        async with opened(folder, "fork") as spawner:
            preloading = asyncio.ensure_future(spawner.preload())
            while not (folder / "began").exists():
                await asyncio.sleep(0.005)
        with pytest.raises(LocalError, match="nothing can be preloaded: the process .* has ended"):
            await preloading
        return int((folder / "began").read_text())

    assert not psutil.pid_exists(asyncio.run(scenario()))


def test_process_that_nobody_waits_for_is_killed(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as spawner:
            zygote = psutil.Process().children()[-1]
            waiting = asyncio.ensure_future(spawner.start(instance(folder), SLEEP))
            await asyncio.sleep(0)
            waiting.cancel()
            # Processes are forked in the order of the requests.
            close(other := await spawner.start(instance(folder), SLEEP))
            while [each.pid for each in zygote.children()] != [other.pid]:
                await asyncio.sleep(0.005)

    before = psutil.Process().num_fds()
    asyncio.run(scenario())
    assert psutil.Process().num_fds() == before


SERVER = """
import asyncio, os, sys
from pathlib import Path
from slsadapt.local.function import Function
from slsadapt.local.spawner import Spawner

async def main():
    function = Function(
        label="", folder=Path(sys.argv[1]), module="index", name="main_handler", dialect="aws_rest"
    )
    spawner = await Spawner.open("fork", function)
    forked = await spawner.start(dict(os.environ))
    # Ignores what is said to it nicely.
    stubborn = await spawner.start({**os.environ}, ["sh", "-c", "trap '' TERM HUP; sleep 600"])
    print(spawner._zygote.pid, forked.pid, stubborn.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("victim", ["server", "zygote"])
def test_nothing_survives_a_kill(folder: Path, victim: str) -> None:
    write(folder / "index.py", "import time; time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        env={**os.environ, **instance(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        zygote, *pids = map(int, server.stdout.readline().split())
        os.kill(server.pid if victim == "server" else zygote, signal.SIGKILL)
        wait_until_gone(zygote, *pids)
        server.kill()


def test_end_of_the_zygote_is_told(folder: Path) -> None:
    async def scenario() -> int:
        async with opened(folder) as spawner:
            process = await spawner.start(instance(folder), SLEEP)
            psutil.Process().children()[-1].kill()
            status = await process.ended
            close(process)
            with pytest.raises(LocalError, match="has ended; start anew"):
                await spawner.start(instance(folder), SLEEP)
            return status

    before = psutil.Process().num_fds()
    assert asyncio.run(scenario()) == -signal.SIGKILL
    assert psutil.Process().num_fds() == before


def test_zygote_that_does_not_run_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no libraries >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    before = psutil.Process().num_fds()
    with pytest.raises(LocalError, match="has ended: no libraries$"):
        asyncio.run(run(folder, "fork", instance(folder)))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(LocalError, match="none cannot be started: No such file"):
        asyncio.run(run(folder, "fork", instance(folder)))
    assert psutil.Process().num_fds() == before


def test_server_on_uvloop_starts_processes(folder: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> list[tuple[int, str, str]]:
        async with opened(folder) as spawner:
            # More than a socket takes at once.
            environment = {"PATH": os.environ["PATH"], "PADDING": "x" * 100_000}
            starts = (spawner.start(environment, ["echo", str(n)]) for n in range(20))
            return [await finish(process) for process in await asyncio.gather(*starts)]

    loop = uvloop.new_event_loop()
    try:
        told = loop.run_until_complete(scenario())
    finally:
        loop.close()
    assert told == [(0, f"{n}\n", "") for n in range(20)]


# What forks find imported.


def preloaded_in(
    folder: Path, module: str = "index", name: str = "main_handler", **environment: str
) -> tuple[Preloaded, set[str]]:
    """Preload; give what that told, and the modules that a fork has before the function's own.

    The function's module prints them.
    """

    async def scenario() -> tuple[Preloaded, set[str]]:
        async with opened(folder, "fork", module, name) as spawner:
            preloaded = await spawner.preload(instance(folder, **environment))
            _, stdout, _ = await finish(await spawner.start(instance(folder, **environment)))
            return preloaded, set(stdout.split())

    return asyncio.run(scenario())


TELL = "import sys; print(*sys.modules)\n"


def test_framework_is_preloaded_and_the_function_is_not(folder: Path) -> None:
    write(folder / "prices.py", "import decimal")
    write(
        folder / "index.py",
        TELL + "import flask, prices\nmain_handler = flask.Flask(__name__)",
    )
    preloaded, modules = preloaded_in(folder)
    assert preloaded.error == ""
    assert preloaded.left_out == ()
    # The second is imported by the function's own module, the rest is ours.
    assert {
        "flask.app",
        "decimal",
        "slsadapt.local.inside",
        "slsadapt.handler",
        "slsadapt.gateways.aws_rest",
    } <= modules
    assert not {"prices"} & modules
    # A bare interpreter has some of the modules, too.
    assert 100 < preloaded.modules < len(modules)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()",
            id="thread",
        ),
        pytest.param("import subprocess; p = subprocess.Popen(['sleep', '600'])", id="process"),
        pytest.param("f = open(__file__)", id="file"),
        pytest.param("import asyncio; loop = asyncio.new_event_loop()", id="event loop"),
        pytest.param("import signal; signal.signal(2, print)", id="signal handler"),
        pytest.param("import os; os.environ['SHELVES'] = '2'", id="environment"),
        pytest.param("import os, index", id="function's module"),
    ],
)
def test_module_that_a_fork_does_not_copy_is_left_out(folder: Path, site: Path, code: str) -> None:
    write(site / "shelves.py", code)
    # What imports it goes the same way, and what comes after it does not.
    write(site / "cupboards.py", "import shelves")
    write(site / "tables.py", "")
    write(folder / "index.py", TELL + "import cupboards, shelves, tables\nmain_handler = print")
    preloaded, modules = preloaded_in(folder)
    assert preloaded.error == ""
    assert preloaded.left_out == ("shelves", "cupboards")
    assert {"cupboards", "shelves", "tables"} & modules == {"tables"}


def test_module_that_fails_alone_is_left_out(folder: Path, site: Path) -> None:
    write(site / "settings.py", "name = ''")
    write(site / "models.py", "import settings, tables\nif not settings.name: raise ValueError")
    write(site / "tables.py", "")
    write(
        folder / "index.py",
        TELL + "import settings\nsettings.name = 'shop'\nimport models\nmain_handler = print",
    )
    preloaded, modules = preloaded_in(folder)
    assert (preloaded.left_out, preloaded.error) == (("models",), "")
    assert {"models", "settings", "tables"} & modules == {"settings", "tables"}


def test_module_that_ends_the_process_is_left_out(folder: Path, site: Path) -> None:
    write(site / "models.py", "import os, sys\nif 'index' not in sys.modules: os._exit(3)")
    write(site / "tables.py", "")
    write(folder / "index.py", TELL + "import models, tables\nmain_handler = print")
    preloaded, modules = preloaded_in(folder)
    assert (preloaded.left_out, preloaded.error) == (("models",), "")
    assert {"models", "tables"} & modules == {"tables"}


def test_installed_module_does_not_take_the_place_of_the_function_s(
    folder: Path, site: Path
) -> None:
    write(site / "prices.py", "origin = 'site'")
    write(site / "shelves.py", "import prices")
    write(folder / "prices.py", "origin = 'folder'")
    write(folder / "index.py", "import shelves\nprint(shelves.prices.origin)\nmain_handler = print")
    preloaded, told = preloaded_in(folder)
    assert preloaded.left_out == ("shelves",)
    assert told == {"folder"}


def test_environment_of_the_function_decides_what_it_imports(folder: Path) -> None:
    write(
        folder / "index.py",
        TELL + "import os\nif os.environ.get('MONEY'): import decimal\nmain_handler = print",
    )
    assert "decimal" not in preloaded_in(folder)[1]
    assert "decimal" in preloaded_in(folder, MONEY="1")[1]


def test_package_that_is_linked_to_its_source_is_not_preloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(source))
    write(source / "shelves.py", "import decimal")
    write(folder / "index.py", TELL + "import shelves\nmain_handler = print")
    preloaded, modules = preloaded_in(folder)
    assert preloaded.left_out == ()
    assert {"shelves", "decimal"} & modules == {"decimal"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(
            "def f(:", r"UserCodeSyntaxError: Syntax error in module 'index': .*line 1", id="syntax"
        ),
        pytest.param("import no_such", "Unable to import module 'index': No module", id="import"),
        pytest.param("1 / 0", "^ZeroDivisionError: division by zero$", id="exception"),
        pytest.param("import os; os._exit(0)", "^importing index ended the process$", id="exit"),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)",
            "^importing index ended the process by signal 9$",
            id="signal",
        ),
    ],
)
def test_function_that_cannot_be_imported_is_told_and_may_be_mended(
    folder: Path, code: str, error: str
) -> None:
    async def scenario() -> list[Preloaded]:
        async with opened(folder, "fork") as spawner:
            write(folder / "index.py", code)
            first = await spawner.preload()
            write(folder / "index.py", "import decimal\nmain_handler = print  # it works now")
            return [first, await spawner.preload()]

    broken, mended = asyncio.run(scenario())
    assert re.search(error, broken.error)
    assert mended.error == ""
    assert mended.modules > broken.modules


@pytest.fixture
def runtime_api() -> Iterator[Serve]:
    """Give a function that serves one event to whoever asks first."""
    servers: list[ThreadingHTTPServer] = []

    def serve(event: bytes) -> tuple[str, list[bytes]]:
        events, answers = [event], []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = events.pop() if events else b""
                self.send_response(200 if body else 500)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "5c4ab3")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(2**42))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                answers.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *values: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}", answers

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.once
def test_django_answers_after_preloading(tmp_path: Path, runtime_api: Serve) -> None:
    folder = SAMPLES / "django_app"
    address, answers = runtime_api((folder / "events" / "home.json").read_bytes())
    environment = instance(folder, address, GUESTBOOK_DIR=str(tmp_path))

    async def scenario() -> tuple[Preloaded, str]:
        async with opened(folder, "fork") as spawner:
            preloaded = await spawner.preload(environment)
            _, _, stderr = await finish(await spawner.start(environment))
            return preloaded, stderr

    preloaded, stderr = asyncio.run(scenario())
    assert preloaded.error == ""
    # It needs the settings, which are the function's own.
    assert "django.contrib.auth.models" in preloaded.left_out
    assert len(answers) == 1, stderr
    result = json.loads(answers[0])
    assert (result["statusCode"], "<title>" in result["body"]) == (200, True)
