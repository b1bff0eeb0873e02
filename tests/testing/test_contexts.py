"""That contexts are what each platform passes, as far as that is documented or can be run."""

from __future__ import annotations

import copy
import json
import logging
import re
import threading
import time
from collections.abc import Callable
from inspect import signature
from typing import Any

import azure.functions
import pytest

from slsadapt import OptionError, gateways
from slsadapt.gateways.contexts import function_name, invocation_id, limit_ms, remaining_ms
from slsadapt.testing import contexts

ID = "8f5c1b1e-5d7c-4ee0-9c4b-1c2d3e4f5a6b"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
VARIABLES = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "SCF_FUNCTIONNAME",
    "FC_FUNCTION_NAME",
    "K_SERVICE",
    "__OW_ACTION_NAME",
    "__OW_ACTIVATION_ID",
    "__OW_DEADLINE",
)
# With a type that lets openwhisk() and gcp() be called for their None.
PLATFORMS: dict[str, Callable[..., Any]] = {
    "alibaba": contexts.alibaba,
    "aws": contexts.aws,
    "azure": contexts.azure,
    "baidu": contexts.baidu,
    "digitalocean": contexts.digitalocean,
    "gcp": contexts.gcp,
    "huawei": contexts.huawei,
    "openwhisk": contexts.openwhisk,
    "scaleway": contexts.scaleway,
    "tencent": contexts.tencent,
    "volcengine": contexts.volcengine,
    "yandex": contexts.yandex,
}
NAMESPACE = "fn-00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin outside of any platform."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Clock:
    """Stands still until it is set."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def public(value: object) -> set[str]:
    """Name what a function can read of an object."""
    return {name for name in dir(value) if not name.startswith("_")}


# What slsadapt reads of them


@pytest.mark.parametrize(
    ("context", "identity", "name", "left_ms", "whole_ms"),
    [
        pytest.param(
            contexts.aws(request_id=ID, clock=Clock(1.0)), ID, "slsadapt", 3000, None, id="aws"
        ),
        pytest.param(contexts.tencent(request_id=ID), ID, "slsadapt", None, 3000, id="tencent"),
        pytest.param(contexts.alibaba(request_id=ID), ID, "slsadapt", None, 3000, id="alibaba"),
        pytest.param(
            contexts.alibaba(request_id=ID, runtime="python3.12"),
            ID,
            "slsadapt",
            None,
            3000,
            id="alibaba, python3.12",
        ),
        pytest.param(
            contexts.huawei(request_id=ID, clock=Clock(1.0)),
            ID,
            "slsadapt",
            3000,
            3000,
            id="huawei",
        ),
        pytest.param(
            contexts.yandex(request_id=ID, clock=Clock(1.0)),
            ID,
            "slsadapt",
            3000,
            None,
            id="yandex",
        ),
        pytest.param(
            contexts.digitalocean(
                request_id=ID, activation_id="44b2b0b8d54a4f3cb2b0b8d54a4f3c11", clock=Clock(1.0)
            ),
            "44b2b0b8d54a4f3cb2b0b8d54a4f3c11",
            f"/{NAMESPACE}/slsadapt",
            3000,
            None,
            id="digitalocean",
        ),
        pytest.param(contexts.volcengine(request_id=ID), ID, "", None, None, id="volcengine"),
        pytest.param(contexts.azure(request_id=ID), ID, "slsadapt", None, None, id="azure"),
        pytest.param(contexts.scaleway(request_id=ID), "", "slsadapt", None, None, id="scaleway"),
        # Its ID stands under a name that only a template of the vendor's tells, and is not read.
        pytest.param(
            contexts.baidu(request_id=ID, clock=Clock(1.0)), ID, "slsadapt", 3000, None, id="baidu"
        ),
        pytest.param(PLATFORMS["openwhisk"](request_id=ID), "", "", None, None, id="openwhisk"),
        pytest.param(PLATFORMS["gcp"](request_id=ID), "", "", None, None, id="gcp"),
    ],
)
def test_default_context_tells_what_the_platform_tells(
    context: Any, identity: str, name: str, left_ms: float | None, whole_ms: float | None
) -> None:
    assert invocation_id(context) == identity
    assert function_name(context) == name
    assert remaining_ms(context) == left_ms
    assert limit_ms(context) == whole_ms


@pytest.mark.parametrize(
    ("platform", "name", "left_ms", "whole_ms", "memory"),
    [
        ("alibaba", "orders", None, 1500, "memory=1024"),
        ("aws", "orders", 1500, None, "memory_limit_in_mb='1024'"),
        ("azure", "orders", None, None, ""),
        ("baidu", "orders", 1500, None, "memory_limit_in_mb=1024"),
        ("digitalocean", f"/{NAMESPACE}/orders", 1500, None, ""),
        ("gcp", "", None, None, ""),
        ("huawei", "orders", 1500, 1500, "memory_mb=1024"),
        ("openwhisk", "", None, None, ""),
        ("scaleway", "orders", None, None, "'memoryLimitInMb': 1024"),
        ("tencent", "orders", None, 1500, "'memory_limit_in_mb': 1024"),
        ("volcengine", "", None, None, ""),
        ("yandex", "orders", 1500, None, "memory_limit_in_mb=1024"),
    ],
)
def test_one_call_fits_every_platform(
    platform: str, name: str, left_ms: float | None, whole_ms: float | None, memory: str
) -> None:
    clock = {} if left_ms is None else {"clock": Clock(1.0)}
    context = PLATFORMS[platform](
        request_id=ID, function_name="orders", timeout_s=1.5, memory_mb=1024, **clock
    )
    assert function_name(context) == name
    assert remaining_ms(context) == left_ms
    assert limit_ms(context) == whole_ms
    assert memory in repr(context)


def test_all_platforms_are_tested() -> None:
    assert {*PLATFORMS} == {*contexts.__all__} - {"SHARED_IDS", "for_dialect"}


# Time


@pytest.mark.parametrize(
    "make",
    [contexts.aws, contexts.baidu, contexts.digitalocean, contexts.huawei, contexts.yandex],
)
def test_time_counts_down_to_zero(make: Callable[..., Any]) -> None:
    clock = Clock(1000.0)
    context = make(timeout_s=2.5, clock=clock)
    left = getattr(context, "get_remaining_time_in_millis", None)
    left = left or context.getRemainingTimeInMilliSeconds
    seen = []
    for now_s in (1000.0, 1000.25, 1002.0, 1002.499, 1002.5, 1060.0):
        clock.now_s = now_s
        seen.append(left())
    assert seen == [2500, 2250, 500, 1, 0, 0]
    assert {type(each) for each in seen} == {int}


@pytest.mark.parametrize(
    "make",
    [contexts.aws, contexts.baidu, contexts.digitalocean, contexts.huawei, contexts.yandex],
)
def test_time_that_runs_is_no_wall_clocks(make: Callable[..., Any]) -> None:
    assert signature(make).parameters["clock"].default is time.monotonic


@pytest.mark.parametrize(
    ("make", "field"),
    [
        pytest.param(contexts.yandex, "deadline_ms", id="yandex"),
        pytest.param(contexts.digitalocean, "deadline", id="digitalocean"),
    ],
)
def test_deadline_is_in_unix_time(make: Callable[..., Any], field: str) -> None:
    before_ms = int(time.time() * 1000)
    deadline_ms = getattr(make(timeout_s=1.5), field)
    assert type(deadline_ms) is int
    assert before_ms + 1500 <= deadline_ms <= int(time.time() * 1000) + 1500


def test_whole_seconds_are_integers() -> None:
    assert repr(contexts.alibaba(timeout_s=60.0).function.timeout) == "60"
    assert repr(contexts.alibaba(timeout_s=0.25).function.timeout) == "0.25"
    assert repr(contexts.huawei(timeout_s=60.0).getRunningTimeInSeconds()) == "60"
    assert limit_ms(contexts.huawei(timeout_s=0.25)) == 250


def test_copy_of_a_context_counts_on() -> None:
    clock = Clock(0.0)
    copied = copy.deepcopy(contexts.aws(timeout_s=3, clock=clock))
    clock.now_s = 1.0
    assert copied.get_remaining_time_in_millis() == 2000


# Identity


@pytest.mark.parametrize(
    ("make", "read", "pattern"),
    [
        pytest.param(contexts.aws, lambda made: made.aws_request_id, UUID, id="aws"),
        pytest.param(contexts.tencent, lambda made: made["request_id"], UUID, id="tencent"),
        pytest.param(
            contexts.alibaba,
            lambda made: made.request_id,
            "1-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{12}",
            id="alibaba",
        ),
        pytest.param(contexts.huawei, lambda made: made.getRequestID(), UUID, id="huawei"),
        pytest.param(contexts.yandex, lambda made: made.request_id, UUID, id="yandex"),
        pytest.param(
            contexts.digitalocean,
            lambda made: made.activation_id,
            "[0-9a-f]{32}",
            id="digitalocean, activation",
        ),
        pytest.param(
            contexts.digitalocean,
            lambda made: made.request_id,
            "[0-9a-f]{32}",
            id="digitalocean, request",
        ),
        pytest.param(contexts.volcengine, lambda made: made.request_id, UUID, id="volcengine"),
        pytest.param(contexts.azure, lambda made: made.invocation_id, UUID, id="azure"),
        pytest.param(contexts.baidu, lambda made: made.bce_request_id, UUID, id="baidu"),
    ],
)
def test_new_id_has_the_platforms_form_each_time(
    make: Callable[[], Any], read: Callable[[Any], str], pattern: str
) -> None:
    first, second = read(make()), read(make())
    assert re.fullmatch(pattern, first)
    assert re.fullmatch(pattern, second)
    assert first != second


# Dialects


@pytest.mark.parametrize("dialect", [*gateways.NAMES, *gateways.SOCKET_NAMES])
def test_every_dialect_has_the_context_of_its_platform(dialect: str) -> None:
    kinds = {
        "alibaba": contexts.AlibabaContext,
        "aws": contexts.AwsContext,
        "azure": contexts.AzureContext,
        "baidu": contexts.BaiduContext,
        "digitalocean": contexts.DigitalOceanContext,
        "gcp": type(None),
        "huawei": contexts.HuaweiContext,
        "kong": contexts.AwsContext,
        "openwhisk": type(None),
        "scaleway": dict,
        "tencent": dict,
        "volcengine": contexts.VolcengineContext,
        "yandex": contexts.YandexContext,
    }
    assert type(contexts.for_dialect(dialect)) is kinds[dialect.partition("_")[0]]


@pytest.mark.parametrize(
    ("dialect", "read"),
    [
        pytest.param("aws_http", lambda made: made.aws_request_id, id="aws"),
        pytest.param("kong", lambda made: made.aws_request_id, id="kong"),
        pytest.param("tencent_websocket", lambda made: made["request_id"], id="tencent"),
        pytest.param("alibaba_fc2", lambda made: made.request_id, id="alibaba"),
        pytest.param("huawei_apig", lambda made: made.getRequestID(), id="huawei"),
    ],
)
def test_dialects_context_has_the_id_that_is_given(
    dialect: str, read: Callable[[Any], str]
) -> None:
    assert read(contexts.for_dialect(dialect, ID)) == ID


def test_dialects_context_ends_at_the_deadline_that_is_given() -> None:
    ends_ms = 4_102_444_800_000
    before_ms = int(time.time() * 1000)
    context: Any = contexts.for_dialect(
        "yandex", ID, deadline_ms=ends_ms, function_name="orders", memory_mb=256
    )
    left_ms = context.get_remaining_time_in_millis()
    assert ends_ms - int(time.time() * 1000) <= left_ms <= ends_ms - before_ms
    assert (context.deadline_ms, context.function_name) == (ends_ms, "orders")
    late: Any = contexts.for_dialect("huawei_apig", deadline_ms=1000)
    assert late.getRemainingTimeInMilliSeconds() == 0


@pytest.mark.parametrize("name", ["aws", "aws_", "AWS_HTTP", "", "nobody_apigw"])
def test_unknown_dialect_is_an_error(name: str) -> None:
    with pytest.raises(OptionError, match=f"dialect must be one of .*aws_http.*; got '{name}'"):
        contexts.for_dialect(name)


# Each platform


def test_aws_is_as_the_real_runtime_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lambda_context = pytest.importorskip(
        "awslambdaric.lambda_context", reason="awslambdaric is not installed"
    )
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/orders")
    monkeypatch.setenv(
        "AWS_LAMBDA_LOG_STREAM_NAME", "2024/01/01/[$LATEST]00000000000000000000000000000000"
    )
    arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
    real = lambda_context.LambdaContext(ID, None, None, round(time.time() * 1000) + 3000, arn)
    ours = contexts.aws(request_id=ID, function_name="orders", memory_mb=256)
    # Releases before 4 have neither.
    assert public(ours) - {"tenant_id", "w3c"} == public(real) - {"tenant_id", "w3c"}
    assert public(ours.identity) == public(real.identity)
    for name in public(real) - {"identity"}:
        value = getattr(real, name)
        if callable(value):
            assert callable(getattr(ours, name))
        else:
            assert getattr(ours, name) == value
            assert type(getattr(ours, name)) is type(value)
    assert type(ours.get_remaining_time_in_millis()) is type(real.get_remaining_time_in_millis())
    assert ours.identity.cognito_identity_id is real.identity.cognito_identity_id is None


def test_aws_names_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    context = contexts.aws(
        function_name="orders", function_version="7", region="eu-west-1", account_id="210987654321"
    )
    assert context.invoked_function_arn == "arn:aws:lambda:eu-west-1:210987654321:function:orders"
    assert context.function_version == "7"
    assert context.log_group_name == "/aws/lambda/orders"
    assert context.log_stream_name.startswith("2024/01/01/[7]")
    assert context.memory_limit_in_mb == "128"
    assert context.w3c() == {}
    context.log("a")
    context.log(1)
    assert capsys.readouterr().out == "a1"


def test_tencent_is_as_its_page_prints_it() -> None:
    context = contexts.tencent(
        request_id="4ca7089c-3bb0-48cf-bcdb-26d130fed2ae",
        function_name="test",
        region="ap-chengdu",
        app_id="1250000000",
        uin="100000000001",
    )
    # Source: https://cloud.tencent.com/document/product/583/9210, IDs replaced
    assert list(context.items()) == [
        ("memory_limit_in_mb", 128),
        ("time_limit_in_ms", 3000),
        ("request_id", "4ca7089c-3bb0-48cf-bcdb-26d130fed2ae"),
        ("environment", '{"SCF_NAMESPACE":"default"}'),
        ("environ", "SCF_NAMESPACE=default;SCF_NAMESPACE=default"),
        ("function_version", "$LATEST"),
        ("function_name", "test"),
        ("namespace", "default"),
        ("tencentcloud_region", "ap-chengdu"),
        ("tencentcloud_appid", "1250000000"),
        ("tencentcloud_uin", "100000000001"),
    ]


def test_tencent_namespace_is_told_three_times() -> None:
    context = contexts.tencent(namespace="shop")
    assert context["namespace"] == "shop"
    assert context["environ"] == "SCF_NAMESPACE=shop;SCF_NAMESPACE=shop"
    assert context["environment"] == '{"SCF_NAMESPACE":"shop"}'


def test_alibaba_of_older_runtimes_has_credentials_and_service() -> None:
    context = contexts.alibaba(request_id=ID, function_name="orders", timeout_s=60, memory_mb=1024)
    assert json.loads(json.dumps(context, default=vars)) == {
        "request_id": ID,
        "credentials": {
            "access_key_id": "no-credential-but-a-test",
            "access_key_secret": "no-credential-but-a-test",
            "security_token": "no-credential-but-a-test",
        },
        "function": {"name": "orders", "handler": "index.handler", "memory": 1024, "timeout": 60},
        "service": {
            "name": "",
            "log_project": "",
            "log_store": "",
            "qualifier": "LATEST",
            "version_id": "",
        },
        "region": "cn-hangzhou",
        "account_id": "1234567890123456",
    }


def test_alibaba_of_python_312_has_neither() -> None:
    context = contexts.alibaba(request_id=ID, runtime="python3.12", region="cn-shanghai")
    # Source: https://help.aliyun.com/zh/functioncompute/fc/user-guide/context-1
    assert public(context) == {
        "account_id",
        "request_id",
        "function",
        "logger",
        "log_project",
        "log_store",
        "region",
    }
    assert public(context.function) == {
        "name",
        "handler",
        "memory",
        "timeout",
        "version_id",
        "qualifier",
    }
    assert context.region == "cn-shanghai"
    assert isinstance(context.logger, logging.Logger)


def test_alibaba_of_an_unknown_runtime_is_an_error() -> None:
    make: Callable[..., Any] = contexts.alibaba
    with pytest.raises(OptionError, match=r"runtime must be .*; got 'python3\.9'"):
        make(runtime="python3.9")


def test_huawei_has_the_documented_methods_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_LANGUAGE", "zh")
    context = contexts.huawei(request_id=ID, function_name="orders", memory_mb=256, package="shop")
    # Source: https://support.huaweicloud.com/devg-functiongraph/functiongraph_02_0420.html
    secrets = {
        "getAccessKey",
        "getSecretKey",
        "getSecurityAccessKey",
        "getSecuritySecretKey",
        "getSecurityToken",
        "getToken",
    }
    told: dict[str, object] = {
        "getRequestID": ID,
        "getFunctionName": "orders",
        "getRunningTimeInSeconds": 3,
        "getVersion": "latest",
        "getMemorySize": 256,
        "getCPUNumber": 400,
        "getPackage": "shop",
        "getAlias": "",
        **dict.fromkeys(secrets, "no-credential-but-a-test"),
    }
    others = {"getRemainingTimeInMilliSeconds", "getUserData", "getLogger"}
    assert public(context) == {*told, *others}
    assert {name: getattr(context, name)() for name in told} == told
    assert context.getUserData("SHOP_LANGUAGE") == "zh"
    assert context.getUserData("SHOP_CURRENCY") is None
    context.getLogger().debug("there is one")


def test_yandex_prints_as_in_its_documentation() -> None:
    context = contexts.yandex(request_id=ID, function_name="d4eo2faf62000000000")
    # Source: https://yandex.cloud/en/docs/functions/lang/python/handler, and function_folder_id of
    # .../lang/python/context
    printed = json.loads(json.dumps(context, default=vars))
    assert type(printed.pop("deadline_ms")) is int
    assert printed == {
        "aws_request_id": ID,
        "function_folder_id": "b1g00000000000000000",
        "function_name": "d4eo2faf62000000000",
        "function_version": "d4e00000000000000000",
        "invoked_function_arn": "d4eo2faf62000000000",
        "log_group_name": "ckg00000000000000000",
        "log_stream_name": "d4e00000000000000000",
        "memory_limit_in_mb": 128,
        "request_id": ID,
        "token": {
            "access_token": "no-credential-but-a-test",
            "expires_in": 42299,
            "token_type": "Bearer",
        },
    }


def test_digitalocean_has_what_its_launcher_makes() -> None:
    context = contexts.digitalocean(
        request_id=ID, function_name="shop/orders", namespace="fn-1234", function_version="0.0.2"
    )
    # Source: https://github.com/nimbella/openwhisk-runtime-python, branch dev, prelauncher.py
    assert public(context) == {
        "function_name",
        "function_version",
        "activation_id",
        "request_id",
        "deadline",
        "api_host",
        "api_key",
        "namespace",
        "get_remaining_time_in_millis",
    }
    assert context.function_name == "/fn-1234/shop/orders"
    assert context.function_version == "0.0.2"
    assert context.namespace == "fn-1234"
    assert context.request_id == ID
    assert context.api_key == "no-credential-but-a-test"


def test_volcengine_tells_the_id_alone() -> None:
    assert vars(contexts.volcengine(request_id=ID)) == {"request_id": ID}


def test_azure_has_all_that_the_library_declares() -> None:
    context = contexts.azure(request_id=ID, function_name="orders")
    library = azure.functions.Context
    assert public(context) == public(library)
    assert public(library) == {
        "invocation_id",
        "thread_local_storage",
        "function_name",
        "function_directory",
        "trace_context",
        "retry_context",
    }
    assert context.function_directory == "/home/site/wwwroot/orders"
    assert isinstance(context.thread_local_storage, threading.local)
    assert context.thread_local_storage.invocation_id == ID
    trace = context.trace_context
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace.trace_parent)
    assert (trace.trace_state, trace.attributes) == ("", {})
    assert (trace.Traceparent, trace.Tracestate) == (trace.trace_parent, "")
    assert trace.Attributes is trace.attributes
    assert vars(context.retry_context) == {
        "retry_count": 0,
        "max_retry_count": 0,
        "rpc_exception": None,
    }


def test_scaleway_is_as_its_emulator_makes_it() -> None:
    # Source: https://github.com/scaleway/serverless-functions-python, local/context.py
    assert contexts.scaleway(function_name="handle") == {
        "memoryLimitInMb": 128,
        "functionName": "handle",
        "functionVersion": "",
    }


def test_baidu_has_what_its_template_lists() -> None:
    context = contexts.baidu(request_id=ID, function_name="orders")
    # Source: https://pypi.org/project/bce-sam-cli/, its template for Python functions
    assert public(context) == {
        "bce_request_id",
        "client_context",
        "function_name",
        "function_version",
        "get_remaining_time_in_millis",
        "identity",
        "invoked_function_arn",
        "log_group_name",
        "log_stream_name",
        "memory_limit_in_mb",
    }
    assert context.bce_request_id == ID
    assert context.invoked_function_arn == (
        "brn:bce:cfc:bj:00000000000000000000000000000000:function:orders:$LATEST"
    )


@pytest.mark.parametrize("platform", sorted({*PLATFORMS} - {"gcp", "openwhisk", "scaleway"}))
def test_context_shows_whose_it_is(platform: str) -> None:
    shown = repr(PLATFORMS[platform](request_id=ID))
    assert shown.lower().startswith("{" if platform == "tencent" else f"{platform}context(")
    assert ID in shown
