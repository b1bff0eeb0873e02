"""Explain by the gateways why a request is answered otherwise through one than through another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..gateways.losses import LOSSES
from ..message import Request, Response
from .compare import Digest, differences
from .losses import REFUSED, carried, is_refused, lost_in_request, lost_in_response, received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..gateways import Dialect
    from .compare import Difference
    from .gateway import Delivery

__all__ = ["explain"]


def explain(
    found: Iterable[Difference],
    *,
    source: Dialect,
    request: Request,
    recorded: Response,
    omitted: Digest | None,
    delivery: Delivery,
    again: Callable[[], Response | None],
    ignore: Iterable[str],
) -> list[Difference]:
    """Note at differences which of two gateways makes them, where one does.

    Args:
        found: what differs between ``recorded`` and the response of ``delivery``.
        source: the gateway at which the event was recorded.
        request: as it came through that.
        recorded: what was answered through it.
        omitted: the body's digest, where that was not kept.
        delivery: the same request, on its way through the other gateway.
        again: replays the event through the first one.
        ignore: as for ``compare.differences``.
    """
    other, response, sent = delivery.dialect, delivery.response, delivery.timing.response
    if other is None or response is None:
        return [*found]
    if sent is not None and omitted is not None and Digest.of(sent.body) == omitted:
        # What was not kept is what the application has sent again.
        recorded, omitted = recorded.replace(body=sent.body), None
    losses = (*source.LOSES, *other.LOSES)

    def differing(one: Response, another: Response) -> set[str]:
        """Tell where responses differ in what both gateways carry."""
        pair = _left(losses, one, another), _left(losses, another, one)
        return {each.where for each in differences(*pair, ignore=ignore, omitted=omitted)}

    reasons: dict[str, str] = {}
    places = differing(recorded, response)
    lost = [
        *lost_in_response(other, recorded, response),
        *lost_in_response(source, response, recorded),
    ]
    for each in {difference.where for difference in found} - places:
        reasons[each] = _not_carried(lost) or f"{_name(source)} and {_name(other)} write it so"
    if sent is not None:
        own = {f"headers.{name.lower()}" for name, _ in sent.headers}
        for each in [place for place in places - own if place.startswith("headers.")]:
            reasons[each] = f"{_name(source)} or {_name(other)} adds it"
    places -= reasons.keys()
    why = _change(source, other, request, delivery.event) if places else ""
    before = again() if why else None
    if before is not None:
        # It is for the request if the application still answers its event as before, and the
        # other gateway hands on what is answered.
        places -= differing(recorded, before) | (differing(sent, response) if sent else set())
        reasons |= dict.fromkeys(places, why)
    return [each.because(reasons.get(each.where, "")) for each in found]


def _name(dialect: Dialect) -> str:
    return dialect.__name__.rpartition(".")[2]


def _change(source: Dialect, other: Dialect, request: Request, event: Any) -> str:
    """Tell why a request may arrive otherwise, ``""`` where it does not, or may not."""
    arrived = other.decode_event(event)
    # Gateways replace each other's headers, and compress by themselves.
    own = {*_added(source), *_added(other), "accept-encoding"}
    names = {name for name, _ in request.headers} - own
    if arrived == request or _kept(other, request, names) != _kept(other, arrived, names):
        return ""
    lost = lost_in_request(other, request, arrived)
    return _not_carried(lost) or f"{_name(other)} adds it to requests, or tells it so"


def _kept(dialect: Dialect, request: Request, names: set[str]) -> dict[str, Any]:
    """Write down what a gateway must leave of a request, of its headers those named."""
    # The piece of a query between && says nothing.
    query = "&".join(filter(None, request.query.split("&")))
    headers = [pair for pair in request.headers if pair[0] in names]
    kept = carried(dialect.LOSES, request.replace(query=query, headers=headers))
    return {name: kept.get(name) for name in ("method", "path", "query", "headers", "body")}


def _added(dialect: Dialect) -> set[str]:
    """Name the headers that a gateway adds to requests."""
    bare = Request(
        "GET",
        "/",
        headers=[("host", "localhost")],
        client=("127.0.0.1", 80),
        stage="test",
        root_path="/test",
        request_id="00000000-0000-4000-8000-000000000000",
        user="nobody",
    )
    return {name for name, _ in dialect.decode_event(dialect.encode_event(bare)).headers} - {"host"}


def _not_carried(lost: Iterable[str]) -> str:
    words = "; ".join(dict.fromkeys(LOSSES[each] for each in lost))
    return f"not carried: {words}" if words else ""


def _left(losses: tuple[str, ...], response: Response, other: Response) -> Response:
    """Write a response as it is left by gateways with these losses."""
    if is_refused(losses, response) or (is_refused(losses, other) and response.status == 500):
        return REFUSED
    left = received(losses, response)
    headers = [(name, value) for name, values in left["headers"].items() for value in values]
    body = left["body"]
    return Response(left["status"], headers, body if isinstance(body, bytes) else body.encode())
