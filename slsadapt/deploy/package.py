"""Build packages: one archive that a cloud runs as it is, and if wished a layer beside it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .archive import write_archive
from .bytecode import compile_tree
from .install import check_platform, install
from .interpreters import find_interpreter, find_uv
from .project import ENTRY
from .rules import drop_unneeded
from .sizes import check_limits, measure, read_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .project import Project
    from .runtimes import Runtime
    from .sizes import PackageSize

__all__ = ["Package", "build_package"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """What was built.

    Args:
        archive: the function, with ``index.py`` at its root.
        layer: what it requires, where that has an archive of its own.
        zip_bytes: of the archive and the layer.
        unzipped_bytes: of both, extracted.
        sizes: of each distribution and the application, largest first.
        notes: what one should know of it, in sentences.
    """

    archive: Path
    layer: Path | None
    zip_bytes: int
    unzipped_bytes: int
    sizes: tuple[PackageSize, ...]
    notes: tuple[str, ...]


def build_package(
    project: Project,
    runtime: Runtime,
    output: Path,
    *,
    layer: bool = False,
    bundle: bool = False,
    tell: Callable[[str], None],
) -> Package:
    """Build the package of a project; equal inputs give equal octets.

    Inputs are the application's files, the distributions that the requirements resolve to, the
    interpreter and zlib: pin requirements, or keep a ``uv.lock``, for packages that stay the same
    next month.

    Args:
        project: what to package.
        runtime: where it is to run.
        output: the archive to write, ``build/app.zip``.
        layer: put what is required into ``build/app-layer.zip``, for a layer of the cloud.
        bundle: start from one file with all bytecode of the archive.
        tell: is given what is being done, line by line.

    Raises:
        PackageError: it cannot be built, would not run there, or is too large; nothing is
            written then.
    """
    interpreter = find_interpreter(runtime.python)
    output = output.absolute()
    layer_output = output.with_name(f"{output.stem}-layer{output.suffix}")
    with TemporaryDirectory(prefix="slsadapt-") as temporary:
        required = Path(temporary, "required")
        tell(f"installing what {project.folder} requires, for {runtime.name}")
        notes = install(project, runtime, required, interpreter, uv=find_uv(), tell=tell)
        drop_unneeded(required)
        check_platform(required, runtime)
        owners = read_owners(required)
        function = Path(temporary, "function") if layer else required
        # An earlier package may stand in the folder that it was made of.
        notes += _copy_application(project, function, {output, layer_output})
        places = {function: runtime.code_folder}
        if layer:
            places[required] = runtime.layer_folder
        tell(f"compiling with {interpreter}")
        for tree, place in places.items():
            notes += compile_tree(tree, interpreter, place)
        if bundle:
            # Imported here: packages without one need nothing of it.
            from .bundle import write_bundle

            write_bundle(function, interpreter, Path(ENTRY).stem)
            if layer:
                # The entry installs it, too.
                write_bundle(required, interpreter, "")
            owners |= {path.name: ("code bundle", "") for path in function.glob("_slsadapt*")}
        # By the archive that is asked for: the one that was written, and its folder for modules.
        tell(f"writing {output}")
        written = {output: (Path(temporary, "function.zip"), "")}
        write_archive(function, written[output][0])
        if layer:
            prefix = runtime.layer_folder.removeprefix("/opt").lstrip("/")
            prefix = f"{prefix}/" if prefix else ""
            written[layer_output] = (Path(temporary, "layer.zip"), prefix)
            write_archive(required, written[layer_output][0], prefix)
        else:
            for file in project.files:
                owners.pop(str(file), None)
        sizes = measure(dict(written.values()), owners)
        check_limits(sizes, runtime)
        for archive, (unplaced, _) in written.items():
            _place(unplaced, archive)
            notes += _check_upload(archive, runtime)
    return Package(
        archive=output,
        layer=layer_output if layer else None,
        zip_bytes=sum(archive.stat().st_size for archive in written),
        unzipped_bytes=sum(size.unzipped_bytes for size in sizes),
        sizes=sizes,
        notes=tuple(notes),
    )


def _copy_application(project: Project, tree: Path, without: set[Path]) -> Iterator[str]:
    for file in project.files:
        source = project.folder / file
        if source.absolute() in without:
            continue
        target = tree / file
        if target.exists():
            yield f"{file} of the application takes the place of an installed file"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _place(written: Path, archive: Path) -> None:
    """Put a whole archive in place at once, perhaps on another disk."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(f"{archive.name}.part")
    try:
        shutil.copyfile(written, unfinished)
        unfinished.replace(archive)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_upload(archive: Path, runtime: Runtime) -> Iterator[str]:
    taken = archive.stat().st_size
    if taken > runtime.direct_limit_bytes:
        yield (
            f"{archive.name} has {taken / _MIB:.1f} MiB, and a request to {runtime.name} carries "
            f"{runtime.direct_limit_bytes / _MIB:.0f} MiB: upload it through object storage, as "
            f"deployment tools do"
        )
