"""How Azure behaves around a function: the Functions host behind the front end of App Service.

- limits: 300 s for a new function app and 600 s at most, on the consumption plan, whose instances
  have 1.5 GB; the front end waits 230 s:
  https://learn.microsoft.com/en-us/azure/azure-functions/functions-scale
- A function that fails, in whatever way, is a 500 without a body:
  https://github.com/Azure/azure-functions-host, ExceptionMiddleware.cs. Too many at once are a 429:
  https://learn.microsoft.com/en-us/azure/azure-functions/functions-host-json. What the front end
  says after 230 s, and to what is too large, is not documented; sizes of URL and headers neither.
- request headers: as captured, those of https alone where the client speaks it
- environment: https://learn.microsoft.com/en-us/azure/azure-functions/functions-app-settings,
  https://learn.microsoft.com/en-us/azure/app-service/reference-app-settings
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...message import Response
from ...percent import encode_path
from . import Cloud
from ._answers import TRANSPORT, told, with_headers
from ._headers import new_uuid, without

if TYPE_CHECKING:
    from typing import Any

    from ...message import Request
    from ..function import Function
    from ..outcome import Failure, FailureKind
    from . import Arrival

    JSON = dict[str, Any]

__all__ = ["CLOUDS"]


def _receive(request: Request, arrival: Arrival) -> Request:
    target = encode_path(request.root_path) + request.path
    if request.query:
        target = f"{target}?{request.query}"
    added = {
        "client-ip": f"{arrival.client[0]}:{arrival.client[1]}",
        "disguised-host": dict(request.headers).get("host", arrival.server[0]),
        "max-forwards": "9",
        "x-appservice-proto": request.scheme,
        "x-original-url": target,
        "x-waws-unencoded-url": target,
    }
    if request.scheme == "https":
        added["x-forwarded-tlsversion"] = "1.2"
    return with_headers(request, added)


def _respond(response: Response, arrival: Arrival) -> Response:
    return response.replace(headers=without(response.headers, TRANSPORT))


_STATUSES: dict[FailureKind, int] = {
    "throttled": 429,
    "gateway_timeout": 502,
    "request_too_large": 413,
    "headers_too_large": 431,
    "url_too_long": 414,
    "not_found": 404,
}


def _fail(failure: Failure) -> Response:
    return Response(_STATUSES.get(failure.kind, 500))


def _error(failure: Failure) -> JSON:
    return told(failure, "FunctionInvocationException", failure.message)


def _environment(function: Function, instance: str) -> dict[str, str]:
    host = f"{function.function_name.lower()}.azurewebsites.net"
    return {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Production",
        "AzureWebJobsScriptRoot": str(function.folder),
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_WORKER_RUNTIME_VERSION": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "REGION_NAME": "West Europe",
        "WEBSITE_HOSTNAME": host,
        "WEBSITE_INSTANCE_ID": f"local-{instance}",
        "WEBSITE_SITE_NAME": function.function_name,
        "WEBSITE_SKU": "Dynamic",
    }


CLOUDS: dict[str, Cloud] = {
    "azure": Cloud(
        dialect="azure",
        platform="Azure Functions",
        timeout_s=300.0,
        timeout_limit_s=600.0,
        memory_mb=1536,
        gateway_timeout_s=230.0,
        request_id=new_uuid,
        receive=_receive,
        respond=_respond,
        fail=_fail,
        error=_error,
        environment=_environment,
    )
}
