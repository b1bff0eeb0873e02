"""Payload 2.0, which HTTP APIs and function URLs share but for the path."""

from __future__ import annotations

from functools import lru_cache

from ..message import Response
from ..percent import decode, encode_path, encode_stray
from ._aws import ACCOUNT_ID, API_ID, DEFAULT_HOST, DEFAULT_STAGE, clock, encode_request_body
from ._body import decode_base64, decode_body, encode_body
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    header_pairs,
    scalar_text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Build, Request, T

    JSON = dict[str, Any]

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.http", OBJECT),
    ("requestContext.http.method", TEXT),
    ("requestContext.http.sourceIp", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.domainName", TEXT_OR_NONE),
    ("rawPath", TEXT),
    ("rawQueryString", TEXT),
    ("headers", OBJECT, SCALARS),
    ("cookies", (list, type(None)), TEXT),
    ("requestContext.authorizer", OBJECT_OR_NONE),
    ("requestContext.authorizer.lambda", OBJECT_OR_NONE),
    ("requestContext.authorizer.iam", OBJECT_OR_NONE),
    ("requestContext.authorizer.jwt", OBJECT_OR_NONE),
    ("requestContext.authorizer.jwt.claims", OBJECT_OR_NONE),
)


def decode_into(event: JSON, build: Build[T], path_is_encoded: bool) -> T:
    """Read an event; the two dialects differ in whether the path is percent-encoded."""
    try:
        context = event["requestContext"]
        http = context["http"]
        fields = event["headers"]
        path = event["rawPath"]
        query = event["rawQueryString"]
        if type(path) is not str:
            raise TypeError("rawPath")
        stage = root_path = ""
        if path_is_encoded:
            path = path if path.isascii() else encode_stray(path)
        else:
            stage = context.get("stage") or ""
            if stage == DEFAULT_STAGE:
                stage = ""
            elif stage:
                mount, below, public = _mount(stage, context.get("domainName") or "")
                if path.startswith(below) or path == mount:
                    path = path[len(mount) :]
                    root_path = public
            path = encode_path(path)
        # HTTP APIs lift cookies out of the headers, function URLs copy them; applications
        # expect one Cookie line.
        if cookies := event.get("cookies"):
            if type(cookies) is not list:
                raise TypeError("cookies")
            if "cookie" not in fields:
                fields = {**fields, "cookie": "; ".join(cookies)}
        body = event.get("body")
        octets = b"" if body is None else decode_body(body, event.get("isBase64Encoded"))
        if octets and "Content-Length" not in fields:
            # There as a rule, and right; the preview's events of 2019 spell it so.
            length = str(len(octets))
            if fields.get("content-length") != length:
                fields = {**fields, "content-length": length}
        headers = header_pairs(fields)
        if "host" not in fields:
            # The names are lower-case, but for the preview's events of 2019.
            fields = {name.lower(): value for name, value in headers}
        # Both speak nothing but HTTPS; http comes from emulators alone.
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        source = http.get("sourceIp") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + stage + source  # raises where one is no text
        authorizer = context.get("authorizer")
        return build(
            http["method"].upper(),
            path if path[:1] == "/" else f"/{path}",
            query if query.isascii() else encode_stray(query),
            headers,
            octets,
            scheme,
            (source, 0) if source else None,
            address(fields.get("host"), fields.get("x-forwarded-port"), scheme),
            root_path,
            stage,
            request_id,
            _principal(authorizer) if authorizer else None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


@lru_cache(maxsize=64)
def _mount(stage: str, domain: str) -> tuple[str, str, str]:
    """Tell the segment before the path, how paths below it begin, and whether it is public.

    Only the default host shows the stage in the client's URL.
    """
    mount = f"/{stage}"
    return mount, f"{mount}/", mount if DEFAULT_HOST in domain else ""


def _principal(authorizer: JSON) -> str | None:
    """Name who the gateway authorized: a Lambda authorizer's principal, a token's subject
    or an IAM identity.
    """
    for kind, name in (("lambda", "principalId"), ("iam", "userArn")):
        if user := (authorizer.get(kind) or {}).get(name):
            return str(user)
    user = ((authorizer.get("jwt") or {}).get("claims") or {}).get("sub")
    return str(user) if user else None


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a payload 2.0 result, which holds one string a header and a list of cookies."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in response.headers:
        name = name.lower()
        if name == "set-cookie":
            cookies.append(value)
        else:
            # RFC 9110 5.3 lets repeats be joined.
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    text, is_base64 = encode_body(
        response.body,
        headers.get("content-type", ""),
        headers.get("content-encoding", ""),
        text_mime_types,
    )
    result: JSON = {
        "statusCode": response.status,
        "headers": headers,
        "body": text,
        "isBase64Encoded": is_base64,
    }
    if cookies:
        result["cookies"] = cookies
    return result


def encode_event(
    request: Request, raw_path: str, domain: str, keep_cookie: bool, received_ms: int
) -> JSON:
    """Write an event as the gateway does; ``keep_cookie`` leaves cookies in the headers too."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers:
        if name == "cookie":
            cookies += value.split("; ")
            if not keep_cookie:
                continue
            separator = "; "
        else:
            separator = ","
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    headers.setdefault("host", domain)
    headers["x-forwarded-proto"] = request.scheme
    headers["x-forwarded-port"] = str(request.server[1])
    source = request.client[0] if request.client else ""
    parameters: dict[str, str] = {}
    for piece in request.query.split("&") if request.query else ():
        key, _, value = (
            decode(part.replace("+", " ")).decode("utf-8", "replace")
            for part in piece.partition("=")
        )
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    event: JSON = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": decode(encode_path(request.root_path) + request.path).decode(
                    "utf-8", "replace"
                ),
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.request_id,
            "routeKey": "$default",
            "stage": request.stage or DEFAULT_STAGE,
            "time": clock(received_ms),
            "timeEpoch": received_ms,
        },
        "isBase64Encoded": False,
    }
    # Absent rather than null or empty, as the gateways do.
    if cookies:
        event["cookies"] = cookies
    if parameters:
        event["queryStringParameters"] = parameters
    if request.user is not None:
        event["requestContext"]["authorizer"] = {"lambda": {"principalId": request.user}}
    if request.body:
        content_type = headers.get("content-type", "")
        event["body"], event["isBase64Encoded"] = encode_request_body(
            request.body, content_type, headers.get("content-encoding", "")
        )
    return event


def decode_result(result: Any, malformed: Response) -> Response:
    """Read a result as the gateway does; a wrong one becomes its answer to ``malformed``.

    Without ``statusCode`` the whole value is the body of a 200. Without a content type it is
    ``application/json``. Transport headers (date, content length) are left to the transport.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        import json

        whole: str = (
            result
            if isinstance(result, str)
            else json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        )
        answer = whole.encode("utf-8", "surrogatepass")
        return Response(200, (("content-type", "application/json"),), answer)
    try:
        status = int(result["statusCode"])
        if not 100 <= status <= 599:
            return malformed
        headers = [
            (name.lower(), scalar_text(value))
            for name, value in (result.get("headers") or {}).items()
        ]
        cookies = result.get("cookies") or []
        if not isinstance(cookies, list):
            return malformed
        headers += [("set-cookie", cookie + "") for cookie in cookies]
        body = result.get("body")
        text = "" if body is None else body + ""  # raises where it is no text
        octets: bytes | None = text.encode("utf-8", "surrogatepass")
        if result.get("isBase64Encoded"):
            octets = decode_base64(text)
    except (TypeError, ValueError, AttributeError):
        return malformed
    if octets is None:
        return malformed
    if "content-type" not in dict(headers):
        headers.append(("content-type", "application/json"))
    return Response(status, tuple(headers), octets)
