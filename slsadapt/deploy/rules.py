"""What of an application and of its dependencies is left out of a package.

An application's files are chosen by patterns as in ``.gitignore``: first those of ``DEFAULTS``,
then the lines of the project's ``.slsignore``. As in git the last pattern that matches decides,
``!pattern`` brings something back, and nothing comes back out of a folder that is left out: bring
back the folder first.

Of the dependencies these are dropped:

- folders that are called exactly ``tests``, unless code outside of them imports them (as astropy
  does with its own). ``django.test`` and ``numpy.testing`` are other names.
- stubs, ``*.pyi``, unless the module beside them loads them (``lazy_loader.attach_stub``).
- the scripts that installing made in ``bin``, and what it wrote of itself: which installer, from
  which folder of this machine. ``RECORD`` keeps the lines of the files that are left; the rest of
  ``*.dist-info`` stays, for ``importlib.metadata`` and entry points.
"""

from __future__ import annotations

import ast
import csv
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from ..errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFAULTS", "IGNORE_FILE", "INSTALLERS_OWN", "choose_files", "drop_unneeded"]

IGNORE_FILE = ".slsignore"

DEFAULTS = """\
.git/
.hg/
.svn/
.gitignore
.gitattributes
.github/
.gitlab-ci.yml
.idea/
.vscode/
.DS_Store
.slsignore
.dockerignore
Dockerfile

__pycache__/
*.py[co]
*.egg-info/
.venv/
venv/
node_modules/
/build/
/dist/

tests/
test_*.py
*_test.py
conftest.py
pytest.ini
tox.ini
noxfile.py
.coverage
.coverage.*
.hypothesis/
.mypy_cache/
.nox/
.pytest_cache/
.ruff_cache/
.tox/
/cassettes/

.env
.env.*
db.sqlite3
db.sqlite3-journal

/serverless.yml
/s.yaml
/template.yaml
/samconfig.toml
.aws-sam/
.s/
.serverless/
"""

# What installers write of themselves beside a distribution's metadata.
INSTALLERS_OWN = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}


def choose_files(folder: Path) -> tuple[PurePosixPath, ...]:
    """List the files of an application that land in its package, sorted.

    Links are followed where they stay in the folder. A folder with a ``pyvenv.cfg`` is a virtual
    environment, whatever its name, and is left out.

    Raises:
        PackageError: a link leaves the folder or goes in circles, something is neither file nor
            folder, or a name is no text.
    """
    lines = DEFAULTS.splitlines()
    if (ignore := folder / IGNORE_FILE).is_file():
        lines += ignore.read_text(encoding="utf-8").splitlines()
    try:
        spec = GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise PackageError(f"{ignore}: {error}") from error
    return tuple(sorted(_walk(folder.resolve(), PurePosixPath(), spec)))


def _walk(root: Path, place: PurePosixPath, spec: GitIgnoreSpec) -> Iterator[PurePosixPath]:
    for entry in (root / place).iterdir():
        path = place / entry.name
        is_folder = entry.is_dir()
        if spec.match_file(f"{path}/" if is_folder else path):
            continue
        if is_folder and (entry / "pyvenv.cfg").is_file():
            continue
        _check_entry(root, entry, path)
        if is_folder:
            yield from _walk(root, path, spec)
        else:
            yield path


def _check_entry(root: Path, entry: Path, path: PurePosixPath) -> None:
    told = ascii(os.fspath(path))[1:-1]
    if told != os.fspath(path) and "\\udc" in told:
        raise PackageError(f"{told}: the name is not UTF-8, which archives need; rename it")
    if entry.is_symlink():
        target = entry.resolve()
        if not target.is_relative_to(root):
            raise PackageError(
                f"{told} links to {target}, outside of {root}: put a copy in its place, or leave "
                f"it out with a line '/{told}' in {IGNORE_FILE}"
            )
        if entry.parent.resolve().is_relative_to(target):
            raise PackageError(
                f"{told} links to a folder that holds it: remove it, or leave it out with a line "
                f"'/{told}' in {IGNORE_FILE}"
            )
    if not (entry.is_dir() or entry.is_file()):
        raise PackageError(
            f"{told} is neither a file nor a folder{' (a broken link)' * entry.is_symlink()}: "
            f"remove it, or leave it out with a line '/{told}' in {IGNORE_FILE}"
        )


def drop_unneeded(tree: Path) -> None:
    """Remove from installed dependencies what no function needs; the module tells what."""
    if (scripts := tree / "bin").is_dir() and not (scripts / "__init__.py").exists():
        shutil.rmtree(scripts)
    (tree / ".lock").unlink(missing_ok=True)
    suites = [path for path in tree.rglob("tests") if path.is_dir()]
    wanted = _imported_suites(tree) if suites else set()
    # Outer folders first; what they hold goes with them.
    for suite in sorted(suites):
        if ".".join(suite.relative_to(tree).parts) not in wanted and suite.exists():
            shutil.rmtree(suite)
    for cache in list(tree.rglob("__pycache__")):
        shutil.rmtree(cache)
    for stub in list(tree.rglob("*.pyi")):
        module = stub.with_suffix(".py")
        if not module.exists() or b"attach_stub" not in module.read_bytes():
            stub.unlink()
    for info in tree.glob("*.dist-info"):
        for name in INSTALLERS_OWN:
            (info / name).unlink(missing_ok=True)
        _rewrite_record(tree, info / "RECORD")


def _imported_suites(tree: Path) -> set[str]:
    """Name the ``tests`` packages that modules outside of them import."""
    found = set()
    for module in tree.rglob("*.py"):
        place = module.relative_to(tree)
        source = module.read_bytes()
        if "tests" in place.parts or b"tests" not in source:
            continue
        try:
            nodes = ast.walk(ast.parse(source))
        except (SyntaxError, ValueError):
            continue
        package = place.parent.parts
        for name in (name for node in nodes for name in _imported(node, package)):
            parts = name.split(".")
            if "tests" in parts:
                found.add(".".join(parts[: parts.index("tests") + 1]))
    return found


def _imported(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Give the absolute names that one statement may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else ()
        origin = [*base, *(node.module or "").split(".")]
        yield from (".".join(filter(None, [*origin, alias.name])) for alias in node.names)


def _rewrite_record(tree: Path, record: Path) -> None:
    if not record.exists():
        return
    with record.open(encoding="utf-8", newline="") as file:
        rows = sorted(row for row in csv.reader(file) if row and _is_left(tree, row[0]))
    with record.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _is_left(tree: Path, name: str) -> bool:
    # Scripts are told of as "../../bin/flask".
    return ".." not in PurePosixPath(name).parts and (tree / name).exists()
