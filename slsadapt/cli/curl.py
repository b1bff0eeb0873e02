"""Requests in the words of a command line, which mean what they mean to curl.

Source: https://curl.se/docs/manpage.html

Octets that are no text are in words as Python holds them (PEP 383). A wrong word raises click's
UsageError, or BadParameter, which is one; it never repeats a header's value.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from ipaddress import ip_address
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

    from ..message import Address

    Pair = tuple[str, str]

__all__ = [
    "octets",
    "read_address",
    "read_body",
    "read_header",
    "read_method",
    "read_pair",
    "read_url",
    "write_cookies",
    "write_query",
]

# What a path and a query keep as it is typed, % among it since it begins an escape. Clients leave
# more in a query than RFC 3986 3.4 does.
_PATH_SAFE = "%/!$&'()*+,;=:@"
_QUERY_SAFE = _PATH_SAFE + r"?[]\^`{|}"
_PORTS = {"https": 443, "http": 80}
# What names a method or a header (RFC 9110 5.6.2), and what no header's value may have.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_ENDS = re.compile("[\r\n\0]")


def octets(text: str) -> bytes:
    """Write a word as its octets."""
    return text.encode("utf-8", "surrogateescape")


def read_method(text: str) -> str:
    """Read a method, in either case."""
    if not _TOKEN.fullmatch(text):
        raise click.BadParameter(f"must be a word such as GET, got {text!r}")
    return text.upper()


def read_header(text: str) -> Pair:
    """Read ``"Name: value"``: the lower-case name, and the value's octets as latin-1 characters."""
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or _LINE_ENDS.search(value):
        raise click.BadParameter("must be 'Name: value', on one line")
    return name.lower(), octets(value.strip()).decode("latin-1")


def read_pair(text: str) -> Pair:
    """Read ``"name=value"``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter("must be NAME=VALUE")
    return name, value


def read_address(text: str) -> Address:
    """Read an address of IPv4 or IPv6; its port is 0."""
    try:
        return str(ip_address(text)), 0
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def write_cookies(pairs: Sequence[Pair]) -> Pair:
    """Write cookies as one header."""
    return read_header(f"cookie: {'; '.join(map('='.join, pairs))}")


def write_query(pairs: Sequence[Pair]) -> str:
    """Write pairs as a query, a space as ``%20``."""
    return urlencode(pairs, errors="surrogateescape", quote_via=quote)


def read_url(url: str, host: str | None) -> tuple[dict[str, str], str, Address, str, str]:
    """Take a URL apart, or a path, which is one of ``https://localhost``.

    Args:
        url: escapes in it stay, what is no ASCII becomes one; a fragment stays with the client.
        host: the ``Host`` header, which counts for more than the URL.

    Returns:
        the headers that follow from it, the scheme, (host, port), the path and the query.
    """
    try:
        parts = urlsplit(f"https://localhost{url}" if url.startswith("/") else url)
        authority = parts if host is None else parts._replace(netloc=host)
        name = (authority.hostname or "").encode("idna").decode()
        default = _PORTS.get(parts.scheme, 0)
        port = default if authority.port is None else authority.port
    except ValueError as error:
        raise click.UsageError(f"URL or Host is none: {error}") from None
    if not default or not name:
        raise click.UsageError("URL must begin with /, http:// or https:// and name a host")
    headers = {"host": f"[{name}]" if ":" in name else name}
    if port != default:
        headers["host"] += f":{port}"
    if parts.username is not None:
        login = unquote_to_bytes(f"{parts.username}:{parts.password or ''}")
        headers["authorization"] = f"Basic {b64encode(login).decode()}"
    path = quote(octets(parts.path) or "/", safe=_PATH_SAFE)
    return headers, parts.scheme, (name, port), path, quote(octets(parts.query), safe=_QUERY_SAFE)


def read_body(
    json_text: str | None, data: Sequence[str], form: Sequence[Pair], file: BinaryIO | None
) -> tuple[str | None, bytes]:
    """Make the body of the one option that is given.

    Args:
        json_text: JSON, or ``@`` and the name of its file.
        data: pieces of a form's text as it is sent, or files of such.
        form: fields of a multipart form; a value may be ``@`` and the name of a file to upload.
        file: sent octet by octet, with the type that its name tells.

    Returns:
        the content type and the body; None where there is none.
    """
    given = {"--json": json_text is not None, "--data": data, "--form": form, "--body-file": file}
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"a request has one body, and {' and '.join(names)} each make one")
    if json_text is not None:
        body = _text_or_file(json_text)
        try:
            json.loads(body)
        except ValueError as error:
            raise click.UsageError(f"--json must be JSON: {error}") from None
        return "application/json", body
    if data:
        return "application/x-www-form-urlencoded", b"&".join(map(_form_text, data))
    if form:
        return _multipart(form)
    if file is not None:
        # Standard input may have no name.
        content_type, _ = guess_type(getattr(file, "name", ""))
        return content_type or "application/octet-stream", file.read()
    return None, b""


def _form_text(text: str) -> bytes:
    """Give a piece of a form; the line ends of a file are none of the form's."""
    piece = _text_or_file(text)
    return piece.translate(None, b"\r\n\0") if text.startswith("@") else piece


def _multipart(form: Sequence[Pair]) -> tuple[str, bytes]:
    from io import BytesIO

    from werkzeug.datastructures import FileStorage, MultiDict
    from werkzeug.test import encode_multipart

    fields: MultiDict[str, Any] = MultiDict()
    for name, value in form:
        if value.startswith("@"):
            fields.add(name, FileStorage(BytesIO(_text_or_file(value)), Path(value[1:]).name))
        else:
            fields.add(name, value)
    boundary, body = encode_multipart(fields)
    return f"multipart/form-data; boundary={boundary}", body


def _text_or_file(text: str) -> bytes:
    """Give the octets of a text, or those of the file, ``-`` for stdin, that it names behind @."""
    if not text.startswith("@"):
        return octets(text)
    try:
        with click.open_file(text[1:], "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise click.UsageError(f"cannot read {text[1:]!r}: {error.strerror}") from None
    return content
