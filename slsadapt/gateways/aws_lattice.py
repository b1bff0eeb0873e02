"""AWS VPC Lattice with a Lambda function as target, event structures 1 and 2.

Sources: https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html,
https://docs.aws.amazon.com/vpc-lattice/latest/ug/http-targets.html,
https://github.com/pyepye/lambda-event-router, examples/vpclattice (asserted on AWS)

- Versions: the target group chooses. Version 1 writes ``raw_path`` and ``is_base64_encoded``
  and has no context; version 2 has ``"version": "2.0"`` and a ``requestContext``.
- Path: percent-encoded as the client sent it. The documents do not say, but on AWS the
  client's **query follows it**, after a ``?``, in both versions.
- Query: what follows the path, as the client wrote it. The map beside it (version 1: the first
  value of each key) is read, as decoded, only where no ``?`` is in the path, as in the
  documents' examples.
- Repeats: version 1 joins a header's values with commas, version 2 has lists; the documents'
  older examples have strings there too.
- Body: a string, base64 unless its type is text, by a flag of each version's own name.
- Client: the last entry of ``X-Forwarded-For``. Scheme and port: ``X-Forwarded-Proto`` and
  ``-Port``, and HTTPS without them.
- User: the principal that the service authenticated, of ``requestContext.identity``, in version
  1 of ``X-Amzn-Lattice-Identity``, which Lattice takes out of a client's request.
- There is no request id and no stage.
- Response: one string a header, so repeats are joined, and each ``Set-Cookie`` has a spelling
  of its own, since no document tells of lists.
- Limits: 6 MB each way.
"""

from __future__ import annotations

from ..message import Request, Response
from ..percent import encode_stray
from ._aws import (
    ACCOUNT_ID,
    REQUEST_LIMIT_BYTES,
    RESULT_LIMIT_BYTES,
    annotate_anonymous,
    reason,
    result_bytes,
)
from ._body import decode_body, encode_body
from ._fields import (
    OBJECT,
    OBJECT_OR_NONE,
    SCALARS_OR_LISTS,
    TEXT,
    TEXT_OR_NONE,
    WRONG,
    address,
    bad_event,
    deliverable,
    header_lists,
    host_of,
    last_forwarded,
    rooted_path,
)
from ._query import decode_lists, encode_map
from ._result import encode_joined, read_result

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

TITLE = "AWS VPC Lattice"
KEYS = "raw_path and method, or requestContext.serviceArn or .targetGroupArn"
LOSES = ("client_port", "stage", "root_path", "request_id", "response_repeats")

_FIELDS_1 = (
    ("raw_path", TEXT),
    ("method", TEXT),
    ("headers", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("query_string_parameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
)
_FIELDS_2 = (
    ("requestContext", OBJECT),
    ("requestContext.identity", OBJECT_OR_NONE),
    ("requestContext.identity.principal", TEXT_OR_NONE),
    ("path", TEXT),
    ("method", TEXT),
    ("headers", OBJECT_OR_NONE, SCALARS_OR_LISTS),
    ("queryStringParameters", OBJECT_OR_NONE, SCALARS_OR_LISTS),
)
_MALFORMED = Response(502, (("Content-Type", "text/plain"),), b"Bad Gateway")


def matches(event: Any) -> bool:
    """Claim both versions, the second of which shares its number with API Gateway's."""
    if not isinstance(event, dict) or "method" not in event:
        return False
    if "raw_path" in event:
        return "requestContext" not in event
    context = event.get("requestContext")
    return (
        "path" in event
        and isinstance(context, dict)
        and ("serviceArn" in context or "targetGroupArn" in context)
    )


def decode_event(event: JSON) -> Request:
    """Read the client's request.

    Raises:
        BadEventError: names the missing or mistyped field.
    """
    return decode_into(event, Request)


def decode_into(event: JSON, build: Build[T]) -> T:
    """Read the client's request straight into what ``build`` makes of it; see ``decode_event``."""
    is_first = isinstance(event, dict) and "raw_path" in event
    try:
        whole = event["raw_path" if is_first else "path"]
        path, mark, query = whole.partition("?")
        if not mark:
            name = "query_string_parameters" if is_first else "queryStringParameters"
            query = encode_map(event.get(name) or {})
        lists = {
            name: values if type(values) is list else [values]
            for name, values in (event.get("headers") or {}).items()
        }
        headers = header_lists(lists) if lists else ()
        fields = {name.lower(): value for name, value in headers}
        flag = "is_base64_encoded" if is_first else "isBase64Encoded"
        body = decode_body(event.get("body"), event.get(flag), flag)
        if is_first:
            user = _principal(fields.get("x-amzn-lattice-identity", ""))
        else:
            user = (event["requestContext"].get("identity") or {}).get("principal") or ""
            user + ""  # raises where it is no text
        scheme = "http" if fields.get("x-forwarded-proto") == "http" else "https"
        return build(
            event["method"].upper(),
            rooted_path(path),
            query if query.isascii() else encode_stray(query),
            deliverable(headers, fields, body),
            body,
            scheme,
            last_forwarded(fields.get("x-forwarded-for", "")),
            address(fields.get("host"), fields.get("x-forwarded-port"), scheme),
            "",
            "",
            "",
            user or None,
        )
    except WRONG as error:
        raise bad_event(event, _FIELDS_1 if is_first else _FIELDS_2, error) from None


def _principal(header: str) -> str:
    """Find the principal in ``Principal=arn:aws:...; PrincipalOrgID=; Type=AWS_IAM``."""
    found = dict([part.strip().partition("=")[::2] for part in header.split(";")])
    return found.get("Principal", "")


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add event, context and, as authorizer, the caller's identity, which version 2 has."""
    annotate_anonymous(environ, event, context)
    if "raw_path" not in event:
        environ["serverless.authorizer"] = event["requestContext"].get("identity")


def encode_result(response: Response, event: JSON, text_mime_types: tuple[str, ...] = ()) -> JSON:
    """Write a result, which is the same for both versions."""
    result = encode_joined(response, text_mime_types)
    result["statusDescription"] = f"{response.status} {reason(response.status)}"
    return result


def encode_event(request: Request, *, received_ms: int = 0) -> JSON:
    """Write the event of version 2."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    headers.setdefault("host", [host_of(request.server)])
    headers["x-forwarded-proto"] = [request.scheme]
    headers["x-forwarded-port"] = [str(request.server[1])]
    hop = last_forwarded(headers.get("x-forwarded-for", [""])[-1])
    if request.client and (hop is None or hop[0] != request.client[0]):
        headers["x-forwarded-for"] = [request.client[0]]
    arn = f"arn:aws:vpc-lattice:us-east-1:{ACCOUNT_ID}"
    identity = {"sourceVpcArn": f"arn:aws:ec2:us-east-1:{ACCOUNT_ID}:vpc/vpc-0123456789abcdef0"}
    if request.user is not None:
        identity |= {"type": "AWS_IAM", "principal": request.user}
    event: JSON = {
        "version": "2.0",
        "path": f"{request.path}?{request.query}" if request.query else request.path,
        "method": request.method,
        "headers": headers,
        "queryStringParameters": decode_lists(request.query),
        "requestContext": {
            "serviceNetworkArn": f"{arn}:servicenetwork/sn-0123456789abcdef0",
            "serviceArn": f"{arn}:service/svc-0123456789abcdef0",
            "targetGroupArn": f"{arn}:targetgroup/tg-0123456789abcdef0",
            "identity": identity,
            "region": "us-east-1",
            "timeEpoch": str(received_ms * 1000),
        },
    }
    event["body"], event["isBase64Encoded"] = encode_body(
        request.body,
        headers.get("content-type", [""])[-1],
        headers.get("content-encoding", [""])[-1],
        (),
    )
    return event


def decode_result(result: Any) -> Response:
    """Read the response that the client would receive."""
    if not isinstance(result, dict) or "statusCode" not in result:
        return _MALFORMED
    return read_result({**result, "multiValueHeaders": None}) or _MALFORMED
