"""The recorded events, and what the shared tests need to know of each gateway."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from slsadapt import Request, gateways
from tests.conftest import EVENTS, load_case

if TYPE_CHECKING:
    from collections.abc import Collection

AWS = ("aws_rest", "aws_http", "aws_function_url")
TENCENT = ("tencent_apigw", "tencent_function_url")
DIALECTS = AWS + TENCENT

# AWS documents and tools print these with isBase64Encoded beside plain text. No gateway does,
# and guessing would turn every text of the base64 alphabet into noise.
FLAGGED_TEXT = {
    "aws_rest/pt_another_path",
    "aws_rest/pt_trailing_slash",
    "aws_http/doc_java_v2",
}

# The event of each dialect that shows most: captured where there is a capture.
LIVE = {
    "aws_rest": "aws_rest/live_rest_encoded_path_repeated",
    "aws_http": "aws_http/live_httpapi_encoded_path_repeated",
    "aws_function_url": "aws_function_url/live_url_encoded_path_repeated",
    "tencent_apigw": "tencent_apigw/post_form_custom_domain_real",
    "tencent_function_url": "tencent_function_url/post_json_doc",
}

_OWN_DOMAINS = (("api.example.com", "", ""), ("2001:db8::1", "", ""))


class Gateway(NamedTuple):
    """What the losses of a dialect do not tell of its gateway.

    Args:
        mounts: (host, stage, root_path) that occur together.
        adds: request headers that the gateway writes itself, whatever the client sent.
        content_type: of a response that has none.
    """

    mounts: tuple[tuple[str, str, str], ...] = _OWN_DOMAINS
    adds: frozenset[str] = frozenset()
    content_type: str | None = None


_AWS_HOST = "abcdef1234.execute-api.eu-west-1.amazonaws.com"
_AWS_ADDS = frozenset({"x-forwarded-proto", "x-forwarded-port"})
_TENCENT_HOST = "service-abc-1300000000.gz.apigw.tencentcs.com"

GATEWAYS = {
    "aws_rest": Gateway(
        (
            (_AWS_HOST, "live", "/live"),
            (_AWS_HOST, "v-1_a", "/v-1_a"),
            (_AWS_HOST, "", ""),
            ("api.example.com", "live", ""),
            ("api.example.com", "live", "/orders"),
            ("api.example.com", "live", "/orders/v 2"),
            ("api.example.com", "live", "/live"),
            ("2001:db8::1", "live", "/注%文"),
        ),
        _AWS_ADDS,
        "application/json",
    ),
    "aws_http": Gateway(
        (
            (_AWS_HOST, "live", "/live"),
            (_AWS_HOST, "v-1_a", "/v-1_a"),
            (_AWS_HOST, "", ""),
            ("api.example.com", "live", ""),
            ("api.example.com", "", ""),
            ("api.example.com", "live", "/orders"),
            ("2001:db8::1", "", "/live"),
        ),
        _AWS_ADDS,
        "application/json",
    ),
    "aws_function_url": Gateway(
        (("abc.lambda-url.eu-west-1.on.aws", "", ""), *_OWN_DOMAINS),
        _AWS_ADDS,
        "application/json",
    ),
    "tencent_apigw": Gateway(
        (
            (_TENCENT_HOST, "release", "/release"),
            (_TENCENT_HOST, "$default", "/$default"),
            ("api.example.com", "release", ""),
            ("2001:db8::1", "test", "/orders"),
        ),
        frozenset({"x-api-scheme", "x-api-requestid"}),
    ),
    "tencent_function_url": Gateway(
        (("1300000000-abc.ap-guangzhou.tencentscf.com", "", ""), *_OWN_DOMAINS),
        frozenset({"x-scf-remote-addr"}),
    ),
    "aws_alb": Gateway(
        adds=_AWS_ADDS | {"x-forwarded-for", "x-amzn-trace-id"},
    ),
    "aws_lattice": Gateway(adds=_AWS_ADDS | {"x-forwarded-for"}),
    "aws_edge": Gateway(adds=frozenset({"cloudfront-forwarded-proto"})),
    "kong": Gateway(),
    "huawei_apig": Gateway(
        (
            ("abc.apig.cn-north-4.huaweicloudapis.com", "RELEASE", ""),
            ("api.example.com", "test", ""),
            ("2001:db8::1", "", ""),
        ),
        frozenset({"x-forwarded-proto", "x-forwarded-port", "x-real-ip"}),
    ),
    "volcengine": Gateway(
        adds=frozenset({"x-faas-event-type", "x-faas-request-id", "x-real-ip", "x-real-port"}),
    ),
    "baidu_cfc": Gateway(adds=frozenset({"app", "x-bce-request-id"})),
    "yandex": Gateway(
        (("d5dabc.apigw.yandexcloud.net", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
    ),
    "alibaba_fc3": Gateway(
        (("web-shop-abc.cn-hangzhou.fcapp.run", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
        "application/json",
    ),
    "alibaba_fc2": Gateway(
        (("1234.cn-hangzhou.fc.aliyuncs.com", "", "/2016-08-15/proxy/shop/web"), *_OWN_DOMAINS),
        frozenset({"x-forwarded-proto"}),
    ),
    "alibaba_apigw": Gateway(
        (("abc-cn-hangzhou.alicloudapi.com", "RELEASE", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "x-ca-request-id", "x-ca-stage"}),
    ),
    "tencent_cloudbase": Gateway(
        (("shop-0g.service.tcloudbase.com", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto"}),
    ),
    "scaleway": Gateway(
        (("ns.functions.fnc.fr-par.scw.cloud", "", ""), *_OWN_DOMAINS),
        frozenset({"x-envoy-external-address", "x-forwarded-proto", "x-request-id"}),
    ),
    "azure": Gateway(
        (
            ("app.azurewebsites.net", "", "/api"),
            ("2001:db8::1", "", "/api"),
            ("api.example.com", "", ""),
        ),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "x-arr-log-id"}),
        "text/plain; charset=utf-8",
    ),
    "gcp": Gateway(
        (("fn-abc-ew.a.run.app", "", ""), *_OWN_DOMAINS),
        frozenset({"x-forwarded-for", "x-forwarded-proto", "function-execution-id"}),
    ),
    "openwhisk": Gateway(adds=frozenset({"x-request-id"}), content_type="application/octet-stream"),
    "digitalocean": Gateway(
        adds=frozenset({"x-forwarded-for", "x-forwarded-proto", "x-request-id"}),
        content_type="application/octet-stream",
    ),
}


def through_json(dialect: str, value: Any) -> Any:
    """Send an event or a result the way it goes between platform and function."""
    return value if dialect in gateways.OBJECT_NAMES else json.loads(json.dumps(value))


def claims(event: Any) -> list[str]:
    """Name the dialects that claim an event; only those of objects are shown an object."""
    names = gateways.NAMES if isinstance(event, dict) else ("azure", "gcp")
    return [name for name in names if gateways.load(name).matches(event)]


def recorded(case: str) -> Any:
    """Read a recorded event as its platform hands it over."""
    event = load_case(case)["event"]
    if case.startswith("azure/"):
        from azure.functions import HttpRequest

        return HttpRequest(**event | {"body": event["body"].encode()})
    return event


def cases(folder: str, key: str = "event") -> list[str]:
    """Name the recorded files of a folder that hold ``key``."""
    files = sorted((EVENTS / folder).glob("*.json"))
    names = [f"{folder}/{file.name.removesuffix('.json')}" for file in files]
    return [name for name in names if not name.endswith(".request") and key in load_case(name)]


def changed(case: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Read a recorded event with fields set, named by dotted paths; ``...`` takes one out."""
    event: dict[str, Any] = load_case(case)["event"]
    for path, value in changes.items():
        *parents, name = path.split(".")
        holder = event
        for parent in parents:
            holder = holder[parent]
        if value is ...:
            holder.pop(name, None)
        else:
            holder[name] = value
    return event


def values(request: Request, name: str) -> list[str]:
    """List what a request holds of one header."""
    return [value for each, value in request.headers if each == name]


def grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Group pairs by name: what is left where a gateway loses the order among names."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def carried(losses: Collection[str], request: Request) -> dict[str, Any]:
    """Write down what of a request a gateway carries that has these losses alone.

    No gateway keeps the order of different headers, and all write cookies in one line.
    """
    fields = {name: getattr(request, name) for name in Request.__slots__}
    headers = grouped([*request.headers])
    headers.pop("content-length", None)
    if "cookie" in headers:
        headers["cookie"] = ["; ".join(headers["cookie"])]
    for name in headers.keys() - {"cookie"}:
        if "header_last" in losses:
            headers[name] = headers[name][-1:]
        if "header_repeats" in losses:
            headers[name] = split(headers[name])
    fields["headers"] = headers
    if "path_slashes" in losses:
        fields["path"] = "/" + fields["path"].lstrip("/")
    if "path_octets" in losses:
        fields["path"] = re.sub("(%[0-9A-Fa-f]{2})+", as_utf8, fields["path"])
    if "path_escapes" in losses:
        fields["path"] = unquote(fields["path"]).partition("?")[0]
    fields["query"] = carried_query(losses, request.query)
    if "binary_body" in losses:
        fields["body"] = request.body.decode("utf-8", "replace")
    host, port = request.server
    named = re.search(r":\d+$", headers.get("host", [""])[0])
    defaults = {"https": [443], "http": [80]}[request.scheme]
    if "scheme" in losses:
        defaults = [80, 443]
    if port in defaults or ("port" in losses and not named):
        port = 0
    fields["server"] = host, port
    if "server" in losses and "host" not in headers:
        fields["server"] = None
    if "client_port" in losses and request.client:
        fields["client"] = request.client[0]
    if "base_path" in losses and request.root_path != f"/{request.stage}":
        fields["root_path"] = ""
    for name in ("scheme", "client", "stage", "root_path", "request_id", "user"):
        if name in losses:
            del fields[name]
    return fields


def carried_query(losses: Collection[str], query: str) -> Any:
    """Write down what of a query a gateway carries."""
    if not any(loss.startswith("query") for loss in losses):
        return query
    if "query_semicolons" in losses:
        query = query.replace(";", "&")
    pairs: list[tuple[str, str | None]] = []
    for piece in query.split("&"):
        key, equals, value = piece.partition("=")
        if "query_escapes" in losses:
            key, value = unquote(key.replace("+", " ")), unquote(value.replace("+", " "))
        if piece:
            pairs.append((key, value if equals or "query_flags" in losses else None))
    groups: dict[str, list[str | None]] = {}
    for key, each in pairs:
        groups.setdefault(key, []).append(each)
    if "query_order" in losses:
        pairs = [(key, each) for key, values in groups.items() for each in values]
    if "query_last" in losses:
        pairs = [(key, values[-1]) for key, values in groups.items()]
    if "query_commas" in losses:
        pairs = [
            (key, values[0] if len(values) == 1 else ",".join(each or "" for each in values))
            for key, values in groups.items()
        ]
    return sorted(pairs, key=lambda pair: pair[0]) if "query_order" in losses else pairs


def as_utf8(escapes: re.Match[str]) -> str:
    """Replace what is not UTF-8, and leave the spelling of all else."""
    text = unquote(escapes[0])
    return quote(text) if "\ufffd" in text else escapes[0]


def split(values: list[str]) -> list[str]:
    """Take values apart that were, or were not, joined with commas."""
    return [each.strip(" \t") for each in ",".join(values).split(",")]
