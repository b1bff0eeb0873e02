"""Tell what of one request, or of one response, a gateway lost.

The words are those of ``slsadapt.gateways.losses``, of which a dialect lists in ``LOSES`` what its
gateway cannot carry. ``carried`` and ``received`` write down what is left with such losses: two
requests of which the same is left are one request to that gateway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ..message import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ..gateways import Dialect

__all__ = [
    "REFUSED",
    "carried",
    "grouped",
    "is_refused",
    "lost_in_request",
    "lost_in_response",
    "received",
]

# In place of a response that cannot be written as a result, the function's failure.
REFUSED = Response(500)


def lost_in_request(dialect: Dialect, sent: Request, arrived: Request) -> tuple[str, ...]:
    """Name what a gateway lost of one request.

    Headers that arrived alone are the gateway's additions, and no loss; neither is what changed
    in a way that the dialect does not list, nor a piece of the query that was empty (``a=1&&b=2``).

    Args:
        dialect: the gateway's.
        sent: by the client.
        arrived: what ``decode_event`` read from the event.

    Returns:
        keys of ``gateways.losses.LOSSES``, in the order of the dialect's ``LOSES``: those without
        which more of ``sent`` and ``arrived`` would differ.
    """
    names = {name for name, _ in sent.headers}
    arrived = arrived.replace(
        headers=[pair for pair in arrived.headers if pair[0] in names],
        query=_without_empty_pieces(arrived.query),
    )
    sent = sent.replace(query=_without_empty_pieces(sent.query))
    return _lost(
        dialect.LOSES,
        lambda losses: _changed(carried(losses, sent), carried(losses, arrived)),
    )


def lost_in_response(dialect: Dialect, sent: Response, arrived: Response) -> tuple[str, ...]:
    """Name what a gateway lost of one response; see ``lost_in_request``.

    Args:
        dialect: the gateway's.
        sent: by the application.
        arrived: what ``decode_result`` read from the result.
    """
    if is_refused(dialect.LOSES, sent) and arrived.status == REFUSED.status:
        # The page that tells of the failure is nothing of the response.
        arrived = REFUSED
    return _lost(
        dialect.LOSES,
        lambda losses: _changed(received(losses, sent), received(losses, arrived)),
    )


def _without_empty_pieces(query: str) -> str:
    return "&".join(piece for piece in query.split("&") if piece)


def _lost(
    losses: tuple[str, ...], changed: Callable[[Collection[str]], set[str]]
) -> tuple[str, ...]:
    """Take the losses without each of which more is changed than with all of them."""
    unexplained = changed(losses)
    return tuple(loss for loss in losses if changed({*losses} - {loss}) - unexplained)


def _changed(sent: dict[str, Any], arrived: dict[str, Any]) -> set[str]:
    """Name the fields, and each header that was sent, whose values differ."""
    fields = {name for name in sent.keys() - {"headers"} if sent[name] != arrived[name]}
    headers = sent["headers"].items()
    return fields | {
        f"headers.{name}" for name, values in headers if arrived["headers"].get(name) != values
    }


def carried(losses: Collection[str], request: Request) -> dict[str, Any]:
    """Write down what of a request a gateway carries that has these losses alone.

    No gateway keeps the order of different headers, and all write cookies in one line.

    Returns:
        what is left of each field by its name; the headers' values by their names.
    """
    fields = {name: getattr(request, name) for name in Request.__slots__}
    headers = grouped(request.headers)
    headers.pop("content-length", None)
    if "cookie" in headers:
        headers["cookie"] = ["; ".join(headers["cookie"])]
    for name in headers.keys() - {"cookie"}:
        if "header_last" in losses:
            headers[name] = headers[name][-1:]
        if "header_repeats" in losses:
            headers[name] = _split(headers[name])
    fields["headers"] = headers
    if "path_slashes" in losses:
        fields["path"] = "/" + fields["path"].lstrip("/")
    if "path_octets" in losses:
        fields["path"] = re.sub("(%[0-9A-Fa-f]{2})+", _as_utf8, fields["path"])
    if "path_escapes" in losses:
        fields["path"] = unquote(fields["path"]).partition("?")[0]
    fields["query"] = _carried_query(losses, request.query)
    if "binary_body" in losses:
        fields["body"] = request.body.decode("utf-8", "replace")
    host, port = request.server
    named = re.search(r":\d+$", headers.get("host", [""])[0])
    defaults = {"https": [443], "http": [80]}[request.scheme]
    if "scheme" in losses:
        defaults = [80, 443]
    if port in defaults or ("port" in losses and not named):
        port = 0
    fields["server"] = host, port
    if "server" in losses and "host" not in headers:
        fields["server"] = None
    if "client_port" in losses and request.client:
        fields["client"] = request.client[0]
    if "base_path" in losses and request.root_path != f"/{request.stage}":
        fields["root_path"] = ""
    for name in ("scheme", "client", "stage", "root_path", "request_id", "user"):
        if name in losses:
            del fields[name]
    return fields


def _carried_query(losses: Collection[str], query: str) -> Any:
    if not any(loss.startswith("query") for loss in losses):
        return query
    if "query_semicolons" in losses:
        query = query.replace(";", "&")
    pairs: list[tuple[str, str | None]] = []
    for piece in query.split("&"):
        key, equals, value = piece.partition("=")
        if "query_escapes" in losses:
            key, value = unquote(key.replace("+", " ")), unquote(value.replace("+", " "))
        if piece:
            pairs.append((key, value if equals or "query_flags" in losses else None))
    groups: dict[str, list[str | None]] = {}
    for key, each in pairs:
        groups.setdefault(key, []).append(each)
    if "query_order" in losses:
        pairs = [(key, each) for key, values in groups.items() for each in values]
    if "query_last" in losses:
        pairs = [(key, values[-1]) for key, values in groups.items()]
    if "query_commas" in losses:
        pairs = [
            (key, values[0] if len(values) == 1 else ",".join(each or "" for each in values))
            for key, values in groups.items()
        ]
    return sorted(pairs, key=lambda pair: pair[0]) if "query_order" in losses else pairs


def received(losses: Collection[str], response: Response) -> dict[str, Any]:
    """Write down what of a response a client receives from a gateway with these losses alone.

    Returns:
        what is left of each field by its name; the headers' values by their lower-case names.
    """
    if is_refused(losses, response):
        response = REFUSED
    headers = grouped((name.lower(), value) for name, value in response.headers)
    body: bytes | str = response.body
    if "response_repeats" in losses:
        for name in headers.keys() - {"set-cookie"}:
            headers[name] = _split(headers[name])
    if "response_octets" in losses:
        body = response.body.decode("utf-8", "replace")
    return {"status": response.status, "headers": headers, "body": body}


def is_refused(losses: Collection[str], response: Response) -> bool:
    """Tell whether a gateway with these losses has no result for a response."""
    is_utf8 = response.body.decode("utf-8", "replace").encode() == response.body
    return "response_binary" in losses and not is_utf8


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group pairs by name: what is left where a gateway loses the order among names."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def _as_utf8(escapes: re.Match[str]) -> str:
    """Replace what is not UTF-8, and leave the spelling of all else."""
    text = unquote(escapes[0])
    return quote(text) if "\ufffd" in text else escapes[0]


def _split(values: list[str]) -> list[str]:
    """Take values apart that were, or were not, joined with commas."""
    return [each.strip(" \t") for each in ",".join(values).split(",")]
