"""What the AWS dialects share."""

from __future__ import annotations

import sys
from functools import lru_cache

from ._body import serialized_bytes

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

# What encode_event writes where a real event holds the account's own.
ACCOUNT_ID = "123456789012"
API_ID = "slsadapt00"
# The pure functions have no clock: the epoch, in the gateways' two ways of writing it.
EPOCH = "01/Jan/1970:00:00:00 +0000"


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
