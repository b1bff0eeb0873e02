"""Results as strictly as other clouds' gateways take them, which differ in what is malformed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import gateways
from slsadapt.gateways._result import is_typed, read_result

if TYPE_CHECKING:
    from slsadapt.message import Response

pytestmark = pytest.mark.once

TENCENT = ("tencent_apigw", "tencent_cloudbase")
RIGHT = {"isBase64Encoded": False, "statusCode": 200, "headers": {"X-A": "1"}, "body": "a"}


def decoded(name: str, result: Any) -> Response:
    return gateways.load(name).decode_result(result)


# All that share the shape


def test_flag_is_no_number() -> None:
    types = {"statusCode": (int,), "body": (str, type(None))}
    assert is_typed({"statusCode": 200}, types)
    assert is_typed({"statusCode": 200, "body": None}, types)
    assert not is_typed({"statusCode": True}, types)
    assert not is_typed({"statusCode": 200.0}, types)
    assert not is_typed({"body": "a"}, types)


@pytest.mark.parametrize("body", [{}, [], 0, False, 5, {"a": 1}], ids=repr)
def test_body_is_text(body: object) -> None:
    assert read_result({"statusCode": 200, "body": body}) is None


def test_body_may_be_null() -> None:
    response = read_result({"statusCode": 204, "body": None})
    assert response is not None
    assert (response.status, response.body) == (204, b"")


def test_status_is_whole() -> None:
    assert read_result({"statusCode": 200.7}) is None
    response = read_result({"statusCode": 200.0})
    assert response is not None
    assert response.status == 200


# Tencent


@pytest.mark.parametrize("name", TENCENT)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"statusCode": "200"}, id="status text"),
        pytest.param({"statusCode": 200.0}, id="status fraction"),
        pytest.param({"statusCode": True}, id="status flag"),
        pytest.param({"statusCode": None}, id="status null"),
        pytest.param({"headers": []}, id="headers list"),
        pytest.param({"headers": ""}, id="headers text"),
        pytest.param({"body": 5}, id="body number"),
        pytest.param({"body": {}}, id="body object"),
    ],
)
def test_tencent_takes_no_other_type(name: str, changes: dict[str, Any]) -> None:
    assert decoded(name, RIGHT).status == 200
    assert decoded(name, {**RIGHT, **changes}).status == 403


@pytest.mark.parametrize("name", TENCENT)
def test_tencent_takes_a_status_alone(name: str) -> None:
    response = decoded(name, {"statusCode": 204})
    assert (response.status, response.body) == (204, b"")


# Huawei


@pytest.mark.parametrize("key", ["statusCode", "headers", "body", "isBase64Encoded"])
def test_huawei_wants_every_field(key: str) -> None:
    assert decoded("huawei_apig", RIGHT).status == 200
    response = decoded("huawei_apig", {name: RIGHT[name] for name in RIGHT if name != key})
    assert response.status == 500
    assert json.loads(response.body)["error_msg"] == "An unexpected error occurred"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"statusCode": "200"}, id="status text"),
        pytest.param({"headers": None}, id="headers null"),
        pytest.param({"body": None}, id="body null"),
        pytest.param({"isBase64Encoded": "false"}, id="flag text"),
    ],
)
def test_huawei_takes_no_other_type(changes: dict[str, Any]) -> None:
    assert decoded("huawei_apig", {**RIGHT, **changes}).status == 500


# Yandex


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"statusCode": "200"}, id="status text"),
        pytest.param({"headers": []}, id="headers list"),
        pytest.param({"headers": {"X-A": 1}}, id="header number"),
        pytest.param({"headers": {"X-A": ["1"]}}, id="header list"),
        pytest.param({"multiValueHeaders": {"X-A": [1]}}, id="header number in a list"),
        pytest.param({"multiValueHeaders": {"X-A": "1"}}, id="header text of lists"),
        pytest.param({"body": 5}, id="body number"),
        pytest.param({"isBase64Encoded": "false"}, id="flag text"),
    ],
)
def test_yandex_takes_no_other_type(changes: dict[str, Any]) -> None:
    assert decoded("yandex", RIGHT).status == 200
    response = decoded("yandex", {**RIGHT, **changes})
    assert response.status == 502
    assert ("X-Function-Error", "true") in response.headers


@pytest.mark.parametrize("key", ["statusCode", "headers", "body", "isBase64Encoded"])
def test_yandex_takes_null_for_nothing(key: str) -> None:
    assert decoded("yandex", {**RIGHT, key: None}).status == 200


# Baidu: what is malformed is no error


@pytest.mark.parametrize(
    ("changes", "content_type"),
    [
        pytest.param({"statusCode": "200"}, "text/plain", id="status text"),
        pytest.param({"headers": {"X-A": 1}}, "text/plain", id="header number"),
        pytest.param({"body": 5}, "text/plain", id="body number"),
        pytest.param({"statusCode": 0}, "application/json", id="no status"),
        pytest.param(
            {"body": "no base64!", "isBase64Encoded": True}, "application/json", id="wrong base64"
        ),
    ],
)
def test_baidu_sends_a_wrong_result_as_a_body(changes: dict[str, Any], content_type: str) -> None:
    assert decoded("baidu_cfc", RIGHT).body == b"a"
    response = decoded("baidu_cfc", {**RIGHT, **changes})
    assert (response.status, json.loads(response.body)) == (200, {**RIGHT, **changes})
    assert [*response.headers] == [("Content-Type", content_type)]


# Scaleway: what is of a wrong type is passed over


def test_scaleway_passes_over_what_is_of_a_wrong_type() -> None:
    wrong = {"statusCode": "404", "headers": {"X-A": 1, "X-B": "2"}, "isBase64Encoded": "true"}
    response = decoded("scaleway", {**wrong, "body": "YQ=="})
    assert (response.status, [*response.headers]) == (200, [("X-B", "2")])
    assert response.body == b"YQ=="


def test_scaleway_sends_a_result_without_a_body_whole() -> None:
    response = decoded("scaleway", {"statusCode": 404, "headers": {"X-A": "1"}})
    assert (response.status, [*response.headers]) == (404, [("X-A", "1")])
    assert json.loads(response.body) == {"statusCode": 404, "headers": {"X-A": "1"}}


def test_scaleway_writes_an_object_as_json() -> None:
    assert decoded("scaleway", {"statusCode": 200, "body": {"a": 1}}).body == b'{"a": 1}'


# OpenWhisk


@pytest.mark.parametrize("name", ["openwhisk", "digitalocean"])
@pytest.mark.parametrize(
    "result",
    [
        pytest.param(
            {"headers": {"Content-Type": "text/plain"}, "body": {"a": 1}}, id="object as text"
        ),
        pytest.param(
            {"headers": {"Content-Type": "image/png"}, "body": "no base64!"}, id="wrong base64"
        ),
    ],
)
def test_openwhisk_wants_the_body_that_the_type_names(name: str, result: dict[str, Any]) -> None:
    response = decoded(name, result)
    assert response.status == 400
    assert json.loads(response.body)["error"] == (
        "Response type in header did not match generated content type."
    )


@pytest.mark.parametrize("name", ["openwhisk", "digitalocean"])
def test_openwhisk_writes_an_object_as_json(name: str) -> None:
    response = decoded(name, {"body": {"a": 1}})
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert [*response.headers] == [("Content-Type", "application/json")]


# Alibaba and Volcengine


@pytest.mark.parametrize("result", ["text", None, [1], {"body": "a"}], ids=repr)
def test_function_compute_sends_what_is_no_response_whole(result: object) -> None:
    response = decoded("alibaba_fc3", result)
    text = result if isinstance(result, str) else json.dumps(result)
    assert (response.status, response.body.decode()) == (200, text)


@pytest.mark.parametrize("result", ["text", None, [1], {"body": "a"}], ids=repr)
def test_alibabas_gateway_wants_a_status(result: object) -> None:
    assert decoded("alibaba_apigw", result).status == 502


@pytest.mark.parametrize("result", ["text", [1], {"statusCode": "ok"}], ids=repr)
def test_volcengine_wants_an_object(result: object) -> None:
    response = decoded("volcengine", result)
    assert response.status == 500
    assert [*response.headers] == [("X-Faas-Response-Error-Code", "function_execution_error")]


def test_volcengine_takes_no_result_for_an_empty_response() -> None:
    assert (decoded("volcengine", None).status, decoded("volcengine", None).body) == (200, b"")
