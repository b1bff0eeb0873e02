"""Make AWS Lambda's context out of an invocation and the environment.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html,
https://github.com/aws/aws-lambda-python-runtime-interface-client, lambda_context.py
"""

from __future__ import annotations

import json
import os
import sys
from time import time

from .failures import FaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .client import Invocation

    JSON = dict[str, Any]

__all__ = ["Client", "ClientContext", "CognitoIdentity", "LambdaContext"]

_TRACE_FIELDS = ("traceparent", "tracestate", "baggage")


class _Fields:
    """Hold fields of a JSON object; what it has not is None."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, fields: JSON) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        values = ",".join(f"{name}={getattr(self, name)}" for name in self.__slots__)
        return f"{type(self).__name__}([{values}])"


class CognitoIdentity(_Fields):
    """Who invoked by the mobile SDK."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    cognito_identity_id: str | None
    cognito_identity_pool_id: str | None


class Client(_Fields):
    """The mobile application that invoked."""

    __slots__ = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )


class ClientContext(_Fields):
    """What the invoker passed as client context."""

    __slots__ = ("custom", "env", "client")

    custom: Any
    env: Any
    client: Any


# What contexts have of the environment, which costs microseconds to ask each time.
_ENVIRONMENT = {
    "log_group_name": "AWS_LAMBDA_LOG_GROUP_NAME",
    "log_stream_name": "AWS_LAMBDA_LOG_STREAM_NAME",
    "function_name": "AWS_LAMBDA_FUNCTION_NAME",
    "memory_limit_in_mb": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "function_version": "AWS_LAMBDA_FUNCTION_VERSION",
}
_known: dict[str, str | None] = {}


class LambdaContext:
    """Tell a function of its invocation.

    Args:
        invocation: as the Runtime API gave it.

    Raises:
        FaultError: client context or identity is no JSON.
    """

    def __init__(self, invocation: Invocation) -> None:
        headers = invocation.headers
        if not _known:
            _known.update({name: os.environ.get(key) for name, key in _ENVIRONMENT.items()})
        self.aws_request_id = invocation.request_id
        self.log_group_name = _known["log_group_name"]
        self.log_stream_name = _known["log_stream_name"]
        self.function_name = _known["function_name"]
        self.memory_limit_in_mb = _known["memory_limit_in_mb"]
        self.function_version = _known["function_version"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context: ClientContext | None = None
        self._w3c_fields: dict[str, str] = {}
        given = _parsed(headers.get("lambda-runtime-client-context"), "Client Context")
        if given is not None:
            # What traces carry is told by ``w3c`` alone.
            traced = given.pop("w3c", None)
            if isinstance(traced, dict):
                self._w3c_fields = {
                    name: traced[name]
                    for name in _TRACE_FIELDS
                    if isinstance(traced.get(name), str)
                }
            self.client_context = ClientContext(given)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        self.identity = CognitoIdentity({})
        given = _parsed(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity")
        if given is not None:
            self.identity.cognito_identity_id = given.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = given.get("cognitoIdentityPoolId")
        self._deadline_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Tell what is left of the time, in ms, never below 0."""
        return max(0, self._deadline_ms - int(time() * 1000))

    def w3c(self) -> dict[str, str]:
        """Give the trace context that came with the invocation."""
        return dict(self._w3c_fields)

    def log(self, msg: object) -> None:
        """Write to the log, without ending the line."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        values = ",".join(f"{name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}([{values}])"


def _parsed(header: str | None, name: str) -> JSON | None:
    if not header:
        return None
    try:
        value = json.loads(header)
    except ValueError as error:
        raise FaultError(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}"
        ) from None
    return value if isinstance(value, dict) else None
