"""Look at the files that are shipped: binaries, secrets, what nobody needs, and how much it is."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..install import MODULE_TAG as MODULE_TAG
from ..install import read_binary as read_binary
from ..runtimes import RUNTIMES
from ..sizes import PackageSize, measure, read_owners
from .finding import Finding
from .requirements import installed_sizes
from .words import size, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .requirements import Installed
    from .subject import Subject

    # The processor and the newest glibc that it asks for.
    Binary = tuple[str, tuple[int, int]]

__all__ = ["check_baggage", "check_binaries", "check_secrets", "check_sizes"]

_EXAMPLES = {"example", "sample", "template", "dist", "defaults", "test"}
_KEY = re.compile(rb"-----BEGIN (RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----")
_KEY_SUFFIXES = {".pem", ".key", ".json", ".p8", ".ppk", ".txt", ".yml", ".yaml", ".ini", ""}
_KEY_BYTES = 64 * 1024
_CREDENTIALS = {".netrc", ".pypirc", ".npmrc", ".pgpass", ".htpasswd", ".git-credentials"}
_NEEDLESS = {".git", ".hg", ".svn", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def check_binaries(subject: Subject) -> Iterator[Finding]:
    """Look for extension modules and libraries that the runtime cannot load."""
    binaries = {
        path: read_binary(subject.folder / path)
        for path in subject.files
        if path.suffix in (".pyd", ".so") or ".so." in path.name
    }
    problems: dict[str, list[str]] = {}
    for path in binaries:
        problem = _binary_problem(subject, path, binaries)
        if problem:
            problems.setdefault(problem, []).append(str(path))
    runtime = subject.runtime
    where = f"{runtime.name} ({runtime.machine}, Linux)" if runtime else "Linux, as in every cloud"
    for problem, paths in problems.items():
        yield Finding(
            check="binaries",
            severity="fails",
            where=tuple(paths),
            found=f"{some([PurePosixPath(path).name for path in paths], 2)} "
            + f"{'is' if len(paths) == 1 else 'are'} {problem}",
            costs=f"importing {'it' if len(paths) == 1 else 'them'} fails on {where}",
            advice="build with 'slsadapt package"
            + (f" --for {runtime.name}" if runtime else "")
            + "', which installs wheels for the cloud and not for this machine.",
        )


def check_secrets(subject: Subject) -> Iterator[Finding]:
    """Look for files with secrets in what is shipped."""
    for path in subject.files:
        if not subject.is_own(path):
            continue
        name = path.name.lower()
        what = ""
        if name == ".env" or (name.startswith(".env.") and name.split(".")[-1] not in _EXAMPLES):
            what = "a file of environment variables"
        elif name in _CREDENTIALS or path.parts[-2:] == (".aws", "credentials"):
            what = "a file of passwords or tokens"
        elif _holds_key(subject, path):
            what = "a private key"
        if what:
            yield Finding(
                check="secrets",
                severity="risk",
                where=(str(path),),
                found=f"{what} is shipped",
                costs="whoever may read the function's code, or gets hold of the archive, has it",
                advice=f"leave it out with a line '/{path}' in .slsignore, and give the function "
                "its secrets by the cloud's environment variables or its secret manager.",
            )


def check_baggage(subject: Subject) -> Iterator[Finding]:
    """Look for folders in a package that no function needs."""
    if subject.archive is None:
        return
    environments = {path.parent for path in subject.files if path.name == "pyvenv.cfg"}
    found: dict[PurePosixPath, int] = {}
    for path in subject.files:
        for parent in path.parents:
            if parent in environments or parent.name in _NEEDLESS:
                found[parent] = found.get(parent, 0) + subject.size_bytes(path)
    # What an outer folder holds is counted there.
    outer = {path: size for path, size in found.items() if not found.keys() & set(path.parents)}
    if outer:
        total_bytes = sum(outer.values())
        yield Finding(
            check="baggage",
            severity="costly",
            where=tuple(map(str, outer)),
            found=f"{some([f'{path}/' for path in outer], 3)} is shipped, which no function needs",
            costs=f"{size(total_bytes)} are uploaded, and fetched and extracted for each instance",
            advice="leave it out; 'slsadapt package' does, and .slsignore names further patterns.",
            cost_bytes=total_bytes,
        )


def check_sizes(subject: Subject, installed: Installed | None) -> Iterator[Finding]:
    """Hold the sizes against the runtime's limits; without one, against every cloud's.

    Args:
        subject: a package, or a tree.
        installed: what a tree requires, as far as it is installed here.
    """
    if subject.archive is not None:
        try:
            owners = read_owners(subject.folder)
        except (OSError, TypeError, KeyError):
            owners = {}  # some packagers drop what tells of distributions
        prefixes = {
            file: name.removesuffix(str(path)) for path, (file, name) in subject.members.items()
        }
        sizes = measure(prefixes, owners)
        zip_bytes = sum(file.stat().st_size for file in prefixes)
    else:
        own_bytes = sum(subject.size_bytes(path) for path in subject.files)
        sizes = (PackageSize("application", "", 0, own_bytes),)
        if installed is not None:
            sizes = tuple(
                sorted((*sizes, *installed_sizes(installed)), key=lambda each: -each.unzipped_bytes)
            )
        zip_bytes = 0
    total_bytes = sum(each.unzipped_bytes for each in sizes)
    runtimes = [subject.runtime] if subject.runtime else list(RUNTIMES.values())
    largest = ", ".join(
        f"{each.name} {size(each.unzipped_bytes)}"
        for each in sorted(sizes, key=lambda each: -each.unzipped_bytes)[:3]
    )
    for word, taken, attribute in (
        ("extracted", total_bytes, "unzipped_limit_bytes"),
        ("zipped", zip_bytes, "zip_limit_bytes"),
    ):
        limits: dict[int, set[str]] = {}
        for runtime in runtimes:
            limits.setdefault(getattr(runtime, attribute), set()).add(runtime.cloud)
        exceeded = {limit: clouds for limit, clouds in limits.items() if taken > limit}
        if exceeded:
            said = "; ".join(
                f"{' and '.join(sorted(clouds))} takes {size(limit)}"
                for limit, clouds in sorted(exceeded.items())
            )
            yield Finding(
                check="size",
                severity="fails" if subject.runtime else "risk",
                where=(),
                found=f"{'about ' if subject.archive is None else ''}{size(taken)} {word}; the "
                f"largest are {largest}",
                costs=f"the upload is refused: {said}, layers included",
                advice="require less, split the function, load models and data from object "
                "storage, or deploy a container image.",
                cost_bytes=taken,
            )
            return
    direct = min(runtime.direct_limit_bytes for runtime in runtimes)
    if subject.runtime and zip_bytes > direct:
        yield Finding(
            check="size",
            severity="costly",
            where=(),
            found=f"{size(zip_bytes)} zipped; the largest are {largest}",
            costs=f"no request carries more than {size(direct)}, so consoles refuse it",
            advice="upload it through object storage, as deployment tools do.",
            cost_bytes=zip_bytes,
        )


def _binary_problem(
    subject: Subject,
    path: PurePosixPath,
    binaries: dict[PurePosixPath, tuple[str, tuple[int, int]]],
) -> str:
    """Tell what a file is for that the runtime cannot load, ``""`` if it can or need not."""
    name, runtime = str(path), subject.runtime
    names = {str(each) for each in binaries}
    if path.suffix == ".pyd":
        stem = name.partition(".")[0]
        # Some carry modules for several platforms.
        is_alone = not any(each.startswith(f"{stem}.") and each.endswith(".so") for each in names)
        return "for Windows" if is_alone else ""
    machine, glibc = binaries[path]
    if not machine:
        return "for macOS" if _is_mach_o(subject.folder / path) else ""
    if runtime is None:
        return ""
    tag = MODULE_TAG.search(name)
    if tag:
        stem = name[: tag.start()]
        digits = runtime.python.replace(".", "")
        fitting = (f".cpython-{digits}-{runtime.machine}-linux-gnu.so", ".abi3.so", ".so")
        if not any(stem + suffix in names for suffix in fitting):
            return f"for {tag[1]}"
    if machine != runtime.machine:
        # Some carry helpers for several processors, and choose when they run.
        beside = (each for each in binaries if each.parts[0] == path.parts[0])
        fits = any(binaries[each][0] == runtime.machine for each in beside)
        return "" if fits else f"for {machine}"
    if glibc > runtime.glibc:
        wanted, there = (".".join(map(str, version)) for version in (glibc, runtime.glibc))
        return f"for glibc {wanted}, and there is {there}"
    return ""


def _holds_key(subject: Subject, path: PurePosixPath) -> bool:
    if path.suffix not in _KEY_SUFFIXES or subject.size_bytes(path) > _KEY_BYTES:
        return False
    return _KEY.search((subject.folder / path).read_bytes()) is not None


def _is_mach_o(path: Path) -> bool:
    # Source: https://github.com/apple-oss-distributions/xnu, EXTERNAL_HEADERS/mach-o/loader.h
    with path.open("rb") as file:
        return file.read(4) in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
