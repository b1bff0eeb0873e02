"""What every dialect says when an event is not what its vendor documents.

Dialects read fields straight from the event, and call ``bad_event`` only when that fails:
checking each field beforehand would cost every good event for the sake of the rare bad one.
"""

from __future__ import annotations

from ..errors import BadEventError
from ..percent import encode_stray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from ..message import Address, Pairs, Request

    JSON = dict[str, Any]
    Types = tuple[type, ...]
    # Dotted path of a field, in which a number stands for a member of a list, the types it may
    # have (``type(None)`` among them: it may be absent) and, for a map or list that is read
    # whole, the types of what it holds.
    Field = tuple[str, Types] | tuple[str, Types, Types]

NONE = type(None)
TEXT = (str,)
TEXT_OR_NONE = (str, NONE)
NUMBER_OR_NONE = (int, NONE)
OBJECT = (dict,)
OBJECT_OR_NONE = (dict, NONE)
# What a header or query value may be: JSON writers of every language print some as numbers.
SCALARS = (str, int, float)
LISTS = (list,)
SCALARS_OR_LISTS = (*SCALARS, list)
# What reading a field of a wrong type raises; dialects turn these into BadEventError.
WRONG = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError)


def bad_event(event: JSON, fields: tuple[Field, ...], error: Exception) -> Exception:
    """Explain ``error`` by the first of ``fields`` that is missing or mistyped.

    Returns:
        A BadEventError that names the field, or ``error`` itself where every field is right,
        because then the fault is ours.
    """
    if isinstance(error, BadEventError):
        return error
    if not isinstance(event, dict):
        return BadEventError(f"the event must be a JSON object, got {type(event).__name__}")
    for field in fields:
        path, types = field[0], field[1]
        value: Any = event
        for name in path.split("."):
            if isinstance(value, list):
                value = {str(index): member for index, member in enumerate(value)}
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, types):
            expected = " or ".join(kind.__name__ for kind in types if kind is not NONE)
            return BadEventError(f"{path!r} must be {expected}, got {type(value).__name__}")
        if len(field) == 3 and value is not None:
            whole: Any = value
            for key, member in whole.items() if isinstance(whole, dict) else enumerate(whole):
                where = f"'{path}.{key}'"
                if not isinstance(member, field[2]):
                    return BadEventError(
                        f"{where} must be {field[2][0].__name__}, got {type(member).__name__}"
                    )
                for each in member if isinstance(member, list) else ():
                    if not isinstance(each, SCALARS):
                        return BadEventError(f"{where} must be str, got {type(each).__name__}")
    return error


def scalar_text(value: object) -> str:
    """Write a header or query value that arrived as a JSON number or boolean."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError(f"no text in {type(value).__name__}")


_is_ascii = str.isascii


def header_pairs(fields: JSON) -> Pairs:
    """Read a map of one value a header; names stay as the gateway spells them."""
    try:
        # One call in C finds out that every value is ASCII text, as it nearly always is.
        if all(map(_is_ascii, fields.values())):
            return fields.items()
    except TypeError:
        pass
    return [(name, _octets(value)) for name, value in fields.items()]


def repeats(lists: JSON, fields: JSON) -> bool:
    """Tell whether a map of lists holds more than the map of single values beside it."""
    return len(lists) != len(fields) or {*map(len, lists.values())} != {1}


def header_lists(lists: JSON) -> Pairs:
    """Read a map of lists of header values."""
    if {*map(type, lists.values())} != {list}:
        raise TypeError("a header's values must be a list")
    return [
        (name, value if type(value) is str and value.isascii() else _octets(value))
        for name, values in lists.items()
        for value in values
    ]


def deliverable(headers: Pairs, fields: JSON, body: bytes, dropped: Collection[str] = ()) -> Pairs:
    """Leave headers out, and set right the length, which gateways decode away or leave out.

    Args:
        headers: as the event holds them.
        fields: the same by lower-case name.
        body: gives the length.
        dropped: lower-case names to leave out.
    """
    length = str(len(body))
    if fields.get("content-length", "" if body else length) != length:
        dropped = (*dropped, "content-length")
        kept = [pair for pair in headers if pair[0].lower() not in dropped]
        return [*kept, ("content-length", length)]
    if any(name in fields for name in dropped):
        return [pair for pair in headers if pair[0].lower() not in dropped]
    return headers


def last_forwarded(hops: str) -> Address | None:
    """Read the last address of ``X-Forwarded-For``, which no client can write.

    Args:
        hops: ``"198.51.100.7, 203.0.113.18:49196"``; IPv6 addresses have brackets where a port
            follows. A port that is missing or none is 0.
    """
    host = hops.rpartition(",")[2].strip()
    port = ""
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host:
        return None
    number = int(port) if len(port) < 6 and port.isascii() and port.isdigit() else 0
    return host, number if number < 65536 else 0


def _octets(value: object) -> str:
    """Write a header value as latin-1 characters, each standing for one octet.

    A value with other characters was decoded by the gateway, as UTF-8.
    """
    text = scalar_text(value)
    if text.isascii() or ord(max(text)) < 256:
        return text
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def joined_headers(request: Request) -> dict[str, str]:
    """Write one string a header, with a host: repeats joined, cookies as one line."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        separator = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    headers.setdefault("host", host_of(request.server))
    return headers


def group_headers(headers: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather a response's headers by name, of which the first spelling stands for all."""
    spelling: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name, value in headers:
        groups.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    return groups


def list_members(value: str) -> list[str]:
    """Take apart a header that lists (RFC 9110 5.6.1), by commas; none may stand quoted in it."""
    return [member for member in (each.strip(" \t") for each in value.split(",")) if member]


def header_members(headers: Pairs, name: str) -> list[str]:
    """List what a header lists that may come several times; ``name`` is lower-case."""
    return [
        member for each, value in headers if each.lower() == name for member in list_members(value)
    ]


def rooted_path(path: str) -> str:
    """Write an encoded path as clients send it: octets escaped, and a ``/`` in front.

    The ``*`` of a request to the server as a whole stays (RFC 9112 3.2.4).
    """
    if not path.startswith("/") and path != "*":
        path = f"/{path}"
    return path if path.isascii() else encode_stray(path)


def host_of(server: Address) -> str:
    """Write the host as the ``Host`` header does (RFC 3986 3.2.2), without the port."""
    return f"[{server[0]}]" if ":" in server[0] else server[0]


def address(host: str | None, port: str | None, scheme: str) -> Address:
    """Read the (host, port) the client asked for.

    Args:
        host: the ``Host`` header; an IPv6 address loses its brackets (RFC 3986 3.2.2). Without
            any it is ``localhost``, since PEP 3333 wants a name.
        port: the gateway's own word, which counts where ``Host`` names none.
        scheme: gives the port that nothing names.
    """
    if type(host) is str and port == "443" and ":" not in host and host:
        return host, 443
    name = scalar_text(host or "localhost")
    source = "headers.host"
    named = ""
    if ":" in name:
        if name[0] == "[":
            name, _, named = name[1:].partition("]")
            named = named.removeprefix(":")
        else:
            name, _, named = name.rpartition(":")
    if not named:
        source = "headers.x-forwarded-port"
        named = scalar_text(port or ("443" if scheme == "https" else "80"))
    if not (len(named) < 6 and named.isascii() and named.isdigit() and int(named) < 65536):
        raise BadEventError(f"{source!r} must end in a port number from 0 to 65535")
    return name, int(named)
