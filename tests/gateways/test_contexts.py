"""What the platforms' contexts tell, and that none of them can make an invocation fail."""

from __future__ import annotations

import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import azure.functions
import pytest

from slsadapt.gateways.contexts import function_name, invocation_id, limit_ms, remaining_ms

VARIABLES = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "SCF_FUNCTIONNAME",
    "FC_FUNCTION_NAME",
    "K_SERVICE",
    "__OW_ACTION_NAME",
    "__OW_ACTIVATION_ID",
    "__OW_DEADLINE",
)
ID = "8f5c1b1e-5d7c-4ee0-9c4b-1c2d3e4f5a6b"


@pytest.fixture(autouse=True)
def no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin outside of any platform."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class AwsContext:
    """As AWS documents it: attributes, and one method."""

    aws_request_id = ID
    function_name = "orders"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    memory_limit_in_mb = "128"
    log_group_name = "/aws/lambda/orders"
    identity = None
    client_context = None

    def get_remaining_time_in_millis(self) -> int:
        return 2874


class HuaweiContext:
    """As Huawei documents it: nothing but methods."""

    def getRequestID(self) -> str:
        return ID

    def getFunctionName(self) -> str:
        return "orders"

    def getRemainingTimeInMilliSeconds(self) -> int:
        return 2874

    def getRunningTimeInSeconds(self) -> int:
        return 3

    def getUserData(self, key: str) -> str:
        return ""


class YandexContext:
    request_id = ID
    function_name = "d4e155orders"
    function_version = "d4eversion"
    memory_limit_in_mb = "128"
    token = None

    def get_remaining_time_in_millis(self) -> int:
        return 9990


class DigitalOceanContext:
    """Has a request ID, too, which is not the one that its logs show."""

    activation_id = "44b2b0b8d54a4f3cb2b0b8d54a4f3c11"
    request_id = "0000aaaa"
    api_host = "https://faas-ams3.example"
    function_name = "/fn-1234/sample/hello"
    function_version = "0.0.2"

    def get_remaining_time_in_millis(self) -> int:
        return 2991


class AzureContext(azure.functions.Context):
    """The real one is abstract; the worker fills it like this."""

    @property
    def invocation_id(self) -> str:
        return ID

    @property
    def function_name(self) -> str:
        return "orders"

    @property
    def function_directory(self) -> str:
        return "/home/site/wwwroot/orders"

    @property
    def thread_local_storage(self) -> Any:
        return None

    @property
    def trace_context(self) -> Any:
        return None

    @property
    def retry_context(self) -> Any:
        return None


class DictOfItsOwn(dict[str, Any]):
    """Has more methods than a plain one."""


class NimbellaContext:
    """As the launcher makes it from OpenWhisk's variables."""

    function_name = "/guest/orders"
    function_version = "0.0.1"
    activation_id = "44b2b0b8d54a4f3cb2b0b8d54a4f3c11"
    request_id = "0000aaaa"
    deadline = 4070908800000
    api_host = "https://openwhisk.example"
    api_key = ""
    namespace = "guest"

    def get_remaining_time_in_millis(self) -> int:
        return 0


TENCENT = {
    "memory_limit_in_mb": 128,
    "time_limit_in_ms": 3000,
    "request_id": ID,
    "environment": '{"SCF_NAMESPACE":"default"}',
    "environ": "SCF_NAMESPACE=default;SCF_NAMESPACE=default",
    "function_version": "$LATEST",
    "function_name": "orders",
    "namespace": "default",
    "tencentcloud_region": "ap-guangzhou",
    "tencentcloud_appid": "1256777886",
    "tencentcloud_uin": "3473058547",
}
ALIBABA = SimpleNamespace(
    request_id=ID,
    credentials=SimpleNamespace(access_key_id="", access_key_secret="", security_token=""),
    function=SimpleNamespace(name="orders", handler="index.handler", memory=512, timeout=60),
    service=SimpleNamespace(name="", log_project="", log_store=""),
    region="cn-hangzhou",
    account_id="123456",
)
VOLCENGINE = SimpleNamespace(request_id=ID)
SCALEWAY = {
    "memoryLimitInMb": 128,
    "functionName": "orders",
    "functionVersion": "",
}


@pytest.mark.parametrize(
    ("context", "identity", "function", "left_ms", "whole_ms"),
    [
        pytest.param(AwsContext(), ID, "orders", 2874, None, id="aws"),
        pytest.param(TENCENT, ID, "orders", None, 3000, id="tencent"),
        pytest.param(DictOfItsOwn(TENCENT), ID, "orders", None, 3000, id="tencent, subclass"),
        pytest.param(ALIBABA, ID, "orders", None, 60_000, id="alibaba"),
        pytest.param(HuaweiContext(), ID, "orders", 2874, 3000, id="huawei"),
        pytest.param(YandexContext(), ID, "d4e155orders", 9990, None, id="yandex"),
        pytest.param(
            DigitalOceanContext(),
            "44b2b0b8d54a4f3cb2b0b8d54a4f3c11",
            "/fn-1234/sample/hello",
            2991,
            None,
            id="digitalocean",
        ),
        pytest.param(
            NimbellaContext(),
            "44b2b0b8d54a4f3cb2b0b8d54a4f3c11",
            "/guest/orders",
            0,
            None,
            id="openwhisk of nimbella, no time left",
        ),
        pytest.param(VOLCENGINE, ID, "", None, None, id="volcengine"),
        pytest.param(AzureContext(), ID, "orders", None, None, id="azure"),
        pytest.param(SCALEWAY, "", "orders", None, None, id="scaleway"),
        pytest.param(None, "", "", None, None, id="no platform"),
    ],
)
def test_platform_tells_invocation_function_and_time(
    context: Any, identity: str, function: str, left_ms: float | None, whole_ms: float | None
) -> None:
    assert invocation_id(context) == identity
    assert function_name(context) == function
    assert remaining_ms(context) == left_ms
    assert limit_ms(context) == whole_ms


def test_context_of_the_real_lambda_runtime_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lambda_context = pytest.importorskip(
        "awslambdaric.lambda_context", reason="awslambdaric is not installed"
    )
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    deadline_ms = round(time.time() * 1000) + 60_000
    context = lambda_context.LambdaContext(ID, None, None, deadline_ms)
    # What it takes from the environment when it is made stands in the context from then on.
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "elsewhere")
    assert invocation_id(context) == ID
    assert function_name(context) == "orders"
    left_ms = remaining_ms(context)
    assert left_ms is not None
    assert 30_000 < left_ms <= 60_001
    assert limit_ms(context) is None
    expired = lambda_context.LambdaContext(ID, None, None, 1)
    assert remaining_ms(expired) == 0


# Platforms that tell by environment


def test_openwhisk_tells_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("__OW_ACTIVATION_ID", "44b2b0b8d54a4f3cb2b0b8d54a4f3c11")
    monkeypatch.setenv("__OW_ACTION_NAME", "/guest/orders")
    monkeypatch.setenv("__OW_DEADLINE", str(round(time.time() * 1000) + 60_000))
    assert invocation_id(None) == "44b2b0b8d54a4f3cb2b0b8d54a4f3c11"
    assert function_name(None) == "/guest/orders"
    left_ms = remaining_ms(None)
    assert left_ms is not None
    assert 30_000 < left_ms <= 60_001
    assert limit_ms(None) is None


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-1"])
def test_openwhisk_deadline_that_is_no_time_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("__OW_DEADLINE", value)
    assert remaining_ms(None) is None


def test_openwhisk_deadline_that_has_passed_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("__OW_DEADLINE", "1500000000000")
    assert remaining_ms(None) == 0


def test_openwhisk_environment_is_not_asked_beside_a_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("__OW_ACTIVATION_ID", "44b2b0b8d54a4f3cb2b0b8d54a4f3c11")
    monkeypatch.setenv("__OW_DEADLINE", str(round(time.time() * 1000) + 60_000))
    assert invocation_id(AwsContext()) == ID
    assert invocation_id(SCALEWAY) == ""
    assert remaining_ms(AwsContext()) == 2874
    assert remaining_ms(SCALEWAY) is None


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_LAMBDA_FUNCTION_NAME",
        "SCF_FUNCTIONNAME",
        "FC_FUNCTION_NAME",
        "K_SERVICE",
        "__OW_ACTION_NAME",
    ],
)
@pytest.mark.parametrize("context", [None, VOLCENGINE, {}], ids=["none", "no name", "empty dict"])
def test_function_name_stands_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, context: Any
) -> None:
    monkeypatch.setenv(variable, "orders-in-environment")
    assert function_name(context) == "orders-in-environment"


def test_context_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "elsewhere")
    assert function_name(AwsContext()) == "orders"


def test_later_name_is_found_behind_an_empty_one() -> None:
    assert invocation_id(SimpleNamespace(aws_request_id="", request_id=ID)) == ID


@pytest.mark.parametrize(
    ("context", "left_ms", "whole_ms"),
    [
        pytest.param({"time_limit_in_ms": "3000"}, None, 3000, id="limit as text"),
        pytest.param({"time_limit_in_ms": 0}, None, 0, id="limit of 0"),
        pytest.param(
            SimpleNamespace(function=SimpleNamespace(timeout="60")), None, 60_000, id="s as text"
        ),
        pytest.param(
            SimpleNamespace(function={"name": "a", "timeout": 1.5}), None, 1500, id="function: dict"
        ),
        pytest.param(
            SimpleNamespace(get_remaining_time_in_millis=2874.5), 2874.5, None, id="no method"
        ),
    ],
)
def test_time_is_read_as_it_comes(
    context: Any, left_ms: float | None, whole_ms: float | None
) -> None:
    assert remaining_ms(context) == left_ms
    assert limit_ms(context) == whole_ms


# Contexts that nobody expects


class RaisesOnAccess:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class RaisesOnCall:
    def __getattr__(self, name: str) -> Any:
        def method() -> None:
            raise RuntimeError(name)

        return method


class WantsArguments:
    def __getattr__(self, name: str) -> Any:
        return lambda argument: argument


class RaisesOnConversion:
    """Neither true nor false, and no number, as some array types are."""

    def __bool__(self) -> bool:
        raise RuntimeError("truth")

    def __float__(self) -> float:
        raise RuntimeError("number")

    def __str__(self) -> str:
        raise RuntimeError("text")


class Gives:
    """Gives the same under every name, also below ``function``."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        return self if name == "function" else self.value


class GivesFromMethods(Gives):
    def __getattr__(self, name: str) -> Any:
        return self if name == "function" else lambda: self.value


class RaisesOnClass:
    """Raises even for ``isinstance``, as proxies do that stand for nothing."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("class")


class RaisesOnLength(str):
    def __len__(self) -> int:
        raise RuntimeError("length")


class RaisesOnFloat(float):
    def __float__(self) -> float:
        raise RuntimeError("number")


class RaisesOnGet(dict[str, Any]):
    def get(self, *names: object) -> Any:
        raise RuntimeError("get")


WRONG_VALUES = [
    pytest.param(None, id="None"),
    pytest.param(True, id="True"),
    pytest.param(False, id="False"),
    pytest.param(b"12", id="bytes"),
    pytest.param(bytearray(b"12"), id="bytearray"),
    pytest.param(-1, id="negative"),
    pytest.param(float("nan"), id="nan"),
    pytest.param(float("inf"), id="inf"),
    pytest.param(10**400, id="beyond float"),
    pytest.param(1j, id="complex"),
    pytest.param(["12"], id="list"),
    pytest.param({"name": "12"}, id="dict"),
    pytest.param(object(), id="object"),
    pytest.param(RaisesOnConversion(), id="raises on conversion"),
    pytest.param(int, id="class"),
    pytest.param(Decimal("sNaN"), id="signalling nan"),
    pytest.param(RaisesOnClass(), id="raises on isinstance"),
    pytest.param(RaisesOnLength("12"), id="str that raises"),
    pytest.param(RaisesOnFloat(12), id="float that raises"),
]


def names_and_times(context: Any) -> tuple[str, str, float | None, float | None]:
    return (
        invocation_id(context),
        function_name(context),
        remaining_ms(context),
        limit_ms(context),
    )


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(RaisesOnAccess(), id="raises on access"),
        pytest.param(RaisesOnCall(), id="raises on call"),
        pytest.param(WantsArguments(), id="wants arguments"),
        pytest.param(RaisesOnConversion(), id="raises on conversion"),
        pytest.param(RaisesOnClass(), id="raises on isinstance"),
        pytest.param(RaisesOnGet(TENCENT), id="dict that raises"),
        pytest.param(AwsContext.__init__, id="function"),
        pytest.param(azure.functions.Context, id="class of properties"),
        pytest.param(object(), id="object"),
        pytest.param("context", id="str"),
        pytest.param(b"context", id="bytes"),
        pytest.param(0, id="0"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(True, id="True"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty dict"),
        pytest.param({"function": {}}, id="empty function"),
        pytest.param({"function": None}, id="no function"),
    ],
)
def test_context_of_no_platform_tells_nothing(context: Any) -> None:
    assert names_and_times(context) == ("", "", None, None)


@pytest.mark.parametrize("value", WRONG_VALUES)
@pytest.mark.parametrize("kind", [Gives, GivesFromMethods])
def test_wrong_value_counts_as_none(kind: type[Gives], value: object) -> None:
    if value is int and kind is Gives:
        value = type("Wrong", (), {})  # int() would be a good 0
    assert names_and_times(kind(value)) == ("", "", None, None)


@pytest.mark.parametrize("value", WRONG_VALUES)
def test_wrong_value_in_a_dict_counts_as_none(value: object) -> None:
    names = ("request_id", "function_name", "functionName", "time_limit_in_ms", "function")
    context = dict.fromkeys((*names, "getRunningTimeInSeconds"), value)
    if type(value) is dict:
        assert names_and_times(context) == ("", "12", None, None)
    else:
        assert names_and_times(context) == ("", "", None, None)


def test_limit_beyond_float_in_milliseconds_counts_as_none() -> None:
    assert limit_ms(SimpleNamespace(function=SimpleNamespace(timeout=1e306))) is None


def test_text_is_no_time() -> None:
    assert names_and_times(Gives("soon")) == ("soon", "soon", None, None)


def test_nothing_else_is_called() -> None:
    """Methods of a context may cost money or time."""
    called: list[str] = []

    class Counts:
        def __getattr__(self, name: str) -> Any:
            return lambda: called.append(name)

    names_and_times(Counts())
    assert set(called) == {
        "aws_request_id",
        "activation_id",
        "bce_request_id",
        "request_id",
        "invocation_id",
        "getRequestID",
        "function_name",
        "functionName",
        "getFunctionName",
        "function",
        "get_remaining_time_in_millis",
        "getRemainingTimeInMilliSeconds",
        "time_limit_in_ms",
        "getRunningTimeInSeconds",
    }
