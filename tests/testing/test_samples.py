"""The bundled sample events: recorded, each its own dialect's, and of nobody's address."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from slsadapt import OptionError, gateways
from slsadapt.gateways.triggers import KINDS, MARKS, kind_of
from slsadapt.testing import samples
from tests.conftest import load_case
from tests.gateways.corpus import claims

# Of each sample, the recorded case of tests/events.
ORIGINS = {
    "alibaba_apigw/form": "alibaba_apigw/post_form_text",
    "alibaba_apigw/post_json": "alibaba_apigw/post_json_base64",
    "alibaba_fc3/binary": "alibaba_fc3/post_binary",
    "alibaba_fc3/cookies": "alibaba_fc3/get_repeated_headers_query_xff",
    "alibaba_fc3/get": "alibaba_fc3/get_query_doc",
    "alibaba_fc3/post_json": "alibaba_fc3/post_json_doc",
    "aws_alb/binary": "aws_alb/rule_binary_body",
    "aws_alb/get": "aws_alb/doc_single_value",
    "aws_alb/post_json": "aws_alb/live_multivalue_encoded",
    "aws_edge/binary": "aws_edge/rule_body",
    "aws_edge/get": "aws_edge/doc_viewer_request",
    "aws_edge/get_origin": "aws_edge/doc_origin_request",
    "aws_function_url/binary": "aws_function_url/rule_binary_body",
    "aws_function_url/get": "aws_function_url/rs_url",
    "aws_function_url/post_json": "aws_function_url/live_url_encoded_path_repeated",
    "aws_http/binary": "aws_http/rule_binary_body",
    "aws_http/get": "aws_http/go_no_authorizer",
    "aws_http/post_json": "aws_http/live_httpapi_encoded_path_repeated",
    "aws_lattice/binary": "aws_lattice_v2/rule_binary_body",
    "aws_lattice/get": "aws_lattice_v2/rule_query_on_path",
    "aws_lattice/get_version_1": "aws_lattice_v1/pt_v1",
    "aws_rest/binary": "aws_rest/rule_binary_body",
    "aws_rest/get": "aws_rest/rec_without_trailing_slash_and_query_params",
    "aws_rest/post_json": "aws_rest/live_rest_encoded_path_repeated",
    "aws_websocket/binary": "aws_websocket/rule_binary_message",
    "aws_websocket/connect": "aws_websocket/pt_connect",
    "aws_websocket/disconnect": "aws_websocket/go_disconnect",
    "aws_websocket/message": "aws_websocket/pt_message_custom_route",
    "baidu_cfc/binary": "baidu_cfc/post_binary",
    "baidu_cfc/post_text": "baidu_cfc/post_text",
    "digitalocean/form": "digitalocean/raw_post_form",
    "digitalocean/get": "digitalocean/raw_get",
    "digitalocean/post_json": "digitalocean/raw_post_json",
    "huawei_apig/base64": "huawei_apig/get_base64_body",
    "huawei_apig/get": "huawei_apig/get_path_prefix_real",
    "huawei_apig/post_json": "huawei_apig/post_json_text",
    "keep_warm/zappa": "aws_eventbridge/zappa_keep_warm",
    "kong/get": "kong/spec_plain_route",
    "kong/post_json": "kong/post_current",
    "openwhisk/binary": "openwhisk/raw_post_binary",
    "openwhisk/form": "openwhisk/raw_post_form",
    "openwhisk/get": "openwhisk/raw_get_repeated_query",
    "scaleway/get": "scaleway/get_query",
    "scaleway/post_text": "scaleway/post_json",
    "scaleway/repeats": "scaleway/runtime_post_repeats",
    "tencent_apigw/form": "tencent_apigw/post_form_custom_domain_real",
    "tencent_apigw/get": "tencent_apigw/get_declared_query_params",
    "tencent_apigw/post_json": "tencent_apigw/post_json_doc",
    "tencent_apigw/repeats": "tencent_apigw/get_repeated_query_and_flag",
    "tencent_cloudbase/get": "tencent_cloudbase/get_with_base64_body",
    "tencent_cloudbase/repeats": "tencent_cloudbase/get_repeated_query",
    "tencent_function_url/get": "tencent_function_url/get_minimal",
    "tencent_function_url/post_json": "tencent_function_url/post_json_doc",
    "tencent_websocket/binary": "tencent_websocket/message_binary",
    "tencent_websocket/connect": "tencent_websocket/connect",
    "tencent_websocket/disconnect": "tencent_websocket/closing",
    "tencent_websocket/message": "tencent_websocket/message_text",
    "timer/alibaba": "alibaba_timer/timer_doc",
    "timer/aws_rule": "aws_eventbridge/doc_scheduled1",
    "timer/aws_rule_java": "aws_eventbridge/doc_java_scheduled",
    "timer/aws_scheduler": "aws_eventbridge/pt_scheduler",
    "timer/huawei": "huawei_timer/timer",
    "timer/tencent": "tencent_timer/timer_real",
    "timer/volcengine": "volcengine/timer_doc",
    "volcengine/form": "volcengine/post_form_event_type",
    "volcengine/get": "volcengine/get_doc",
    "yandex/base64": "yandex/post_repeated_query_doc",
    "yandex/get": "yandex/apigw_v1_get_real",
    "yandex/get_query": "yandex/apigw_v01_get_query_real",
    "yandex/post_json": "yandex/post_json_doc",
}
# Dotted, and no version of a browser: those stand behind a slash.
ADDRESS = re.compile(r"(?<![\d./])\d+(?:\.\d+){3}(?![\d.])")
JSON_NAMES = [name for name in gateways.NAMES if name not in gateways.OBJECT_NAMES]


def of(*folders: str) -> list[str]:
    return [name for name in ORIGINS if name.partition("/")[0] in folders]


def masked(address: re.Match[str]) -> str:
    return "203.0.113.18" if ip_address(address[0]).is_global else address[0]


def texts(value: Any) -> Iterator[str]:
    """List the texts of an event, each element of a list in a header by itself."""
    if isinstance(value, str):
        yield from re.split("[, \\[\\]]+", value)
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def test_samples_are_known_and_sorted() -> None:
    assert samples.names() == [*ORIGINS]


@pytest.mark.parametrize("name", ORIGINS)
def test_sample_is_the_recorded_event_with_addresses_masked(name: str) -> None:
    recorded = load_case(ORIGINS[name])
    kept = {key: recorded[key] for key in ("source", "event", "context") if key in recorded}
    assert samples.load(name) == json.loads(ADDRESS.sub(masked, json.dumps(kept)))


@pytest.mark.parametrize("name", of(*gateways.NAMES))
def test_request_is_claimed_by_its_dialect_alone_and_decoded(name: str) -> None:
    event = samples.load(name)["event"]
    dialect = name.partition("/")[0]
    assert claims(event) == [dialect]
    assert kind_of(event) is None
    request = gateways.load(dialect).decode_event(event)
    assert request.path.startswith("/")
    if name.endswith(("/get", "/get_query", "/repeats", "/cookies")):
        assert request.method == ("POST" if name == "scaleway/repeats" else "GET")
    if name.endswith("/post_json"):
        assert request.method == "POST"
        assert isinstance(json.loads(request.body), dict)
    if name.endswith("/form"):
        assert dict(request.headers)["content-type"] == "application/x-www-form-urlencoded"
        assert b"=" in request.body
    if name.endswith("/binary"):
        with pytest.raises(UnicodeDecodeError):
            request.body.decode()


@pytest.mark.parametrize("name", of(*gateways.SOCKET_NAMES))
def test_socket_message_is_claimed_by_its_gateway_alone_and_decoded(name: str) -> None:
    event = samples.load(name)["event"]
    dialect, _, case = name.partition("/")
    modules = {each: import_module(f"slsadapt.gateways.{each}") for each in gateways.SOCKET_NAMES}
    assert [each for each, module in modules.items() if module.matches(event)] == [dialect]
    assert (claims(event), kind_of(event)) == ([], "websocket")
    message = modules[dialect].decode_event(event)
    assert message.kind == ("message" if case == "binary" else case)
    assert isinstance(message.data, bytes) == (case == "binary")


@pytest.mark.parametrize("name", of(*KINDS))
def test_timer_is_of_its_kind_and_no_request(name: str) -> None:
    event = samples.load(name)["event"]
    assert kind_of(event) == name.partition("/")[0]
    assert claims(event) == []


def test_every_gateway_has_two_samples_to_four() -> None:
    counts = Counter(name.partition("/")[0] for name in ORIGINS)
    assert counts.keys() == {*JSON_NAMES, *gateways.SOCKET_NAMES, "timer", "keep_warm"}
    assert {counts[name] for name in (*JSON_NAMES, *gateways.SOCKET_NAMES)} <= {2, 3, 4}


@pytest.mark.parametrize(("sender", "marks"), MARKS["timer"], ids=dict(MARKS["timer"]))
def test_every_timer_has_a_sample(sender: str, marks: dict[str, Any]) -> None:
    events = [samples.load(name)["event"] for name in of("timer")]
    assert [
        event
        for event in events
        if all(key in event and value in (..., event[key]) for key, value in marks.items())
    ], sender


@pytest.mark.parametrize("name", ORIGINS)
def test_no_sample_names_an_address_that_may_be_somebodys(name: str) -> None:
    found = set()
    for text in texts(samples.load(name)["event"]):
        try:
            address = ip_address(text.rpartition(":")[0] if text.count(":") == 1 else text)
        except ValueError:
            continue
        found.add((str(address), address.is_global))
    assert not [address for address, is_global in found if is_global]


def test_each_load_is_a_fresh_copy() -> None:
    samples.load("aws_http/get")["event"].clear()
    assert samples.load("aws_http/get")["event"]["version"] == "2.0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "aws_http/pots_json",
            "there is no sample event 'aws_http/pots_json'; alike are aws_http/post_json, ",
            id="misspelt",
        ),
        pytest.param("x", "'x'; 'slsadapt events list' lists them", id="like none"),
        pytest.param("../events/aws_http/br_simple", "there is no sample event", id="elsewhere"),
        pytest.param("azure/get", "there is no sample event 'azure/get'", id="of objects"),
    ],
)
def test_unknown_sample_is_told(name: str, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        samples.load(name)


def test_samples_are_small() -> None:
    folder = Path(samples.__file__).with_name("samples")
    assert max(path.stat().st_size for path in folder.glob("*/*.json")) < 6000
