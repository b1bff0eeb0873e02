"""Install what a project requires into a folder, for the platform of its runtime.

uv is used where it is present: it resolves for any platform, and builds what has no wheel. Else
pip: of this machine's platform as PEP 600's ``_manylinux`` limits it, of other platforms wheels
alone. Editable requirements are installed as copies by uv and refused with pip.

Where the running slsadapt came from a folder or a file, no registry need know it: the package gets
the very same, which stands for every requirement of the name.

What was installed is then held against the runtime: tags of wheels (PEP 425), names of extension
modules, and the processor and glibc that binaries ask for.

Sources: https://docs.astral.sh/uv/reference/cli/#uv-pip-install,
https://peps.python.org/pep-0600/#package-installers, https://refspecs.linuxfoundation.org/LSB_3.0.0/LSB-PDA/LSB-PDA.junk/symversion.html
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections import defaultdict
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING
from zipfile import ZipFile

from ..errors import PackageError
from .project import read_toml
from .rules import INSTALLERS_OWN
from .sizes import APPLICATION, read_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .project import Project
    from .runtimes import Runtime

__all__ = ["MODULE_TAG", "check_platform", "install", "read_binary"]

# The minor versions of glibc that uv has platforms for.
_UV_GLIBC = (17, 28, *range(31, 41))
# What older wheels call these versions.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
MODULE_TAG = re.compile(r"\.(cpython-[\w-]+|abi3|pypy[\w-]+|graalpy[\w-]+)\.so$")
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")
_ELF_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
_TOLD_LINES = 30


def install(
    project: Project,
    runtime: Runtime,
    tree: Path,
    interpreter: str,
    *,
    uv: str | None,
    tell: Callable[[str], None],
) -> list[str]:
    """Install what a project requires into ``tree``.

    Args:
        project: whose requirements; without any nothing happens.
        runtime: for which they are resolved.
        tree: the folder, which is made.
        interpreter: of the runtime's Python, on this machine; it builds what has no wheel.
        uv: path of uv; without it pip is used.
        tell: is given each line that the installer writes.

    Returns:
        What was not done as one may expect, in sentences.

    Raises:
        PackageError: the requirements cannot be installed, with the installer's own words.
    """
    tree.mkdir(parents=True, exist_ok=True)
    if project.requirements is None:
        return [f"{project.folder} has no requirements.txt and no [project]: nothing is installed"]
    # Relative paths in requirements mean the project's folder.
    folder = project.folder.absolute()
    source = project.requirements.absolute()
    notes = []
    with TemporaryDirectory(prefix="slsadapt-") as temporary:
        work = Path(temporary)
        own = _write_own_wheel(work)
        constraint = ""
        if uv is not None:
            if own is not None:
                constraint = f"slsadapt @ {own.as_uri()}\n"
            source = _list_for_uv(source, uv, constraint, work, tell)
            command = _uv_command(uv, runtime, interpreter)
            # Not its option: older ones would refuse that.
            environment = {"UV_NO_EDITABLE": "1"}
        else:
            if own is not None:
                # Not its URL: pip before 23.1 cannot have it with extras.
                constraint = f"slsadapt=={own.name.split('-')[1]}\n"
            if source.name == "pyproject.toml":
                if (lock := source.with_name("uv.lock")).is_file():
                    notes.append(f"{lock} is not respected: that takes uv, which is not installed")
                source = _list_for_pip(source, work)
            command, environment = _pip_command(_find_pip(interpreter), runtime, work)
        constraints = work / "constraints.txt"
        constraints.write_text(constraint, encoding="utf-8")
        command += ["--target", str(tree), "-r", str(source), "-c", str(constraints)]
        _run(command, folder, tell, environment)
    _refuse_editable(tree, project.requirements)
    return notes


def _uv_command(uv: str, runtime: Runtime, interpreter: str) -> list[str]:
    glibc = max(minor for minor in _UV_GLIBC if minor <= runtime.glibc[1])
    return [
        *(uv, "pip", "install", "--no-progress", "--no-compile-bytecode"),
        *("--link-mode", "copy", "--python", interpreter, "--python-version", runtime.python),
        *("--python-platform", f"{runtime.machine}-manylinux_2_{glibc}"),
    ]


def _pip_command(pip: list[str], runtime: Runtime, work: Path) -> tuple[list[str], dict[str, str]]:
    # Without PEP 517 old pips install what has no wheel without metadata.
    command = [*pip, "install", "--no-input", "--no-compile", "--use-pep517"]
    command += ["--progress-bar", "off", "--find-links", str(work)]
    environment = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    if platform.machine() == runtime.machine and platform.libc_ver()[0] == "glibc":
        # PEP 600: pip asks this module which wheels the machine takes.
        (work / "_manylinux.py").write_text(
            f"def manylinux_compatible(major, minor, arch):\n"
            f"    return (major, minor) <= {runtime.glibc}\n",
            encoding="utf-8",
        )
        return command, {**environment, "PYTHONPATH": str(work)}
    for tag in _platforms(runtime):
        command += ["--platform", tag]
    options = ["--python-version", runtime.python, "--implementation", "cp"]
    return [*command, *options, "--only-binary", ":all:"], environment


def _find_pip(interpreter: str) -> list[str]:
    for command in (
        [interpreter, "-m", "pip"],
        [sys.executable, "-m", "pip", "--python", interpreter],
    ):
        if subprocess.run([*command, "--version"], capture_output=True).returncode == 0:  # noqa: S603
            return command
    raise PackageError(
        f"neither uv nor a pip for {interpreter} is here to install the requirements: "
        f"'pip install uv' is the quickest way"
    )


def _list_for_uv(source: Path, uv: str, own: str, work: Path, tell: Callable[[str], None]) -> Path:
    """Give what uv reads: the file itself, or what its lock says."""
    lock = source.with_name("uv.lock")
    if source.name != "pyproject.toml" or not lock.is_file():
        return source
    written = work / "requirements.txt"
    command = [uv, "export", "--frozen", "--no-dev", "--no-emit-project", "--no-editable"]
    options = ["--no-header", "--quiet", "--output-file", str(written)]
    if own:
        options += ["--no-emit-package", "slsadapt"]
    _run([*command, *options], source.parent, tell)
    if own and any(package["name"] == "slsadapt" for package in read_toml(lock)["package"]):
        with written.open("a", encoding="utf-8") as file:
            file.write(own)
    return written


def _list_for_pip(source: Path, work: Path) -> Path:
    """Write what a pyproject.toml requires for pip, which reads requirements files."""
    table = read_toml(source)["project"]
    if "dependencies" in table.get("dynamic", ()):
        raise PackageError(f"{source} computes its dependencies, which takes uv: 'pip install uv'")
    written = work / "requirements.txt"
    written.write_text("\n".join(table.get("dependencies", ())), encoding="utf-8")
    return written


def _write_own_wheel(folder: Path) -> Path | None:
    """Make a wheel of the very slsadapt that runs; None where it came from a registry.

    Only then has it no record of its origin, see
    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    try:
        own = distribution("slsadapt")
    except PackageNotFoundError:
        return None
    if own.read_text("direct_url.json") is None:
        return None
    # Nothing is built: the code is here, and so is all metadata.
    code = Path(__file__).parents[1]
    files = {
        path.relative_to(code.parent).as_posix(): path.read_bytes()
        for path in sorted(code.rglob("*"))
        if path.is_file() and path.parent.name != "__pycache__"
    }
    info = f"slsadapt-{own.version}.dist-info"
    for path in own.files or ():
        if path.parts[0] == info and path.name not in {"RECORD", *INSTALLERS_OWN}:
            files[path.as_posix()] = path.read_binary()
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")).encode()
    wheel = folder / f"slsadapt-{own.version}-py3-none-any.whl"
    with ZipFile(wheel, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return wheel


def _refuse_editable(tree: Path, requirements: Path) -> None:
    for told in tree.glob("*.dist-info/direct_url.json"):
        origin = json.loads(told.read_text(encoding="utf-8"))
        if origin.get("dir_info", {}).get("editable"):
            raise PackageError(
                f"{requirements} requires {origin['url']} as editable, so that its code would "
                f"stay on this machine: require it without -e, or install a recent uv, which "
                f"copies it"
            )


def _run(
    command: Sequence[str],
    folder: Path,
    tell: Callable[[str], None],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run an installer, and pass on what it writes while it writes it."""
    lines = []
    with subprocess.Popen(  # noqa: S603 - an installer that was found for it
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            tell(lines[-1])
    if process.returncode != 0:
        told = "\n".join(lines[-_TOLD_LINES:])
        name = "uv" if Path(command[0]).stem == "uv" else "pip"
        raise PackageError(f"{name} could not install what {folder} requires:\n{told}")


def check_platform(tree: Path, runtime: Runtime) -> None:
    """Hold what was installed against the runtime that is to load it.

    Raises:
        PackageError: something was built for another Python, processor or newer glibc; the
            message names each distribution and file, and says what to do.
    """
    problems = [*_check_tags(tree, runtime), *_check_binaries(tree, runtime)]
    if problems:
        raise PackageError(
            f"not everything that was installed runs on {runtime.name} (CPython {runtime.python}, "
            f"{runtime.machine}, glibc {'.'.join(map(str, runtime.glibc))}):\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nRequire versions that have wheels for it, or build the package on that platform, "
            "in the vendor's container image for example"
        )


def _platforms(runtime: Runtime) -> Iterator[str]:
    oldest = 5 if runtime.machine == "x86_64" else 17
    for minor in range(runtime.glibc[1], oldest - 1, -1):
        yield f"manylinux_2_{minor}_{runtime.machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{runtime.machine}"


def _check_tags(tree: Path, runtime: Runtime) -> Iterator[str]:
    from packaging.tags import compatible_tags, cpython_tags, parse_tag

    major, minor = map(int, runtime.python.split("."))
    abi = f"cp{major}{minor}"
    # linux_x86_64 is what was built here; its binaries are looked at themselves.
    platforms = [*_platforms(runtime), f"linux_{runtime.machine}"]
    taken = {
        *cpython_tags((major, minor), [abi], platforms),
        *compatible_tags((major, minor), abi, platforms),
    }
    for wheel in sorted(tree.glob("*.dist-info/WHEEL")):
        told = HeaderParser().parsestr(wheel.read_text(encoding="utf-8")).get_all("Tag", [])
        tags = {tag for text in told for tag in parse_tag(text)}
        if tags and taken.isdisjoint(tags):
            name = wheel.parent.name.removesuffix(".dist-info").replace("-", " ")
            yield f"{name}: its wheel is for {', '.join(told)}"


def _check_binaries(tree: Path, runtime: Runtime) -> Iterator[str]:
    owners = read_owners(tree)
    machines: defaultdict[str, dict[str, str]] = defaultdict(dict)
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    digits = runtime.python.replace(".", "")
    loaded = (f".cpython-{digits}-{runtime.machine}-linux-gnu.so", ".abi3.so", ".so")
    for name in sorted(names):
        owner = " ".join(owners.get(name, (APPLICATION, ""))).strip()
        tag = MODULE_TAG.search(name)
        if tag and not any(name[: tag.start()] + suffix in names for suffix in loaded):
            yield f"{owner}: {name} is an extension module for {tag[1]}"
            continue
        machine, glibc = read_binary(tree / name)
        if not machine:
            continue
        machines[owner][name] = machine
        if machine == runtime.machine and glibc > runtime.glibc:
            yield f"{owner}: {name} asks for glibc {glibc[0]}.{glibc[1]}"
    for owner, found in machines.items():
        # Some carry helpers for several processors, and choose when they run.
        if runtime.machine not in found.values():
            name, machine = next(iter(found.items()))
            yield f"{owner}: {name} is for {machine}"


def read_binary(path: Path) -> tuple[str, tuple[int, int]]:
    """Give the processor of an ELF file and the newest glibc that it asks for.

    Files that are no whole ELF have no processor.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    glibc = (0, 0)
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return "", glibc
        file.seek(0)
        try:
            binary = ELFFile(file)
            for section in binary.iter_sections():
                if isinstance(section, GNUVerNeedSection):
                    for _, versions in section.iter_versions():
                        for version in versions:
                            if found := _GLIBC.match(version.name):
                                glibc = max(glibc, (int(found[1]), int(found[2])))
            machine = str(binary["e_machine"])
        except ELFError:
            # What cannot be read is not loaded either; test data of some parser, for example.
            return "", glibc
    return _ELF_MACHINES.get(machine, machine.removeprefix("EM_").lower()), glibc
