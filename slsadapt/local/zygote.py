"""Start, watch and bury the processes of a local cloud's instances: a program of its own.

``spawner.py`` runs it as a script and talks to it through a Unix socket. It has no threads and no
event loop, so that it may fork; and when the socket is closed, for whatever reason, it kills all
that it has started. Both directions speak JSON, one object a line.

===========  ======================================================================================
request      meaning
===========  ======================================================================================
``start``    an ID. Start ``command`` in ``folder`` with ``environment``, or with no command a
             copy of this process that runs ``slsadapt.local.inside``. stdout and stderr come as
             descriptors, in the order of the requests. Answered by ``{"started": ID, "pid": ...}``
             or ``{"failed": ID, "error": ...}``, and later by ``{"ended": ID, "status": ...}``, an
             exit code or the negative number of a signal.
``preload``  an ID. Import what the function imports. Answered by ``{"preloaded": ID, ...}``.
===========  ======================================================================================

A copy is ready within milliseconds where this process has imported before what the function
imports. That is learned: a *scout*, a copy that is thrown away, imports the function, with all that
this does, and tells what was imported with it. Only what was installed counts (the standard
library, and folders of the import path with ``*.dist-info`` in them), never what may change as
somebody works: neither the function's folder nor packages that are linked to their source. Another
copy then *tries* these modules one by one; those that can be copied are imported here. Left out,
and so imported by each instance for itself, are modules that fail alone, that start a thread or a
process, open a file or a socket, set a signal handler, change the environment, or bring in what the
function's folder has under the same name.

What an interpreter reads when it starts is this process's in all copies: ``PYTHONHASHSEED`` and the
other ``PYTHON*`` variables, and the locale. So is what a library made up when it was imported, such
as a random number. https://man7.org/linux/man-pages/man2/fork.2.html lists what else is copied.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The folder of this script, whose modules have names that others have, too.
    del sys.path[0]

import gc
import json
import os
import selectors
import signal
import socket
import time
from functools import partial
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any, NoReturn

    JSON = dict[str, Any]
    Tell = Callable[[object], None]
    # Work for a copy of this process, answered by what it told and its status.
    Errand = Callable[[Tell], None]
    Told = tuple[list[Any], int]

__all__ = ["main"]

# What becomes of the terminal is the serving process's to decide; this one ends with its socket.
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)
_SIGNALS = tuple(signal.valid_signals())
# A fresh Python process ignores these two.
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
# How long an import may take in a scout or a trial, and all trials together.
_ERRAND_S = 30
_TRIALS_S = 60.0
_DESCRIPTORS = 64
_DESCRIPTORS_LIMIT = os.sysconf("SC_OPEN_MAX")
_READ_BYTES = 1 << 18
# https://man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# What an instance needs besides the function's own.
_OURS = ("slsadapt.local.inside", "slsadapt.handler", "slsadapt.testing.contexts")


def main() -> NoReturn:
    """Serve the socket whose number is the first argument until it is closed.

    The second is the standard error to use. That of the start is a pipe, as is standard output:
    Python's streams keep for good what they find, and copies of this process have pipes there.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(int(sys.argv[2]), 2)
    os.close(int(sys.argv[2]))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    # As Python has it where a program is given with -c, which is how an instance is spawned.
    sys.argv = ["-c"]
    try:
        Zygote(control).serve()
    finally:
        os._exit(1)


class Zygote:
    """The process from which all instances come.

    Args:
        control: a Unix socket, the other end of which is the serving process's.
    """

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)
        control.set_inheritable(False)
        self._control = control
        self._received = bytearray()
        self._descriptors: list[int] = []
        self._to_send = bytearray()
        # By the process's number: the ID of the request that started it.
        self._running: dict[int, int] = {}
        # By the process's number: where its start tells why it failed, until it has succeeded.
        self._starting: dict[int, int] = {}
        # By the process's number: where a copy on an errand tells, what it told, who waits for it.
        self._errands: dict[int, tuple[int, bytearray, Generator[Errand, Told, None]]] = {}
        self._prctl = _load_prctl()
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._pid = os.getpid()
        self._bare = len(sys.modules)
        self._wakeup, waker = socket.socketpair()
        self._waker = waker
        for end in (self._wakeup, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._exchange)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._bury)

    def serve(self) -> NoReturn:
        """Do what the serving process asks for, until it is gone."""
        try:
            while True:
                for key, _ in self._selector.select():
                    # One that came first may have closed what others are about.
                    if self._selector.get_map().get(key.fd) is key:
                        key.data()
        except (EOFError, ConnectionError):
            pass
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            self._kill_all()
            os._exit(0)

    # Talking with the serving process.

    def _exchange(self) -> None:
        """Send what waits for it, and do what has been asked for."""
        self._flush()
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._control, _READ_BYTES, _DESCRIPTORS)
        except BlockingIOError:
            return
        if not data or flags & socket.MSG_CTRUNC:
            raise EOFError
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        # In the order of the requests; they arrive no later than the first octet of theirs.
        self._descriptors += descriptors
        self._received += data
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "start" in request:
                self._start(request)
            else:
                self._go_on(self._preload(request), None)

    def _tell(self, message: JSON) -> None:
        self._to_send += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        was_waiting = self._selector.get_key(self._control).events & selectors.EVENT_WRITE
        try:
            while self._to_send:
                del self._to_send[: self._control.send(self._to_send)]
        except BlockingIOError:
            pass
        except OSError:
            # Nobody listens any more, which the next read tells.
            self._to_send.clear()
        if bool(self._to_send) != bool(was_waiting):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._to_send else 0)
            self._selector.modify(self._control, events, self._exchange)

    # Starting and burying.

    def _start(self, request: JSON) -> None:
        """Start a process, whose exec is waited for in the loop and not here."""
        stdout, stderr = self._descriptors[:2]
        del self._descriptors[:2]
        failure, why = os.pipe()
        try:
            pid = self._fork(lambda: self._become_instance(request, stdout, stderr, why))
        except OSError as error:
            os.close(failure)
            self._tell({"failed": request["start"], "error": f"cannot fork: {error.strerror}"})
        else:
            self._running[pid] = request["start"]
            self._starting[pid] = failure
            self._selector.register(failure, selectors.EVENT_READ, lambda: self._settle(pid))
        finally:
            for descriptor in (stdout, stderr, why):
                os.close(descriptor)

    def _settle(self, pid: int) -> None:
        """Tell whether a start has succeeded: its pipe is closed then, and nothing was written."""
        failure = self._starting.pop(pid)
        self._selector.unregister(failure)
        error = os.read(failure, _READ_BYTES)
        os.close(failure)
        if error:
            self._tell({"failed": self._running.pop(pid), "error": error.decode()})
        else:
            self._tell({"started": self._running[pid], "pid": pid})

    def _fork(self, live: Callable[[], NoReturn]) -> int:
        """Copy this process; the copy has a process group of its own, lives, and never returns."""
        # What signals the copy before its handlers are its own waits until they are.
        signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            pid = os.fork()
            if not pid:
                try:
                    os.setpgid(0, 0)
                    self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                    if os.getppid() == self._pid:
                        live()
                finally:
                    os._exit(1)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return pid

    def _become_instance(self, request: JSON, stdout: int, stderr: int, why: int) -> NoReturn:
        """Run the command, or our own client."""
        try:
            command, environment = request["command"], request["environment"]
            self._become_fresh(stdout, stderr, why, request["folder"])
            if command:
                for number in _PYTHON_IGNORES:
                    signal.signal(number, signal.SIG_DFL)
                os.execvpe(command[0], command, environment)  # noqa: S606 - what was asked for
            _become_python(environment)
        except BaseException as error:
            os.write(why, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
            os._exit(127)
        os.close(why)
        _run_inside()

    def _become_fresh(self, stdout: int, stderr: int, kept: int, folder: str) -> None:
        """Undo what is this process's, and not for its copy."""
        signal.set_wakeup_fd(-1)
        for number in (*_IGNORED, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        # What they belonged to here is never collected: the frames that know it never return.
        os.closerange(3, kept)
        os.closerange(kept + 1, _DESCRIPTORS_LIMIT)
        os.chdir(folder)

    def _bury(self) -> None:
        """Take leave of processes that have ended, and of what they left in their groups."""
        try:
            self._wakeup.recv(_READ_BYTES)
        except BlockingIOError:
            return
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._take_leave(pid, os.waitstatus_to_exitcode(status))

    def _take_leave(self, pid: int, status: int) -> None:
        if pid in self._running or pid in self._errands:
            _kill(os.killpg, pid)
        if pid in self._starting:
            self._settle(pid)
        if pid in self._running:
            self._tell({"ended": self._running.pop(pid), "status": status})
        elif pid in self._errands:
            self._finish_errand(pid, status)

    def _kill_all(self) -> None:
        """Kill all groups and, where the system tells of them, what has left its group."""
        for pid in (*self._running, *self._errands):
            _kill(os.killpg, pid)
        for pid in tuple(self._running):
            status = os.waitpid(pid, 0)[1]
            if pid in self._starting:
                self._settle(pid)
            if pid in self._running:
                ended = {"ended": self._running[pid], "status": os.waitstatus_to_exitcode(status)}
                self._tell(ended)
        while orphans := _children():
            for pid in orphans:
                _kill(os.kill, pid)
            for pid in orphans:
                os.waitpid(pid, 0)
        self._control.setblocking(True)
        self._flush()

    # Preloading.

    def _preload(self, request: JSON) -> Generator[Errand, Told, None]:
        """Import what the function imports; yields errands for copies of this process."""
        began = time.perf_counter()
        _set_environment(request["environment"])
        instance = request["instance"]
        error, left_out = "", []
        try:
            os.chdir(instance["folder"])
            dialect = f"slsadapt.gateways.{instance['dialect']}"
            for name in (*_OURS, dialect):
                import_module(name)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        else:
            told, status = yield partial(_scout, request)
            match told:
                case [{"error": error}]:
                    pass
                case [{"modules": modules}]:
                    left_out = yield from _import_tried(modules, instance["folder"])
                case _:
                    error = f"importing {instance['module']} {_how_it_ended(status)}"
        gc.collect()
        # A copy's collections leave alone what it has in common with all others.
        gc.freeze()
        self._tell(
            {
                "preloaded": request["preload"],
                "modules": len(sys.modules) - self._bare,
                "took_ms": (time.perf_counter() - began) * 1000,
                "left_out": left_out,
                "error": error,
            }
        )

    def _go_on(self, work: Generator[Errand, Told, None], told: Told | None) -> None:
        """Let work go on with what its errand told, and send out the next."""
        try:
            errand = next(work) if told is None else work.send(told)
        except StopIteration:
            return
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        pid = self._fork(lambda: self._run_errand(errand, writing))
        os.close(writing)
        self._errands[pid] = (reading, bytearray(), work)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._listen(pid))

    def _run_errand(self, errand: Errand, writing: int) -> NoReturn:
        null = os.open(os.devnull, os.O_WRONLY)
        # The end of a copy that hangs needs nobody who watches the clock.
        signal.setitimer(signal.ITIMER_REAL, _ERRAND_S)
        self._become_fresh(null, null, writing, os.getcwd())  # noqa: PTH109 - no pathlib here
        errand(lambda told: _write_all(writing, json.dumps(told).encode() + b"\n"))
        os._exit(0)

    def _listen(self, pid: int) -> None:
        reading, told, _ = self._errands[pid]
        try:
            data = os.read(reading, _READ_BYTES)
        except BlockingIOError:
            return
        told += data
        if not data:
            self._selector.unregister(reading)

    def _finish_errand(self, pid: int, status: int) -> None:
        reading, told, work = self._errands[pid]
        while reading in self._selector.get_map():
            before = len(told)
            self._listen(pid)
            if len(told) == before and reading in self._selector.get_map():
                # Something that has left the group still holds the other end.
                self._selector.unregister(reading)
        os.close(reading)
        del self._errands[pid]
        # The last line is whole or empty.
        *lines, _ = bytes(told).split(b"\n")
        self._go_on(work, ([json.loads(line) for line in lines], status))


def _run_inside() -> NoReturn:
    """Run our own client, and end as a Python process does."""
    status = 0
    try:
        from slsadapt.local import inside

        inside.main()
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        elif end.code is not None:
            sys.stderr.write(f"{end.code}\n")
            status = 1
    except BaseException as error:
        # From where the client's own lines begin.
        trace = error.__traceback__
        error = error.with_traceback(trace and trace.tb_next)
        sys.excepthook(type(error), error, error.__traceback__)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    try:
        if threading := sys.modules.get("threading"):
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = status or 120
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


def _become_python(environment: dict[str, str]) -> None:
    """Make of a copy what a new interpreter would be."""
    time_zone = os.environ.get("TZ")
    _set_environment(environment)
    if environment.get("TZ") != time_zone:
        time.tzset()
    # A module of the function must not be found to be this script.
    sys.modules["__main__"] = type(sys)("__main__")
    sys.modules["__main__"].__dict__["__builtins__"] = __builtins__
    # Python's own random numbers begin anew in each copy, by random's own care; numpy's do not.
    if numpy := sys.modules.get("numpy.random"):
        numpy.seed()


def _set_environment(environment: dict[str, str]) -> None:
    """Make the environment what is given; little of it differs as a rule, and each takes long."""
    for name in [name for name in os.environ if name not in environment]:
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _scout(request: JSON, tell: Tell) -> None:
    """Import the function as an instance does, and tell all modules and their files."""
    from slsadapt.local import inside
    from slsadapt.runtime.failures import describe

    _become_python(request["environment"])
    try:
        inside._load(request["instance"])
    except BaseException as error:
        described = describe(error)
        tell({"error": f"{described['errorType']}: {described['errorMessage']}"})
        return
    tell({"modules": [[name, _file(name)] for name in tuple(sys.modules)]})


def _import_tried(modules: list[list[str]], folder: str) -> Generator[Errand, Told, list[str]]:
    """Import the installed ones of the modules that can be copied; give the others' names."""
    files: dict[str, str] = dict(modules)
    roots = _library_roots(folder)
    to_try = [
        name
        for name, file in files.items()
        if name not in sys.modules and file and _is_installed(name, file, roots)
    ]
    left_out: list[str] = []
    until = time.monotonic() + _TRIALS_S
    while to_try and time.monotonic() < until:
        # Until the first that cannot be copied: this process stays as if it had not been tried.
        told, _ = yield partial(_try, to_try, files, folder)
        good = [name for name, is_good in told if is_good]
        left_out += _import_quietly(good)
        # One that ended the process told nothing.
        left_out += to_try[len(good) : len(good) + 1]
        to_try = [name for name in to_try[len(good) + 1 :] if name not in sys.modules]
    # Some of them came with others in the end.
    return [name for name in [*left_out, *to_try] if name not in sys.modules]


def _try(names: list[str], files: dict[str, str], folder: str, tell: Tell) -> None:
    """Import modules, and tell of each whether it can be copied, up to the first that cannot."""
    # What the function's folder has, an import there would find first.
    theirs = {name.partition(".")[0] for name in os.listdir(folder)}  # noqa: PTH208
    before = _uncopied()
    for name in names:
        known = set(sys.modules)
        try:
            import_module(name)
        except BaseException:
            is_good = False
        else:
            is_good = _uncopied() == before and all(
                _file(new) == files[new] if new in files else new.partition(".")[0] not in theirs
                for new in set(sys.modules) - known
            )
        tell([name, is_good])
        if not is_good:
            return


def _import_quietly(names: Iterable[str]) -> list[str]:
    """Import modules without what they print; give the names of those that fail."""
    failed = []
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        for name in names:
            try:
                import_module(name)
            except Exception:
                failed.append(name)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
    return failed


def _uncopied() -> list[object]:
    """Describe what a copy of this process does not have, or has in common with it."""
    import _thread

    try:
        os.waitpid(-1, os.WNOHANG)
        has_children = True
    except ChildProcessError:
        has_children = False
    return [
        _thread._count(),
        # Also those that Python knows nothing of.
        len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1,  # noqa: PTH208
        has_children,
        _open_descriptors(),
        [signal.getsignal(number) for number in _SIGNALS],
        dict(os.environ),
        os.getcwd(),  # noqa: PTH109
    ]


def _file(name: str) -> str:
    """Tell the file of a module that could be imported under its name, else ``""``."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is None or spec.name != name or not spec.has_location:
        return ""
    return spec.origin or ""


def _library_roots(folder: str) -> list[str]:
    """Tell where installed modules stand, each folder with a slash at its end."""
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    # Perhaps in a virtual environment in the function's folder.
    roots = {sysconfig.get_path(name) for name in names}
    for entry in sys.path:
        if not os.path.isdir(entry) or f"{entry}/".startswith(f"{folder}/"):  # noqa: PTH112
            continue
        if any(name.endswith(".dist-info") for name in os.listdir(entry)):  # noqa: PTH208
            roots.add(entry)
    return [f"{root}/" for root in roots]


def _is_installed(name: str, file: str, roots: list[str]) -> bool:
    return name.partition(".")[0] == "slsadapt" or any(file.startswith(root) for root in roots)


def _open_descriptors() -> set[int]:
    """List the open descriptors, without the one that reads the list."""
    found = set()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - no pathlib here
        descriptor = int(name)
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.add(descriptor)
    return found


def _children() -> list[int]:
    """List the processes whose parent this is, [] where the system does not tell."""
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/children") as file:  # noqa: PTH123
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _kill(kill: Callable[[int, int], None], pid: int) -> None:
    try:
        kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS: permission is what a group of the dead denies.
        pass


def _load_prctl() -> Callable[[int, int], object]:
    """Give Linux's prctl, elsewhere what does nothing."""
    if sys.platform != "linux":
        return lambda option, value: None
    try:
        from ctypes import CDLL
    except ImportError:
        return lambda option, value: None
    prctl: Callable[[int, int], object] = CDLL(None).prctl
    return prctl


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGALRM:
        return f"took longer than {_ERRAND_S} s"
    return f"ended the process by signal {-status}" if status < 0 else "ended the process"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
