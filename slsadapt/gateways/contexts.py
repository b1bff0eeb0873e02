"""What each platform passes beside the event: who is called, by which name, for how long.

A context belongs to the platform rather than to the gateway: AWS's is the same for eight dialects
and for timers, which have none. Nothing here raises, whatever the context is.

====================  ====================  ==========================  =========================
platform              invocation            function                    time
====================  ====================  ==========================  =========================
AWS [1]_              aws_request_id        function_name               counted down
Tencent [2]_, a dict  request_id            function_name               limit, in ms
Alibaba [3]_          request_id            function.name               limit, in s
Huawei [4]_           getRequestID()        getFunctionName()           counted down; limit, in s
Yandex [5]_           request_id            function_name               counted down
DigitalOcean [6]_     activation_id         function_name               counted down
OpenWhisk [7]_        __OW_ACTIVATION_ID    __OW_ACTION_NAME            __OW_DEADLINE, ms of Unix
Volcengine [8]_       request_id
Azure [9]_            invocation_id         function_name
Baidu [13]_           bce_request_id        function_name               counted down
Scaleway [10]_        (a dict)              functionName
Google [11]_          (no context)          K_SERVICE
====================  ====================  ==========================  =========================

OpenWhisk's and Google's stand in the environment, as the function's name also does on AWS, Tencent
and Alibaba. A launcher of OpenWhisk's that passes a context, as Nimbella's does [12]_, passes
DigitalOcean's.

.. [1] https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
.. [2] https://cloud.tencent.com/document/product/583/9210
.. [3] https://help.aliyun.com/zh/functioncompute/fc-3-0/user-guide/context-python
.. [4] https://support.huaweicloud.com/devg-functiongraph/functiongraph_02_0420.html
.. [5] https://yandex.cloud/en/docs/functions/lang/python/context
.. [6] https://docs.digitalocean.com/products/functions/reference/runtimes/python/
.. [7] https://github.com/apache/openwhisk-runtime-python, launcher.py
.. [8] https://www.volcengine.com/docs/6662/107430
.. [9] https://github.com/Azure/azure-functions-python-library, Context
.. [10] https://github.com/scaleway/serverless-functions-python
.. [11] https://cloud.google.com/run/docs/container-contract#env-vars
.. [12] https://github.com/nimbella/openwhisk-runtime-python, branch dev, prelauncher.py
.. [13] https://pypi.org/project/bce-sam-cli/, its template for Python functions
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "LOGGED_IDS",
    "LOGGED_IF_KNOWN",
    "function_name",
    "invocation_id",
    "limit_ms",
    "remaining_ms",
]

# What AWS's runtime adds to each log record: what ``invocation_id`` tells already, and the tenant,
# of which most functions have none.
# Source: https://github.com/aws/aws-lambda-python-runtime-interface-client, bootstrap.py
LOGGED_IDS = ("aws_request_id",)
LOGGED_IF_KNOWN = ("tenant_id",)

# Asked in this order; a method is called. DigitalOcean has a request_id, too, which is not what
# its logs show.
_IDS = (
    "aws_request_id",
    "activation_id",
    "request_id",
    "invocation_id",
    "getRequestID",
    "bce_request_id",
)
_NAMES = ("function_name", "functionName", "getFunctionName")
_COUNTDOWNS = ("get_remaining_time_in_millis", "getRemainingTimeInMilliSeconds")
_NAME_VARIABLES = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "SCF_FUNCTIONNAME",
    "FC_FUNCTION_NAME",
    "K_SERVICE",
    "__OW_ACTION_NAME",
)


def invocation_id(context: Any) -> str:
    """Give the platform's ID of the invocation as it stands there, ``""`` where unknown.

    Whoever logs it validates it, by ``middleware.request_id.is_request_id``.
    """
    if context is None:
        return os.environ.get("__OW_ACTIVATION_ID", "")
    return _text(context, _IDS)


def function_name(context: Any) -> str:
    """Give the function's name, ``""`` where unknown."""
    if name := _text(context, _NAMES) or _text(_read(context, "function"), ("name",)):
        return name
    for variable in _NAME_VARIABLES:
        if name := os.environ.get(variable, ""):
            return name
    return ""


def remaining_ms(context: Any) -> float | None:
    """Give the time that is left by the platform's own count, None where it does not count."""
    if context is None:
        deadline_ms = _number(os.environ.get("__OW_DEADLINE"))
        return None if deadline_ms is None else max(0.0, deadline_ms - time.time() * 1000)
    if type(context) is dict:
        return None
    try:
        # AWS's first, and straight: this is asked once an invocation.
        left = context.get_remaining_time_in_millis()
    except Exception:
        left = None
    if type(left) is int and 0 <= left < 1 << 53:
        return left
    for name in _COUNTDOWNS:
        if (left := _number(_read(context, name))) is not None:
            return left
    return None


def limit_ms(context: Any) -> float | None:
    """Give the time that one invocation may take, as configured, None where not told."""
    if (limit := _number(_read(context, "time_limit_in_ms"))) is not None:
        return limit
    limit_s = _number(_read(_read(context, "function"), "timeout"))
    if limit_s is None:
        limit_s = _number(_read(context, "getRunningTimeInSeconds"))
    return None if limit_s is None else _number(limit_s * 1000)


def _read(context: Any, name: str) -> Any:
    """Give a key's, an attribute's or a method's value, None where there is none or it fails."""
    try:
        if isinstance(context, dict):
            return context.get(name)
        value = getattr(context, name, None)
        return value() if callable(value) else value
    except Exception:
        return None


def _text(context: Any, names: tuple[str, ...]) -> str:
    for name in names:
        value = _read(context, name)
        # Exactly: a subclass may raise when it is looked at, and no platform is known to pass one.
        if type(value) is str and value:
            return value
    return ""


def _number(value: Any) -> float | None:
    """Take a finite number of at least 0, also as text; True is none, nor are subclasses."""
    if type(value) not in (int, float, str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None
