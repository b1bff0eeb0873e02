"""AWS REST APIs, and HTTP APIs that send payload 1.0.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html

- Path: REST APIs (no ``version`` key) send ``path`` percent-encoded as the client did, HTTP
  APIs (``"version": "1.0"``) decoded once. A leading ``//`` is folded. ``pathParameters`` loses
  a trailing slash and is read only to find a base path.
- Stage: on the default host it stands in the URL and in ``requestContext.path``, not in
  ``path`` (HTTP APIs: in both).
- Base path: on a custom domain ``path`` begins with the mapping's base path, or with the stage
  where the mapping names none; ``resource`` filled with ``pathParameters`` does not, and what
  is left over is the base.
- Query: maps of **decoded** keys and values, so it is encoded again; a space becomes ``%20``.
  The order among different keys is lost, and the gateway splits at ``;``.
- Repeats: complete in ``multiValueHeaders`` and ``multiValueQueryStringParameters``; the single
  maps hold the last value. The console's test call sends the maps as null.
- Header names come in the client's case; ``Content-Length`` does not come at all.
- Body: null without one; base64 when the API's ``binaryMediaTypes`` match.
- Response: any key beside the five makes it a malformed result, which is a 502. Base64 is
  decoded only if ``binaryMediaTypes`` matches the request's first ``Accept`` type.
- Limits: 6 MB each way (Lambda's), 10,240 octets of headers, 29 s.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import decode, encode_path, encode_stray
from ._aws import (
    ACCOUNT_ID,
    API_ID,
    DEFAULT_HOST,
    DEFAULT_STAGE,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    annotate,
    clock,
    extended_id,
    result_bytes,
)
from ._body import decode_body, encode_body
from ._fields import (
    LISTS,
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    header_lists,
    header_pairs,
    host_of,
    repeats,
    scalar_text,
)
from ._query import decode_lists, encode_lists, encode_map
from ._result import encode_multi, read_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Build, T

    JSON = dict[str, Any]

__all__ = [
    "KEYS",
    "LOSES",
    "REQUEST_LIMIT_BYTES",
    "RESULT_LIMIT_BYTES",
    "TITLE",
    "annotate",
    "decode_event",
    "decode_into",
    "decode_result",
    "encode_event",
    "encode_result",
    "matches",
    "result_bytes",
]

TITLE = "AWS REST API, and HTTP API with payload 1.0"
KEYS = "httpMethod, resource and requestContext.stage"
LOSES = (
    "path_slashes",
    "query_order",
    "query_escapes",
    "query_flags",
    "query_semicolons",
    "client_port",
)

_FIELDS = (
    ("requestContext", OBJECT),
    ("requestContext.identity", OBJECT_OR_NONE),
    ("requestContext.identity.sourceIp", TEXT_OR_NONE),
    ("requestContext.path", TEXT_OR_NONE),
    ("requestContext.stage", TEXT_OR_NONE),
    ("requestContext.domainName", TEXT_OR_NONE),
    ("requestContext.requestId", TEXT_OR_NONE),
    ("requestContext.authorizer", OBJECT_OR_NONE),
    ("requestContext.authorizer.claims", OBJECT_OR_NONE),
    ("httpMethod", TEXT),
    ("path", TEXT),
    ("resource", TEXT_OR_NONE),
    ("pathParameters", OBJECT_OR_NONE, TEXT),
    ("headers", OBJECT_OR_NONE, SCALARS),
    ("multiValueHeaders", OBJECT_OR_NONE, LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS),
    ("multiValueQueryStringParameters", OBJECT_OR_NONE, LISTS),
)
_RESULT_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
# How the gateway spells what it writes or reads itself; other names keep the client's case.
_SPELLINGS = {
    "authorization": "Authorization",
    "host": "Host",
    "user-agent": "User-Agent",
    "x-amzn-trace-id": "X-Amzn-Trace-Id",
    "x-forwarded-for": "X-Forwarded-For",
    "x-forwarded-port": "X-Forwarded-Port",
    "x-forwarded-proto": "X-Forwarded-Proto",
}
_MALFORMED = Response(
    502,
    (("Content-Type", "application/json"), ("x-amzn-ErrorType", "InternalServerErrorException")),
    b'{"message": "Internal server error"}',
)


def matches(event: JSON) -> bool:
    """Tell API Gateway's payload 1.0 from its imitations and from its own other events.

    Authorizers' input has a ``type``, WebSocket events a ``connectionId``; Kong and Scaleway
    send no or an empty ``requestContext.stage``, Huawei and Yandex no ``resource`` or stage.
    """
    context = event.get("requestContext")
    return (
        type(context) is dict
        and bool(context.get("stage"))
        and "httpMethod" in event
        and "resource" in event
        and "connectionId" not in context
        and "elb" not in context
        and "type" not in event
        and ("version" not in event or event["version"] == "1.0")
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        context = event["requestContext"]
        path = event["path"]
        if event.get("version") == "1.0":
            path = encode_path(path)
        elif not path.isascii():
            path = encode_stray(path)
        if path[:1] != "/":
            path = f"/{path}"
        root_path, path = _mount(event, context, path)
        body = event.get("body")
        octets = decode_body(body, event.get("isBase64Encoded")) if body is not None else b""
        fields = event.get("headers") or {}
        lists = event.get("multiValueHeaders")
        if lists and repeats(lists, fields):
            headers = header_lists(lists)
            if octets and not any(name.lower() == "content-length" for name in lists):
                headers = [*headers, ("content-length", str(len(octets)))]
        else:
            if octets and "Content-Length" not in fields and "content-length" not in fields:
                fields = {**fields, "content-length": str(len(octets))}
            headers = header_pairs(fields)
        if "Host" not in fields:
            # The gateway spells its own headers so; emulators do not.
            fields = {name.title(): value for name, value in headers}
        scheme = "http" if fields.get("X-Forwarded-Proto") == "http" else "https"
        identity = context.get("identity") or {}
        source = identity.get("sourceIp") or ""
        stage = context.get("stage") or ""
        request_id = context.get("requestId") or ""
        "" + request_id + stage + source  # raises where one is no text
        authorizer = context.get("authorizer")
        user = identity.get("userArn")
        return build(
            event["httpMethod"].upper(),
            path or "/",
            _query(event),
            headers,
            octets,
            scheme,
            (source, 0) if source else None,
            address(fields.get("Host"), fields.get("X-Forwarded-Port"), scheme),
            root_path,
            "" if stage == DEFAULT_STAGE else stage,
            request_id,
            _principal(authorizer or {}, user) if authorizer or user else None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS, error) from None


def _mount(event: JSON, context: JSON, path: str) -> tuple[str, str]:
    """Split what the client's URL holds before the application's own path.

    Returns:
        (root path, path), the first decoded, the second as encoded as it came.
    """
    whole = context.get("path") or ""
    if whole.startswith("/") and whole.endswith(path) and len(whole) > len(path):
        return _decoded(whole[: -len(path)].rstrip("/")), path
    stage = context.get("stage")
    if (context.get("domainName") or _host(event)).find(DEFAULT_HOST) >= 0:
        if not stage or stage == DEFAULT_STAGE:
            return "", path
        mount = "/" + stage
        if event.get("version") == "1.0" and (path == mount or path.startswith(mount + "/")):
            path = path[len(mount) :]
        return mount, path
    base = _base_path(event, path)
    return _decoded(base), path[len(base) :]


def _decoded(mount: str) -> str:
    return decode(mount).decode("utf-8", "replace") if "%" in mount else mount


def _host(event: JSON) -> str:
    """Read the host where the context does not name it, as in the console's test call."""
    headers = event.get("headers") or {}
    return scalar_text(headers.get("Host") or headers.get("host") or "")


def _base_path(event: JSON, path: str) -> str:
    """Find what stands in ``path`` before the resource, each of whose variables is filled."""
    resource = event.get("resource")
    if not resource or not resource.startswith("/"):
        return ""
    filled = {}
    for name, value in (event.get("pathParameters") or {}).items():
        filled[f"{{{name}}}"] = filled[f"{{{name}+}}"] = value
    # A variable is a whole segment, and its value, which the client chose, is not looked into.
    resource = "/".join([filled.get(each, each) for each in resource.split("/")]).rstrip("/")
    trimmed = path.rstrip("/")
    if "{" in resource or not trimmed.endswith(resource):
        return ""
    return trimmed[: len(trimmed) - len(resource)].rstrip("/")


def _query(event: JSON) -> str:
    """Encode the decoded query again."""
    if lists := event.get("multiValueQueryStringParameters"):
        return encode_lists(lists)
    single = event.get("queryStringParameters")
    return encode_map(single) if single else ""


def _principal(authorizer: JSON, arn: str | None) -> str | None:
    """Name who the gateway authorized: a Lambda authorizer's principal, a user pool's subject
    or an IAM identity.
    """
    user = authorizer.get("principalId") or (authorizer.get("claims") or {}).get("sub") or arn
    return str(user) if user else None


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a payload 1.0 result: ``multiValueHeaders`` only for what repeats."""
    return encode_multi(response, text_mime_types)


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event that a REST API with a ``{proxy+}`` resource would send.

    ``root_path`` is the stage on the default host where the two are equal, and a custom
    domain's base path otherwise.
    """
    root = encode_path(request.root_path)
    path = request.path if request.root_path == f"/{request.stage}" else root + request.path
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    proxy = request.path.strip("/")
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name != "content-length":
            headers.setdefault(_SPELLINGS.get(name, name), []).append(value)
    host = host_of(request.server)
    headers.setdefault("Host", [host])
    headers["X-Forwarded-Proto"] = [request.scheme]
    headers["X-Forwarded-Port"] = [str(request.server[1])]
    query = decode_lists(request.query.replace(";", "&"))
    body, is_base64 = encode_body(
        request.body,
        headers.get("content-type", [""])[-1],
        headers.get("content-encoding", [""])[-1],
        (),
    )
    event: JSON = {
        "resource": "/{proxy+}" if proxy else "/",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {key: values[-1] for key, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": proxy} if proxy else None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "deploymentId": "slsada",
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "extendedRequestId": extended_id(request.request_id),
            "httpMethod": request.method,
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": request.client[0] if request.client else None,
                "user": None,
                "userAgent": headers.get("User-Agent", [None])[-1],
                "userArn": None,
            },
            "path": root + request.path,
            "protocol": "HTTP/1.1",
            "requestId": request.request_id,
            "requestTime": clock(received_ms),
            "requestTimeEpoch": received_ms,
            "resourceId": "slsada",
            "resourcePath": "/{proxy+}" if proxy else "/",
            "stage": request.stage or DEFAULT_STAGE,
        },
        "body": body or None,
        "isBase64Encoded": is_base64,
    }
    # Absent where the method has no authorizer.
    if request.user is not None:
        event["requestContext"]["authorizer"] = {"principalId": request.user}
    return event


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; ``binaryMediaTypes`` is taken to match."""
    if not isinstance(result, dict) or not _RESULT_KEYS.issuperset(result):
        return _MALFORMED
    for name in ("headers", "multiValueHeaders"):
        if not isinstance(result.get(name), (dict, type(None))):
            return _MALFORMED
    response = read_result(result)
    if response is None:
        return _MALFORMED
    if not any(name.lower() == "content-type" for name, _ in response.headers):
        return response.replace(headers=[*response.headers, ("Content-Type", "application/json")])
    return response
