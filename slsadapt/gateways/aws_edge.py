"""AWS Lambda@Edge, viewer-request and origin-request events of CloudFront.

Sources: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html,
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-generating-http-responses-in-requests.html,
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-functions-restrictions.html

- Path: ``uri``, as the client sent it, octets that are not UTF-8 turned into it. Query:
  ``querystring``, the same.
- Headers: lists of ``key`` and ``value``, so repeats are complete.
- Body: always base64 from CloudFront, ``encoding`` allows for text; there only where the
  function's association includes it, and a request that has a body without it is refused. A body
  that CloudFront truncated (at 40 KB in viewer requests, 1 MB in origin requests) is a 413.
- Client: ``clientIp``. Request id: ``config.requestId``.
- Scheme: ``CloudFront-Forwarded-Proto``, believed in origin requests alone, since in viewer
  requests the client's own gets through; HTTPS without it.
- Host: in origin requests the origin's, unless the origin request policy forwards the viewer's.
- There is no stage and no authorizer. Response events are not claimed.
- Response: ``status`` as text, lists of headers. Of headers that CloudFront answers with a 502,
  those of a connection, which CloudFront has on its own (``Connection``, ``Content-Length``,
  ``Transfer-Encoding`` and so on), and nginx's ``X-Accel-Buffering``, are left out, since
  frameworks add them as a matter of course. Any other is an error that names it.
- Limits of a response, headers and body together: 40 KB in viewer requests, 1 MB in origin
  requests. ``RESULT_LIMIT_BYTES`` is the latter; ``encode_result`` sees to the former.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..errors import ApplicationError, BadEventError, ResultTooLargeError
from ..message import Request, Response
from ..percent import encode_stray
from ._aws import annotate_anonymous as annotate
from ._aws import reason
from ._body import decode_base64, encode_body
from ._fields import (
    LISTS,
    OBJECT,
    OBJECT_OR_NONE,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_lists,
    host_of,
    rooted_path,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..message import Build, Pairs, T

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

TITLE = "AWS CloudFront with Lambda@Edge"
KEYS = "Records[0].cf.request without .response"
# CloudFront's own error message counts 1,048,576 bytes for the documents' 1 MB:
# https://github.com/aws-amplify/amplify-hosting/issues/2221
REQUEST_LIMIT_BYTES = RESULT_LIMIT_BYTES = 1024 * 1024
LOSES = ("port", "client_port", "stage", "root_path", "user")

_VIEWER_RESULT_LIMIT_BYTES = 40 * 1024
_REQUEST = "Records.0.cf.request"
_FIELDS = (
    ("Records", LISTS),
    ("Records.0", OBJECT),
    ("Records.0.cf", OBJECT),
    ("Records.0.cf.config", OBJECT_OR_NONE),
    ("Records.0.cf.config.requestId", TEXT_OR_NONE),
    (_REQUEST, OBJECT),
    (f"{_REQUEST}.method", TEXT),
    (f"{_REQUEST}.uri", TEXT),
    (f"{_REQUEST}.querystring", TEXT_OR_NONE),
    (f"{_REQUEST}.clientIp", TEXT_OR_NONE),
    (f"{_REQUEST}.headers", OBJECT),
    (f"{_REQUEST}.body", OBJECT_OR_NONE),
    (f"{_REQUEST}.body.data", TEXT_OR_NONE),
)
_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-accel-buffering",
    }
)
# What CloudFront does not take, beside those: disallowed, or read-only in request events.
_REFUSED = frozenset(
    {
        "accept-encoding",
        "expect",
        "host",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "proxy-authenticate",
        "proxy-authorization",
        "via",
        "x-accel-charset",
        "x-accel-limit-rate",
        "x-accel-redirect",
        "x-amzn-auth",
        "x-amzn-cf-billing",
        "x-amzn-cf-id",
        "x-amzn-cf-xff",
        "x-amzn-errortype",
        "x-amzn-fle-profile",
        "x-amzn-header-count",
        "x-amzn-header-order",
        "x-amzn-lambda-integration-tag",
        "x-amzn-requestid",
        "x-cache",
        "x-forwarded-proto",
        "x-real-ip",
    }
)
_REFUSED_FAMILIES = ("x-amz-cf-", "x-edge-")
# What CloudFront says of a result that is none.
INVALID = (
    "The Lambda function result failed validation: The body is not a string, is not an object, "
    "or exceeds the maximum size."
)


def error_page(status: int, sentence: str, request_id: str = "") -> bytes:
    """Write CloudFront's page for an error, to the octet."""
    return (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" '
        '"http://www.w3.org/TR/html4/loose.dtd">\n'
        '<HTML><HEAD><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=iso-8859-1">\n'
        "<TITLE>ERROR: The request could not be satisfied</TITLE>\n</HEAD><BODY>\n"
        f"<H1>{status} ERROR</H1>\n<H2>The request could not be satisfied.</H2>\n"
        f'<HR noshade size="1px">\n{sentence}\n'
        "We can't connect to the server for this app or website at this time. There might be too "
        "much traffic or a configuration error. Try again later, or contact the app or website "
        'owner.\n<BR clear="all">\n'
        "If you provide content to customers through CloudFront, you can find steps to "
        "troubleshoot and help prevent this error by reviewing the CloudFront documentation.\n"
        '<BR clear="all">\n<HR noshade size="1px">\n<PRE>\n'
        f"Generated by cloudfront (CloudFront)\nRequest ID: {request_id}\n"
        "</PRE>\n<ADDRESS>\n</ADDRESS>\n</BODY></HTML>"
    ).encode()


_MALFORMED = Response(502, (("Content-Type", "text/html"),), error_page(502, INVALID))


def matches(event: Any) -> bool:
    """Claim request events; response events have a ``response`` too."""
    records = event.get("Records") if isinstance(event, dict) else None
    record = records[0] if isinstance(records, list) and records else None
    cf = record.get("cf") if isinstance(record, dict) else None
    return isinstance(cf, dict) and "request" in cf and "response" not in cf


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    try:
        cf = event["Records"][0]["cf"]
        request = cf["request"]
        config = cf.get("config") or {}
        path = request["uri"]
        query = request.get("querystring") or ""
        headers = _header_pairs(request["headers"])
        fields = {name.lower(): value for name, value in headers}
        body = _body(request.get("body"), fields.get("content-length", "0"))
        scheme = "https"
        if config.get("eventType") == "origin-request":
            scheme = "http" if fields.get("cloudfront-forwarded-proto") == "http" else "https"
        source = request.get("clientIp") or ""
        request_id = config.get("requestId") or ""
        "" + request_id + source  # raises where one is no text
        return build(
            request["method"].upper(),
            rooted_path(path),
            query if query.isascii() else encode_stray(query),
            deliverable(headers, fields, body),
            body,
            scheme,
            (source, 0) if source else None,
            address(fields.get("host"), None, scheme),
            "",
            "",
            request_id,
            None,
        )
    except (*WRONG, IndexError) as error:
        raise bad_event(event, _FIELDS, error) from None


def _header_pairs(fields: JSON) -> Pairs:
    lists = {}
    for name, values in fields.items():
        try:
            if type(values) is not list:
                raise TypeError("values")
            lists[name] = [each["value"] + "" for each in values]
        except (KeyError, TypeError):
            raise BadEventError(
                f"'{_REQUEST}.headers.{name}' must be list of objects with a text 'value'"
            ) from None
    return header_lists(lists) if lists else ()


def _body(body: JSON | None, length: str) -> bytes:
    """Read a body that is whole.

    Args:
        body: ``request.body``.
        length: what the client says of it.
    """
    if body is None:
        if length == "0":
            return b""
        raise BadEventError(
            f"'{_REQUEST}.body' must be dict, since the request has a body; "
            "include it in the function's association with the distribution"
        )
    if body.get("inputTruncated") not in (None, False):
        error = BadEventError(
            f"'{_REQUEST}.body.inputTruncated' must be false: CloudFront truncated the body, at "
            "40 KB in viewer requests and 1 MB in origin requests; send what is larger past the "
            "function, straight to the origin or to object storage"
        )
        error.status_hint = 413
        raise error
    data = body.get("data") or ""
    octets: bytes | None
    if body.get("encoding") == "text":
        octets = data.encode("utf-8", "surrogatepass")
    else:
        octets = decode_base64(data)
    if octets is None:
        raise BadEventError(f"'{_REQUEST}.body.data' must be base64")
    return octets


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a generated response.

    Raises:
        ApplicationError: names a header that CloudFront refuses.
        ResultTooLargeError: the response is too large for a viewer request.
    """
    headers: dict[str, list[dict[str, str]]] = {}
    for name, value in response.headers:
        lower = name.lower()
        if lower in _REFUSED or lower.startswith(_REFUSED_FAMILIES):
            raise ApplicationError(
                f"CloudFront refuses responses with a header {lower!r}; "
                f"do not set it, or have it left out: wrap(app, exclude_headers=[{lower!r}])"
            )
        if lower not in _CONNECTION:
            headers.setdefault(lower, []).append({"key": name, "value": value})
    result: JSON = {
        "status": str(response.status),
        "statusDescription": reason(response.status),
        "headers": headers,
    }
    # A 204 with a body, even an empty one, is a 502.
    if response.body:
        content_type, coding = (
            headers[name][-1]["value"] if name in headers else ""
            for name in ("content-type", "content-encoding")
        )
        result["body"], is_base64 = encode_body(
            response.body, content_type, coding, text_mime_types
        )
        result["bodyEncoding"] = "base64" if is_base64 else "text"
    if _is_viewers(event):
        _refuse_too_large(result)
    return result


def _is_viewers(event: JSON) -> bool:
    """Tell the event type, of a malformed event too."""
    try:
        return bool(event["Records"][0]["cf"]["config"]["eventType"] == "viewer-request")
    except (*WRONG, IndexError):
        return False


def _refuse_too_large(result: JSON) -> None:
    size_bytes = result_bytes(result)
    if size_bytes > _VIEWER_RESULT_LIMIT_BYTES:
        raise ResultTooLargeError(
            f"the response has {size_bytes:,} bytes with its headers, CloudFront takes "
            f"{_VIEWER_RESULT_LIMIT_BYTES:,} for viewer requests and {RESULT_LIMIT_BYTES:,} for "
            "origin requests; associate the function with these, or redirect to object storage"
        )


def result_bytes(result: JSON) -> int:
    """Measure headers and body, which CloudFront counts together, the body decoded."""
    body: str = result.get("body", "")
    if result.get("bodyEncoding") == "base64":
        size = len(body) // 4 * 3 - body.count("=", -2)
    else:
        size = len(body.encode("utf-8", "surrogatepass"))
    for values in result["headers"].values():
        for each in values:
            # A colon, a space and the end of the line.
            size += len(each["key"]) + len(each["value"]) + 4
    return size


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the origin-request event of an association that includes the body."""
    headers: dict[str, list[dict[str, str]]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append({"key": name.title(), "value": value})
    host = host_of(request.server)
    headers.setdefault("host", [{"key": "Host", "value": host}])
    proto = {"key": "CloudFront-Forwarded-Proto", "value": request.scheme}
    headers["cloudfront-forwarded-proto"] = [proto]
    cf: JSON = {
        "config": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net",
            "distributionId": "SLSADAPT",
            "eventType": "origin-request",
            "requestId": request.request_id,
        },
        "request": {
            "headers": headers,
            "method": request.method,
            "querystring": request.query,
            "uri": request.path,
            "body": {
                "inputTruncated": len(request.body) > REQUEST_LIMIT_BYTES,
                "action": "read-only",
                "encoding": "base64",
                "data": b2a_base64(request.body[:REQUEST_LIMIT_BYTES], newline=False).decode(),
            },
            "origin": {
                "custom": {
                    "customHeaders": {},
                    "domainName": host,
                    "keepaliveTimeout": 5,
                    "path": "",
                    "port": 443,
                    "protocol": "https",
                    "readTimeout": 30,
                    "sslProtocols": ["TLSv1.2"],
                }
            },
        },
    }
    if request.client:
        cf["request"]["clientIp"] = request.client[0]
    return {"Records": [{"cf": cf}]}


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive; one that fails validation is a 502."""
    if not isinstance(result, dict):
        return _MALFORMED
    try:
        status = int(result["status"])
        headers = []
        for name, values in (result.get("headers") or {}).items():
            lower = name.lower()
            if lower in _CONNECTION or lower in _REFUSED or lower.startswith(_REFUSED_FAMILIES):
                return _MALFORMED
            for each in values:
                key = each.get("key") or name.title()
                if key.lower() != lower:
                    return _MALFORMED
                headers.append((key, each["value"] + ""))
        body = result.get("body")
        encoding = result.get("bodyEncoding", "text")
        text = "" if body is None else body + ""
        octets: bytes | None = text.encode("utf-8", "surrogatepass")
        if encoding == "base64":
            octets = decode_base64(text)
    except WRONG:
        return _MALFORMED
    if octets is None or not 200 <= status <= 599 or encoding not in ("text", "base64"):
        return _MALFORMED
    if status == 204 and body is not None:
        return _MALFORMED
    return Response(status, headers, octets)
