"""Run the tests on every other supported Python of this machine.

Looks on PATH and under pyenv for Python 3.10 to 3.14, gives each minor version but the running
one a virtual environment ``.venv-3.N`` of its own, and runs the tests there without coverage, those
excepted that are marked ``once``, as many at once as there are processors. What each prints comes
when it is done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

MINORS = range(10, 15)
ROOT = Path(__file__).resolve().parent.parent


def find() -> dict[int, str]:
    """Return an interpreter's path by minor version, for those that start."""
    found: dict[int, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += sorted(map(str, pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")))
        for candidate in filter(None, candidates):
            # A pyenv shim may be on PATH for a version that is not switched on; venv may be
            # missing from a distribution's Python.
            check = subprocess.run(
                [candidate, "-c", "import sys, venv, ensurepip; print(sys.version_info[1])"],
                capture_output=True,
                text=True,
            )
            if check.returncode == 0 and check.stdout.strip() == str(minor):
                found[minor] = candidate
                break
    return found


def prepare(python: str, minor: int) -> Path:
    """Return the interpreter of an up-to-date virtual environment."""
    venv = ROOT / f".venv-3.{minor}"
    stamp = venv / ".installed"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    interpreter = venv / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run(
            [interpreter, "-m", "pip", "--quiet", "install", "--editable", f"{ROOT}[test]"],
            check=True,
        )
        stamp.write_text(wanted)
    return interpreter


def run(python: str, minor: int) -> subprocess.CompletedProcess[str]:
    """Run the tests on one Python; give what they print and how they end."""
    return subprocess.run(
        [
            *(str(prepare(python, minor)), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-m", "not once"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main() -> int:
    """Run the tests everywhere; return 1 when any Python fails."""
    others = {minor: path for minor, path in find().items() if minor != sys.version_info[1]}
    if not others:
        print("no other supported Python found")
    failed = []
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        runs = {executor.submit(run, python, minor): minor for minor, python in others.items()}
        print(f"running on Python {', '.join(f'3.{minor}' for minor in others)} ...", flush=True)
        for each in as_completed(runs):
            minor, done = runs[each], each.result()
            print(f"Python 3.{minor}: {others[minor]}\n{done.stdout}", flush=True)
            if done.returncode:
                failed.append(minor)
    if failed:
        print(f"tests failed on Python {', '.join(f'3.{minor}' for minor in sorted(failed))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
