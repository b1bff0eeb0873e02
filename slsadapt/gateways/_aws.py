"""What the AWS dialects share."""

from __future__ import annotations

import sys
from functools import lru_cache

from ._body import encode_body, serialized_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    JSON = dict[str, Any]

# Lambda refuses a larger synchronous request, measured as JSON.
REQUEST_LIMIT_BYTES = 6_291_456
# Lambda refuses a larger synchronous response: 413, Function.ResponseSizeTooLarge.
# Source: https://github.com/aws/aws-lambda-runtime-interface-emulator, run to the byte.
RESULT_LIMIT_BYTES = 6_291_556

# The default host of REST and HTTP APIs, where the stage stands in the URL; a custom domain
# has any other.
DEFAULT_HOST = ".execute-api."
DEFAULT_STAGE = "$default"

# Beside text/*; without a type a body is taken for text, too.
_TEXT_TYPES = ("", "application/javascript", "application/json", "application/xml")

# What encode_event writes where a real event holds the account's own.
ACCOUNT_ID = "123456789012"
API_ID = "slsadapt00"


def annotate(environ: JSON, event: JSON, context: object) -> None:
    """Add event, context and authorizer under serverless-wsgi's names and Mangum's."""
    environ["serverless.event"] = environ["aws.event"] = event
    environ["serverless.context"] = environ["aws.context"] = context
    environ["serverless.authorizer"] = event["requestContext"].get("authorizer")


def annotate_anonymous(environ: JSON, event: JSON, context: object) -> None:
    """Do as ``annotate`` for gateways that authorize nobody."""
    environ["serverless.event"] = environ["aws.event"] = event
    environ["serverless.context"] = environ["aws.context"] = context
    environ["serverless.authorizer"] = None


def clock(unix_ms: int) -> str:
    """Write a time as API Gateway and Kong do, ``"10/Jul/2026:19:19:04 +0000"``."""
    return _clock(unix_ms // 1000)


@lru_cache(maxsize=8)
def _clock(unix_s: int) -> str:
    from time import gmtime

    year, month, day, hour, minute, second = gmtime(unix_s)[:6]
    name = "JanFebMarAprMayJunJulAugSepOctNovDec"[month * 3 - 3 : month * 3]
    return f"{day:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000"


def encode_request_body(body: bytes, content_type: str, content_encoding: str) -> tuple[str, bool]:
    """Write a body as load balancers, HTTP APIs and function URLs do.

    Forms are no text to them, nor is anything with a ``Content-Encoding``.

    Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html;
    the other two do likewise without saying so.
    """
    essence = content_type.partition(";")[0].strip().lower()
    is_text = not content_encoding and (essence in _TEXT_TYPES or essence.startswith("text/"))
    return encode_body(body, "", "" if is_text else "binary", ())


def extended_id(request_id: str) -> str:
    """Write a UUID as API Gateway writes its extended IDs, ``"ATfSdF7nPHcErRA="``.

    The gateway's own says nothing of the other ID; this one is made of it, so that event and
    response tell the same. What is no UUID stays.
    """
    if len(request_id) != 36:
        return request_id
    from base64 import urlsafe_b64encode

    try:
        octets = bytes.fromhex(request_id.replace("-", ""))
    except ValueError:
        return request_id
    return urlsafe_b64encode(octets[-11:]).decode()


@lru_cache(maxsize=64)
def reason(status: int) -> str:
    """Give the reason phrase that some results carry beside the status."""
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def result_bytes(result: JSON) -> int:
    """Measure a result as Lambda's runtime writes it, in UTF-8 only from Python 3.12 on.

    Source: https://github.com/aws/aws-lambda-python-runtime-interface-client,
    lambda_runtime_marshaller.py
    """
    return serialized_bytes(result, ascii_only=sys.version_info < (3, 12))
