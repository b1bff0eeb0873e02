"""The recorded events, and how the shared tests read them."""

from __future__ import annotations

import json
from typing import Any

from slsadapt import Request, gateways
from tests.conftest import EVENTS, load_case

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
