# ruff: noqa: N802 - Huawei's methods are named so.
"""Make the contexts that platforms pass beside the event.

>>> from slsadapt.testing import contexts
>>> main_handler(event, contexts.aws(function_name="orders", timeout_s=1.5))

One function a platform. What it makes has the names and types that the platform's own Python
runtime gives it, the platform's defaults, invented accounts, and text that is no credential. What
is left of the time counts down from the making. All of the functions take

- ``request_id``: the ID, ``""`` for a new one of the platform's form;
- ``function_name``;
- ``timeout_s``: how long an invocation may take;
- ``memory_mb``;

so that one call fits every platform; of these, what a platform does not tell its functions changes
nothing. All else is set on what was made: ``context.client_context = ...``.

====================  ======================================================================
function              source
====================  ======================================================================
``aws``               https://github.com/aws/aws-lambda-python-runtime-interface-client,
                      lambda_context.py
``tencent``           https://cloud.tencent.com/document/product/583/9210, the context printed
                      by a Python function
``alibaba``           https://help.aliyun.com/zh/functioncompute/fc/user-guide/context-1,
                      https://help.aliyun.com/zh/functioncompute/fc-2-0/user-guide/context-7
``huawei``            https://support.huaweicloud.com/devg-functiongraph/functiongraph_02_0420.html
``yandex``            https://yandex.cloud/en/docs/functions/lang/python/context and, for what is
                      there besides, the example in .../lang/python/handler
``digitalocean``      https://docs.digitalocean.com/products/functions/reference/runtimes/python/,
                      https://github.com/nimbella/openwhisk-runtime-python, branch dev,
                      prelauncher.py
``volcengine``        https://www.volcengine.com/docs/6662/107430
``azure``             https://github.com/Azure/azure-functions-python-worker, bindings/context.py
``scaleway``          https://github.com/scaleway/serverless-functions-python, local/context.py
``baidu``             https://pypi.org/project/bce-sam-cli/, its template for Python functions
``openwhisk``         https://github.com/apache/openwhisk-runtime-python, launcher.py
``gcp``               https://github.com/GoogleCloudPlatform/functions-framework-python
====================  ======================================================================
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload
from uuid import uuid4

from .. import gateways
from ..errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar

    C = TypeVar("C", bound="_Timed")

__all__ = [
    "SHARED_IDS",
    "alibaba",
    "aws",
    "azure",
    "baidu",
    "digitalocean",
    "for_dialect",
    "gcp",
    "huawei",
    "openwhisk",
    "scaleway",
    "tencent",
    "volcengine",
    "yandex",
]

# Dialects whose events have the invocation's ID as the request's.
SHARED_IDS = ("alibaba_fc2", "alibaba_fc3", "aws_function_url")

_DIALECTS = (*gateways.NAMES, *gateways.SOCKET_NAMES)
_NO_CREDENTIAL = "no-credential-but-a-test"
# What platforms call the end of the time, in ms of Unix time.
_DEADLINES = ("deadline_ms", "deadline")


def for_dialect(
    name: str, request_id: str = "", *, deadline_ms: int | None = None, **values: Any
) -> object:
    """Make the context of the platform behind a gateway.

    Kong's plugin invokes AWS Lambda, so its context is AWS's. Alibaba's FC 2.0 has it inside of
    the event, as ``fc.context``.

    Args:
        name: one of ``gateways.NAMES`` or ``gateways.SOCKET_NAMES``.
        request_id: ``""`` for a new one.
        deadline_ms: when the time is over, in ms of Unix time; None for what the making begins.
        values: what the platform's own function takes besides.

    Raises:
        OptionError: there is no such dialect.
    """
    if name not in _DIALECTS:
        raise OptionError(f"dialect must be one of {', '.join(_DIALECTS)}; got {name!r}")
    context: Any = _PLATFORMS[gateways.platform_of(name)](request_id=request_id, **values)
    if deadline_ms is not None:
        if isinstance(context, _Timed):
            context._left_ms = lambda: max(0, deadline_ms - int(time.time() * 1000))
        for field_name in _DEADLINES:
            if hasattr(context, field_name):
                setattr(context, field_name, deadline_ms)
    return context


class _Timed:
    """Counts down, in a slot, for some functions print all that ``vars`` gives them."""

    __slots__ = ("_left_ms",)
    _left_ms: Callable[[], int]


class _LambdaLike(_Timed):
    """Counts down by the method that AWS named and others took over."""

    __slots__ = ()

    def get_remaining_time_in_millis(self) -> int:
        """Tell what is left of the time, in ms, never below 0."""
        return self._left_ms()


def _started(context: C, timeout_s: float, clock: Callable[[], float]) -> C:
    """Let a context's time begin; both ends are cut to whole ms, as runtimes do it."""
    ends_ms = int(clock() * 1000) + round(timeout_s * 1000)
    context._left_ms = lambda: max(0, ends_ms - int(clock() * 1000))
    return context


def _deadline_ms(timeout_s: float) -> int:
    """Give the time at which an invocation of now is stopped, in ms of Unix time."""
    return int(time.time() * 1000) + round(timeout_s * 1000)


def _whole(timeout_s: float) -> float:
    """Give whole seconds as the int of the platform; parts of one only tests have."""
    return int(timeout_s) if timeout_s == int(timeout_s) else timeout_s


# AWS Lambda


@dataclass(eq=False)
class CognitoIdentity:
    """Who invoked by the mobile SDK: nobody."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(eq=False)
class AwsContext(_LambdaLike):
    """Has what awslambdaric's ``LambdaContext`` has."""

    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    function_name: str
    memory_limit_in_mb: str
    function_version: str
    invoked_function_arn: str
    tenant_id: str | None = None
    client_context: Any = None
    identity: CognitoIdentity = field(default_factory=CognitoIdentity)

    def log(self, msg: object) -> None:
        """Write to the log, without ending the line."""
        sys.stdout.write(str(msg))

    def w3c(self) -> dict[str, str]:
        """Give the trace context that came with the invocation: none."""
        return {}


def aws(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
    function_version: str = "$LATEST",
    region: str = "us-east-1",
    account_id: str = "123456789012",
    clock: Callable[[], float] = time.monotonic,
) -> AwsContext:
    """Make AWS Lambda's context; the memory is text there."""
    context = AwsContext(
        aws_request_id=request_id or str(uuid4()),
        log_group_name=f"/aws/lambda/{function_name}",
        log_stream_name=f"2024/01/01/[{function_version}]00000000000000000000000000000000",
        function_name=function_name,
        memory_limit_in_mb=str(memory_mb),
        function_version=function_version,
        invoked_function_arn=f"arn:aws:lambda:{region}:{account_id}:function:{function_name}",
    )
    return _started(context, timeout_s, clock)


# Tencent SCF


def tencent(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
    function_version: str = "$LATEST",
    namespace: str = "default",
    region: str = "ap-guangzhou",
    app_id: str = "1250000000",
    uin: str = "100000000001",
) -> dict[str, Any]:
    """Make Tencent SCF's context, a dict; it tells the limit and counts nothing down."""
    environ = f"SCF_NAMESPACE={namespace}"
    return {
        "memory_limit_in_mb": memory_mb,
        "time_limit_in_ms": round(timeout_s * 1000),
        "request_id": request_id or str(uuid4()),
        "environment": json.dumps({"SCF_NAMESPACE": namespace}, separators=(",", ":")),
        # Twice, as the platform has it.
        "environ": f"{environ};{environ}",
        "function_version": function_version,
        "function_name": function_name,
        "namespace": namespace,
        "tencentcloud_region": region,
        "tencentcloud_appid": app_id,
        "tencentcloud_uin": uin,
    }


# Alibaba Function Compute


@dataclass(eq=False)
class AlibabaFunction:
    """The function, as Python 3.10 and older runtimes tell of it; the timeout is in s."""

    name: str
    handler: str
    memory: int
    timeout: float


@dataclass(eq=False)
class AlibabaFunction312(AlibabaFunction):
    """The function, as the Python 3.12 runtime tells of it."""

    version_id: str
    qualifier: str


@dataclass(eq=False)
class AlibabaCredentials:
    """The keys of the function's role."""

    access_key_id: str
    access_key_secret: str
    security_token: str


@dataclass(eq=False)
class AlibabaService:
    """The service that a function of FC 2.0 belongs to."""

    name: str
    log_project: str
    log_store: str
    qualifier: str
    version_id: str


@dataclass(eq=False)
class AlibabaContext:
    """Has what ``FCContext`` has in Python 3.10 and older runtimes."""

    request_id: str
    credentials: AlibabaCredentials
    function: AlibabaFunction
    service: AlibabaService
    region: str
    account_id: str


@dataclass(eq=False)
class AlibabaContext312:
    """Has what ``FCContext`` has in the Python 3.12 runtime: no credentials, no service."""

    request_id: str
    function: AlibabaFunction312
    logger: logging.Logger
    log_project: str
    log_store: str
    region: str
    account_id: str


@overload
def alibaba(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 512,
    region: str = "cn-hangzhou",
    account_id: str = "1234567890123456",
    runtime: Literal["python3.10"] = "python3.10",
) -> AlibabaContext: ...


@overload
def alibaba(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 512,
    region: str = "cn-hangzhou",
    account_id: str = "1234567890123456",
    runtime: Literal["python3.12"],
) -> AlibabaContext312: ...


def alibaba(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 512,
    region: str = "cn-hangzhou",
    account_id: str = "1234567890123456",
    runtime: Literal["python3.10", "python3.12"] = "python3.10",
) -> AlibabaContext | AlibabaContext312:
    """Make Function Compute's context; it tells the limit and counts nothing down.

    ``runtime`` is ``"python3.10"``, which stands for the older ones, too, or ``"python3.12"``,
    whose context has no credentials any more.

    Raises:
        OptionError: another ``runtime``.
    """
    request_id = request_id or f"1-{int(time.time()):08x}-{uuid4().hex[:8]}-{uuid4().hex[:12]}"
    timeout = _whole(timeout_s)
    if runtime == "python3.10":
        return AlibabaContext(
            request_id=request_id,
            credentials=AlibabaCredentials(_NO_CREDENTIAL, _NO_CREDENTIAL, _NO_CREDENTIAL),
            function=AlibabaFunction(function_name, "index.handler", memory_mb, timeout),
            service=AlibabaService("", "", "", "LATEST", ""),
            region=region,
            account_id=account_id,
        )
    if runtime == "python3.12":
        return AlibabaContext312(
            request_id=request_id,
            function=AlibabaFunction312(
                function_name, "index.handler", memory_mb, timeout, "", "LATEST"
            ),
            logger=logging.getLogger(),
            log_project="",
            log_store="",
            region=region,
            account_id=account_id,
        )
    raise OptionError(f"runtime must be 'python3.10' or 'python3.12'; got {runtime!r}")


# Huawei FunctionGraph


class HuaweiContext(_Timed):
    """Has the methods that FunctionGraph documents, and nothing else."""

    def __init__(
        self,
        request_id: str,
        function_name: str,
        timeout: float,
        memory_mb: int,
        function_version: str,
        package: str,
    ) -> None:
        self._request_id = request_id
        self._function_name = function_name
        self._timeout = timeout
        self._memory_mb = memory_mb
        self._function_version = function_version
        self._package = package

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(request_id={self._request_id!r}, "
            f"function_name={self._function_name!r}, timeout={self._timeout}, "
            f"memory_mb={self._memory_mb}, function_version={self._function_version!r}, "
            f"package={self._package!r})"
        )

    def getRequestID(self) -> str:
        """Give the request's ID."""
        return self._request_id

    def getRemainingTimeInMilliSeconds(self) -> int:
        """Tell what is left of the time, in ms, never below 0."""
        return self._left_ms()

    def getRunningTimeInSeconds(self) -> float:
        """Give the function's timeout, in s."""
        return self._timeout

    def getFunctionName(self) -> str:
        """Give the function's name."""
        return self._function_name

    def getVersion(self) -> str:
        """Give the function's version."""
        return self._function_version

    def getAlias(self) -> str:
        """Give the alias of the version: none."""
        return ""

    def getPackage(self) -> str:
        """Give the group that the function belongs to."""
        return self._package

    def getMemorySize(self) -> int:
        """Give the function's memory, in MB."""
        return self._memory_mb

    def getCPUNumber(self) -> int:
        """Give the function's share of processors, in thousandths of one."""
        # Source: the comment at this method in Huawei's openYuanrong, faas context.
        return 200 + self._memory_mb * 100 // 128

    def getUserData(self, key: str) -> str | None:
        """Give a variable of the function's environment, None where it is not set."""
        return os.environ.get(key)

    def getLogger(self) -> logging.Logger:
        """Give a logger, the root one."""
        return logging.getLogger()

    def getAccessKey(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL

    def getSecretKey(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL

    def getSecurityAccessKey(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL

    def getSecuritySecretKey(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL

    def getSecurityToken(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL

    def getToken(self) -> str:
        """Give no credential, but text in its place."""
        return _NO_CREDENTIAL


def huawei(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
    function_version: str = "latest",
    package: str = "default",
    clock: Callable[[], float] = time.monotonic,
) -> HuaweiContext:
    """Make FunctionGraph's context, which has methods alone."""
    context = HuaweiContext(
        request_id=request_id or str(uuid4()),
        function_name=function_name,
        timeout=_whole(timeout_s),
        memory_mb=memory_mb,
        function_version=function_version,
        package=package,
    )
    return _started(context, timeout_s, clock)


# Yandex Cloud Functions


@dataclass(eq=False)
class YandexContext(_LambdaLike):
    """Has what Yandex documents, and AWS's names for it beside."""

    aws_request_id: str
    deadline_ms: int
    function_folder_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    log_group_name: str
    log_stream_name: str
    memory_limit_in_mb: int
    request_id: str
    token: dict[str, str | int] | None


def yandex(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
    function_version: str = "d4e00000000000000000",
    folder_id: str = "b1g00000000000000000",
    clock: Callable[[], float] = time.monotonic,
) -> YandexContext:
    """Make the context of Yandex Cloud Functions, whose ``function_name`` is the function's ID.

    It has the token of a service account; without one ``token`` is None there.
    """
    request_id = request_id or str(uuid4())
    context = YandexContext(
        aws_request_id=request_id,
        deadline_ms=_deadline_ms(timeout_s),
        function_folder_id=folder_id,
        function_name=function_name,
        function_version=function_version,
        invoked_function_arn=function_name,
        log_group_name="ckg00000000000000000",
        log_stream_name=function_version,
        memory_limit_in_mb=memory_mb,
        request_id=request_id,
        token={"access_token": _NO_CREDENTIAL, "expires_in": 42299, "token_type": "Bearer"},
    )
    return _started(context, timeout_s, clock)


# DigitalOcean Functions


@dataclass(eq=False)
class DigitalOceanContext(_LambdaLike):
    """Has what Nimbella's launcher, which is DigitalOcean's, makes of OpenWhisk's variables."""

    function_name: str
    function_version: str
    activation_id: str
    request_id: str
    deadline: int
    api_host: str
    api_key: str
    namespace: str


def digitalocean(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 256,
    activation_id: str = "",
    function_version: str = "0.0.1",
    namespace: str = "fn-00000000-0000-4000-8000-000000000000",
    clock: Callable[[], float] = time.monotonic,
) -> DigitalOceanContext:
    """Make the context of DigitalOcean's functions.

    ``request_id`` is its field of that name, ``activation_id`` the ID that its logs show, ``""``
    for a new one. Its ``function_name`` has the namespace and, if ``function_name`` names one as in
    ``"shop/orders"``, the package. It does not tell the memory.
    """
    context = DigitalOceanContext(
        function_name=f"/{namespace}/{function_name}",
        function_version=function_version,
        activation_id=activation_id or uuid4().hex,
        request_id=request_id or uuid4().hex,
        deadline=_deadline_ms(timeout_s),
        api_host="https://faas-nyc1-00000000.doserverless.co",
        api_key=_NO_CREDENTIAL,
        namespace=namespace,
    )
    return _started(context, timeout_s, clock)


# Volcengine veFaaS


@dataclass(eq=False)
class VolcengineContext:
    """Has the request's ID."""

    request_id: str


def volcengine(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
) -> VolcengineContext:
    """Make veFaaS's context, which tells the ID alone."""
    return VolcengineContext(request_id or str(uuid4()))


# Azure Functions


@dataclass(eq=False)
class AzureTraceContext:
    """The W3C trace context, under old names, too."""

    trace_parent: str
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def Traceparent(self) -> str:
        """Give ``trace_parent``."""
        return self.trace_parent

    @property
    def Tracestate(self) -> str:
        """Give ``trace_state``."""
        return self.trace_state

    @property
    def Attributes(self) -> dict[str, str]:
        """Give ``attributes``."""
        return self.attributes


@dataclass(eq=False)
class AzureRetryContext:
    """Retries of triggers other than HTTP's.

    The library's abstract class names an ``exception``, which the worker does not give.
    """

    retry_count: int = 0
    max_retry_count: int = 0
    rpc_exception: Any = None


@dataclass(eq=False)
class AzureContext:
    """Has what the worker's context has, which does not derive from the library's class either."""

    invocation_id: str
    thread_local_storage: Any
    function_name: str
    function_directory: str
    trace_context: AzureTraceContext
    retry_context: AzureRetryContext


def azure(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 300.0,
    memory_mb: int = 1536,
) -> AzureContext:
    """Make the context of Azure Functions; it tells neither time nor memory."""
    request_id = request_id or str(uuid4())
    storage = threading.local()
    storage.invocation_id = request_id
    return AzureContext(
        invocation_id=request_id,
        thread_local_storage=storage,
        function_name=function_name,
        function_directory=f"/home/site/wwwroot/{function_name}",
        trace_context=AzureTraceContext(f"00-{uuid4().hex}-{uuid4().hex[:16]}-00"),
        retry_context=AzureRetryContext(),
    )


# Scaleway Serverless Functions


def scaleway(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 300.0,
    memory_mb: int = 128,
) -> dict[str, Any]:
    """Make Scaleway's context, a dict; it tells neither ID nor time."""
    return {
        "memoryLimitInMb": memory_mb,
        "functionName": function_name,
        "functionVersion": "",
    }


# Baidu CFC


@dataclass(eq=False)
class BaiduContext(_LambdaLike):
    """Has what the vendor's template says of it; no page of the vendor's names the fields."""

    bce_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    log_group_name: str = ""
    log_stream_name: str = ""
    client_context: Any = None
    identity: Any = None


def baidu(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 3.0,
    memory_mb: int = 128,
    function_version: str = "$LATEST",
    region: str = "bj",
    account_id: str = "00000000000000000000000000000000",
    clock: Callable[[], float] = time.monotonic,
) -> BaiduContext:
    """Make CFC's context, which is much like AWS's."""
    context = BaiduContext(
        bce_request_id=request_id or str(uuid4()),
        function_name=function_name,
        function_version=function_version,
        invoked_function_arn=(
            f"brn:bce:cfc:{region}:{account_id}:function:{function_name}:{function_version}"
        ),
        memory_limit_in_mb=memory_mb,
    )
    return _started(context, timeout_s, clock)


# Platforms without a context


def openwhisk(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 60.0,
    memory_mb: int = 256,
) -> None:
    """Make none: OpenWhisk passes the event alone, and tells the rest in the environment."""


def gcp(
    *,
    request_id: str = "",
    function_name: str = "slsadapt",
    timeout_s: float = 60.0,
    memory_mb: int = 256,
) -> None:
    """Make none: Google passes the request alone, and tells the name in the environment."""


# By what a dialect's name begins with.
_PLATFORMS: dict[str, Callable[..., object]] = {
    "alibaba": alibaba,
    "aws": aws,
    "azure": azure,
    "baidu": baidu,
    "digitalocean": digitalocean,
    "gcp": gcp,
    "huawei": huawei,
    "openwhisk": openwhisk,
    "scaleway": scaleway,
    "tencent": tencent,
    "volcengine": volcengine,
    "yandex": yandex,
}
