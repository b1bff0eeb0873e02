"""Read the application's own modules for what goes wrong in clouds; nothing is imported."""

from __future__ import annotations

import ast
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ... import gateways
from .finding import Finding
from .subject import ENTRY, HANDLER
from .words import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .subject import Source, Subject

__all__ = ["check_debug", "check_entry", "check_servers", "check_static", "check_uploads"]

# What a gateway of each cloud takes and gives; their limits are the functions'.
_DIALECTS = {"aws": "aws_rest", "tencent": "tencent_apigw", "alibaba": "alibaba_fc3"}
_TITLES = {"aws": "AWS", "tencent": "Tencent", "alibaba": "Alibaba"}
_STORES = {"aws": "S3", "tencent": "COS", "alibaba": "OSS"}
_SERVES = {
    "django.contrib.staticfiles.views.serve",
    "django.views.static.serve",
    "flask.send_from_directory",
    "quart.send_from_directory",
    "whitenoise.WhiteNoise",
}
_MOUNTS = {"starlette.staticfiles.StaticFiles", "fastapi.staticfiles.StaticFiles"}
_WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"
_FLASKS = {"flask.Flask", "quart.Quart"}
_UPLOADS = {
    "flask.request.files",
    "quart.request.files",
    "fastapi.UploadFile",
    "starlette.datastructures.UploadFile",
    "django.db.models.FileField",
    "django.db.models.ImageField",
    "django.forms.FileField",
    "django.forms.ImageField",
    "rest_framework.serializers.FileField",
    "rest_framework.serializers.ImageField",
}
_DEBUGGED = {"fastapi.FastAPI", "starlette.applications.Starlette", "slsadapt.wrap"}
_SERVERS = {
    "uvicorn.run",
    "waitress.serve",
    "hypercorn.run",
    "werkzeug.serving.run_simple",
    "bottle.run",
    "wsgiref.simple_server.make_server",
}
_APPLICATIONS = _FLASKS | {"bottle.Bottle", "dash.Dash", "sanic.Sanic"}


def check_entry(subject: Subject) -> Iterator[Finding]:
    """Look for what the cloud is pointed at: ``index.main_handler``."""
    if not subject.is_function:
        return
    if ENTRY not in subject.files:
        nested = [path for path in subject.files if path.name == str(ENTRY)]
        inner = [path for path in nested if len(path.parts) == 2]
        found = f"there is no {ENTRY} at the root"
        if inner:
            found += f", but {inner[0]}: the folder itself was packed instead of what it holds"
        yield Finding(
            check="entry",
            severity="fails",
            where=(str(inner[0]),) if inner else (),
            found=found,
            costs="the cloud finds no function to call",
            advice="put what the folder holds at the root of the archive."
            if inner
            else f"write {ENTRY} with '{HANDLER} = slsadapt.wrap(app)'.",
        )
        return
    source = next((each for each in subject.sources if each.path == ENTRY), None)
    if source is not None and not _defines(source.tree, HANDLER):
        yield Finding(
            check="entry",
            severity="fails",
            where=(str(ENTRY),),
            found=f"{ENTRY} defines no {HANDLER}",
            costs="the cloud finds no function to call",
            advice=f"write '{HANDLER} = slsadapt.wrap(app)' there.",
        )


def check_servers(subject: Subject) -> Iterator[Finding]:
    """Look for servers that start while the application is imported."""
    for source in _reachable(subject):
        names = _Names(source)
        applications = {
            target.id
            for node in source.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if names.of(node.value.func) in _APPLICATIONS
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in source.tree.body:
            if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
                continue
            function = node.value.func
            is_run = (
                isinstance(function, ast.Attribute)
                and function.attr == "run"
                and isinstance(function.value, ast.Name)
                and function.value.id in applications
            )
            if is_run or names.of(function) in _SERVERS:
                yield Finding(
                    check="server",
                    severity="fails",
                    where=(source.at(node),),
                    found=f"importing {source.path} starts a server: {ast.unparse(function)}()",
                    costs="the import never ends, and the start runs into the time limit",
                    advice="put it below 'if __name__ == \"__main__\":'.",
                )


def check_static(subject: Subject) -> Iterator[Finding]:
    """Look for static files that the function serves."""
    served: list[tuple[str, str, list[Path]]] = []
    for source in subject.sources:
        names = _Names(source)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and names.of(node.func) in _FLASKS:
                files = _files_below(subject, _flask_folder(source, node))
                if files:
                    served.append((source.at(node), "Flask serves its static folder", files))
            elif isinstance(node, ast.Call) and names.of(node.func) in _MOUNTS:
                files = _files_below(subject, _mounted_folder(node))
                served.append((source.at(node), "StaticFiles is mounted", files))
            elif isinstance(node, (ast.Name, ast.Attribute)) and names.of(node) in _SERVES:
                name = str(names.of(node))
                files = _django_files(subject) if name.startswith("django.") else []
                served.append((source.at(node), f"{name} answers requests", files))
            elif isinstance(node, ast.Constant) and node.value == _WHITENOISE:
                served.append((source.at(node), "WhiteNoise answers requests", []))
    if not served:
        return
    octets = {file: file.stat().st_size for _, _, files in served for file in files}
    total_bytes = sum(octets.values())
    of_what = f": {len(octets):,} files, {size(total_bytes)}" if octets else ""
    limit, said = _limit(subject, "RESULT_LIMIT_BYTES")
    too_large = [file for file, taken in octets.items() if limit and taken > limit]
    store = _STORES[subject.runtime.cloud] if subject.runtime else "S3, COS or OSS"
    costs = (
        "each of them is an invocation, carried as base64 (a third larger) and billed as run time"
    )
    if too_large:
        costs += f"; {too_large[0].name} with {size(octets[too_large[0]])} cannot be answered"
    if said:
        costs += f"; {said} per response"
    yield Finding(
        check="static",
        severity="fails" if too_large else "costly",
        where=tuple(dict.fromkeys(place for place, _, _ in served)),
        found=f"the function serves static files ({served[0][1]}){of_what}",
        costs=costs,
        advice=f"upload them to {store} or a CDN when you deploy, and point the static URL there.",
        cost_bytes=total_bytes,
    )


def check_uploads(subject: Subject) -> Iterator[Finding]:
    """Look for files that clients upload through the function."""
    places: dict[str, str] = {}
    for source in subject.sources:
        if "migrations" in source.path.parts:
            continue
        names = _Names(source)
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and (
                names.of(node) in _UPLOADS or _is_django_files(node)
            ):
                places.setdefault(source.at(node), ast.unparse(node))
    if not places:
        return
    _, said = _limit(subject, "REQUEST_LIMIT_BYTES")
    store = _STORES[subject.runtime.cloud] if subject.runtime else "S3, COS or OSS"
    yield Finding(
        check="uploads",
        severity="costly",
        where=tuple(places),
        found=f"clients upload files through the function ({next(iter(places.values()))})",
        costs=f"{said} per request, and larger files are refused before the function is called; "
        "all of it is in memory, as base64 and as octets",
        advice=f"let clients upload to {store} themselves, with a presigned URL that the function "
        "gives them.",
    )


def check_debug(subject: Subject) -> Iterator[Finding]:
    """Look for debug modes that are always on."""
    for source in subject.sources:
        names = _Names(source)
        for node in ast.walk(source.tree):
            what = _debug(node, names)
            if what is None:
                continue
            if isinstance(node, ast.Assign) and what == "DEBUG":
                # A name that says something in Django's settings alone.
                if not _defines(source.tree, "INSTALLED_APPS"):
                    continue
                costs = "errors show settings and code to anybody, and each query is kept in memory"
            else:
                costs = "errors show code to anybody"
            yield Finding(
                check="debug",
                severity="risk",
                where=(source.at(node),),
                found=f"debug mode is on wherever this runs: {what} is True",
                costs=costs,
                advice="read it from an environment variable that the cloud does not set.",
            )


class _Names:
    """Resolve names of a module by its imports: ``request.files`` is ``flask.request.files``."""

    def __init__(self, source: Source) -> None:
        self._imported: dict[str, str] = {}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._imported[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def of(self, node: ast.expr) -> str | None:
        """Give the full name of what is imported, None for what is not."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.of(node.value)
            return f"{owner}.{node.attr}" if owner else None
        return None


def _defines(tree: ast.Module, name: str) -> bool:
    """Tell whether a module has a name at its top, also inside of if, try and with."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == name:
                return True
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id == name:
                return True
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == name:
                    return True
    return False


def _reachable(subject: Subject) -> list[Source]:
    """List the own modules that importing the function imports, as far as statements tell."""
    sources = {source.path: source for source in subject.sources}
    waiting = [PurePosixPath(*subject.target.module.split(".")).with_suffix(".py")]
    reached: dict[PurePosixPath, Source] = {}
    while waiting:
        path = waiting.pop()
        if path in reached or path not in sources:
            continue
        source = reached[path] = sources[path]
        for node in source.tree.body:
            waiting.extend(_imported_paths(node, path))
    return list(reached.values())


def _imported_paths(node: ast.stmt, path: PurePosixPath) -> Iterator[PurePosixPath]:
    names: list[str] = []
    base = PurePosixPath()
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else base
        module = node.module or ""
        names = [module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)]
    for name in names:
        parts = [part for part in name.split(".") if part]
        for n in range(1, len(parts) + 1):
            place = base.joinpath(*parts[:n])
            yield place.with_name(f"{place.name}.py")
            yield place / "__init__.py"


def _flask_folder(source: Source, call: ast.Call) -> PurePosixPath | None:
    """Tell which folder Flask serves: ``static`` beside the module, unless told otherwise."""
    name = "static"
    for keyword in call.keywords:
        if keyword.arg == "static_folder":
            if not (isinstance(keyword.value, ast.Constant) and keyword.value.value):
                return None
            name = str(keyword.value.value)
    return source.path.parent / name


def _mounted_folder(call: ast.Call) -> PurePosixPath | None:
    arguments = [*call.args, *(each.value for each in call.keywords if each.arg == "directory")]
    for argument in arguments[:1]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return PurePosixPath(argument.value)
    return None


def _files_below(subject: Subject, folder: PurePosixPath | None) -> list[Path]:
    if folder is None:
        return []
    return [subject.folder / path for path in subject.files if folder in path.parents]


def _django_files(subject: Subject) -> list[Path]:
    """List what Django finds in the applications' folders, the admin's among them."""
    own = [subject.folder / path for path in subject.files if "static" in path.parts[:-1]]
    if subject.archive is not None or not any(
        isinstance(node, ast.Constant) and node.value == "django.contrib.admin"
        for source in subject.sources
        for node in ast.walk(source.tree)
    ):
        return own
    try:
        admin = Path(str(distribution("django").locate_file("django/contrib/admin/static")))
    except PackageNotFoundError:
        return own
    return own + [path for path in admin.rglob("*") if path.is_file()]


def _is_django_files(node: ast.expr) -> bool:
    """Tell ``request.FILES``, also as ``self.request.FILES``."""
    if not (isinstance(node, ast.Attribute) and node.attr == "FILES"):
        return False
    owner = node.value
    return (isinstance(owner, ast.Name) and owner.id == "request") or (
        isinstance(owner, ast.Attribute) and owner.attr == "request"
    )


def _debug(node: ast.AST, names: _Names) -> str | None:
    """Tell what a statement switches on, None for anything else."""
    if isinstance(node, ast.Call) and names.of(node.func) in _DEBUGGED:
        for keyword in node.keywords:
            if keyword.arg == "debug" and _is_true(keyword.value):
                return f"{ast.unparse(node.func)}(debug=...)"
    if not (isinstance(node, ast.Assign) and _is_true(node.value)):
        return None
    target = node.targets[0]
    if isinstance(target, ast.Name) and target.id == "DEBUG":
        return "DEBUG"
    if isinstance(target, ast.Attribute) and target.attr == "debug":
        return ast.unparse(target)
    if (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Constant)
        and target.slice.value == "DEBUG"
        and isinstance(target.value, ast.Attribute)
        and target.value.attr == "config"
    ):
        return ast.unparse(target)
    return None


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


@lru_cache
def _limits(name: str) -> dict[str, int]:
    """Give each cloud's limit in octets of a body, for clouds that have one."""
    limits = {}
    for cloud, dialect in _DIALECTS.items():
        limit = getattr(gateways.load(dialect), name)
        if limit is not None:
            # Octets travel as base64, four characters for three of them.
            limits[cloud] = limit * 3 // 4
    return limits


def _limit(subject: Subject, name: str) -> tuple[int | None, str]:
    """Give the limit where it runs, and say it; the smallest one where that is not known."""
    limits = _limits(name)
    if subject.runtime is not None:
        limits = {cloud: limit for cloud, limit in limits.items() if cloud == subject.runtime.cloud}
    if not limits:
        return None, ""
    titles: dict[str, list[str]] = {}
    for cloud, limit in limits.items():
        titles.setdefault(size(limit), []).append(_TITLES[cloud])
    said = ", ".join(f"{limit} ({', '.join(clouds)})" for limit, clouds in titles.items())
    return min(limits.values()), f"at most {said}"
