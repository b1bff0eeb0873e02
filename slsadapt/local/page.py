"""Show in the browser why a function does not start, until it does.

The page is one piece of HTML that loads nothing, under a Content Security Policy
(https://www.w3.org/TR/CSP3/) that lets it ask for itself and for nothing else.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import tokenize
import warnings
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .function import Function
    from .outcome import Failure

__all__ = ["failure_page"]

_HERE = Path(__file__).parent
# Around the line that failed.
_SOURCE_LINES = 4
_SOURCE_LIMIT_BYTES = 1024 * 1024
_LINE_CHARACTERS = 500
# As `traceback` writes a frame, and as AWS's runtime does where a syntax error is.
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)",? [Ll]ine (?P<line>\d+)(?:, in (?P<name>.*))?')
_MARKS = re.compile(r"\s*[~^]+\s*")
# Of libraries, where a function's folder holds them.
_FOREIGN = {"site-packages", "dist-packages", "node_modules", ".venv", "venv"}
# As Python says what cannot be imported: a module, or a name that a module lacks.
_MISSING = re.compile(r"No module named '([^']+)'|cannot import name '[^']+' from '([^']+)'")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class _Frame:
    """A line of a traceback's; ``shown`` is the file as the function's folder knows it."""

    file: Path
    line: int
    name: str
    code: str
    shown: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it failed; the columns count characters, (0, 0) is for the whole line."""

    file: Path
    shown: str
    line: int
    text: str
    columns: tuple[int, int] = (0, 0)


def failure_page(failure: Failure, function: Function) -> bytes:
    """Write HTML that says what failed, where, and how Python came there.

    It asks for itself each second, and reloads once the answer is another one.

    Args:
        failure: of kind ``"init"``; whatever its ``error`` holds.
        function: whose folder tells which frames are its own.

    Returns:
        a document in UTF-8.
    """
    folder = function.folder.resolve()
    frames = _frames(failure, folder)
    place = _place(failure, frames) or _import_place(failure, function)
    is_syntax = place is not None and place.columns != (0, 0)
    heading = "A syntax error" if is_syntax else "The function does not start"
    shown = {
        "label": escape(function.label),
        "title": escape(f"{place.shown}: {heading}" if place else heading),
        "heading": escape(heading),
        "message": escape(failure.message),
        "source": _source(place) if place else "",
        # Of a syntax error, there is one frame, which is shown already.
        "trace": _trace(frames) if frames and not (is_syntax and len(frames) == 1) else "",
    }
    # Objects that a message names are elsewhere in each process.
    told = _ADDRESS.sub("", "\0".join(shown.values()))
    digest = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
    script = Template(_resource("page.js")).substitute(digest=digest)
    style = _resource("page.css")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_resource("page.html")).substitute(
        shown, policy=policy, style=style, script=script
    )
    return page.encode("utf-8", "replace")


@cache
def _resource(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _frames(failure: Failure, folder: Path) -> list[_Frame]:
    """Read a traceback, whatever a runtime sends for one."""
    entries = failure.error.get("stackTrace")
    if not isinstance(entries, list):
        return []
    frames: list[_Frame] = []
    found: re.Match[str] | None = None
    code: list[str] = []

    def end() -> None:
        if found is not None:
            frames.append(_frame(found, "\n".join(code), folder))
            code.clear()

    for line in "\n".join(map(str, entries)).splitlines():
        if match := _FRAME.match(line):
            end()
            found = match
        elif line.strip() and not _MARKS.fullmatch(line):
            code.append(line.strip())
    end()
    return frames


def _frame(match: re.Match[str], code: str, folder: Path) -> _Frame:
    file = Path(folder, match["file"])
    shown, is_own = match["file"], False
    if not shown.startswith("<"):
        relative = _relative(file, folder)
        if relative is not None:
            shown = str(relative)
            is_own = _FOREIGN.isdisjoint(relative.parts)
    return _Frame(file, int(match["line"]), (match["name"] or "").strip(), code, shown, is_own)


def _relative(file: Path, folder: Path) -> Path | None:
    try:
        return file.resolve().relative_to(folder)
    except (OSError, ValueError):
        return None


def _place(failure: Failure, frames: list[_Frame]) -> _Place | None:
    """Find the line to show: of a syntax error its own, else the function's last one."""
    if not frames:
        return None
    last = frames[-1]
    is_syntax = "syntax" in str(failure.error.get("errorType", "")).lower()
    frame = last if is_syntax else next((each for each in reversed(frames) if each.is_own), last)
    text = _read(frame.file)
    if text is None:
        return None
    if is_syntax and (error := _syntax_error(text)) is not None and error.lineno:
        begin = max(error.offset or 1, 1)
        end = error.end_offset or 0
        if error.end_lineno != error.lineno or end <= begin:
            end = begin + 1
        return _Place(frame.file, frame.shown, error.lineno, text, (begin, end))
    return _Place(frame.file, frame.shown, frame.line, text)


def _import_place(failure: Failure, function: Function) -> _Place | None:
    """Find the failed import in the function's module; AWS's runtime tells no frames of it."""
    missing = _MISSING.search(str(failure.error.get("errorMessage", "")))
    base = function.folder.joinpath(*function.module.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if missing is None or (text := _read(file)) is None:
            continue
        name = missing[1] or missing[2]
        line = next((node.lineno for node in _imports(text) if _needs(node, name)), None)
        if line is not None:
            return _Place(file, str(file.relative_to(function.folder)), line, text)
    return None


def _imports(text: str) -> list[ast.Import | ast.ImportFrom]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def _needs(node: ast.Import | ast.ImportFrom, name: str) -> bool:
    imported = [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        imported = [node.module or "", *(f"{node.module}.{each}" for each in imported)]
    return any(f"{each}.".startswith(f"{name}.") for each in imported)


def _read(file: Path) -> str | None:
    try:
        if not file.is_file() or file.stat().st_size > _SOURCE_LIMIT_BYTES:
            return None
        with tokenize.open(file) as stream:
            return stream.read()
    except (OSError, SyntaxError, ValueError):  # not a Python file, or no longer there
        return None


def _syntax_error(text: str) -> SyntaxError | None:
    """Find a syntax error again, for its columns; nothing of the source runs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "source", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        pass
    return None


def _source(place: _Place) -> str:
    lines = place.text.splitlines()
    first = max(1, place.line - _SOURCE_LINES)
    rows = []
    for number, line in enumerate(lines[first - 1 : place.line + _SOURCE_LINES], first):
        text = escape(line[:_LINE_CHARACTERS])
        style = ' class="here"' if number == place.line else ""
        rows.append(f"<span{style}><i>{number}</i>{text}</span>")
        begin, end = place.columns
        if style and begin:
            # As wide as what stands above, whatever the width of its characters.
            above = escape(line[: begin - 1][:_LINE_CHARACTERS])
            marks = "^" * min(end - begin, _LINE_CHARACTERS)
            rows.append(f'<span class="caret"><i></i><u>{above}</u>{marks}</span>')
    return (
        f"<h2><b>{escape(place.shown)}</b>, line {place.line}</h2>\n"
        f'<pre class="card"><code class="source">{"".join(rows)}</code></pre>'
    )


def _trace(frames: list[_Frame]) -> str:
    items = []
    for frame in frames:
        style = ' class="own"' if frame.is_own else ""
        where = f", in {escape(frame.name)}" if frame.name else ""
        code = f"<pre>{escape(frame.code)}</pre>" if frame.code else ""
        shown = f"<code>{escape(frame.shown)}</code>, line {frame.line}{where}"
        items.append(f"<li{style}>{shown}{code}</li>")
    return f'<h2>Traceback, the last call last</h2>\n<ol class="card">{"".join(items)}</ol>'
