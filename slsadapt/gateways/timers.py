"""The events that clouds' timers send, written as ``triggers`` tells them.

Each function takes when the timer was due (Unix s), the timer's name, what somebody has it tell,
and an ID, new for each event, where the platform gives one.

Sources:

- AWS, an EventBridge rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
- Tencent: https://cloud.tencent.com/document/product/583/9708
- Alibaba: https://help.aliyun.com/zh/fc/formats-of-event-for-different-triggers
- Huawei: https://support.huaweicloud.com/intl/en-us/devg-functiongraph/functiongraph_02_0102.html
- Volcengine: https://www.volcengine.com/docs/6662/127868
"""

from __future__ import annotations

import json
from time import gmtime, strftime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["PLATFORMS", "alibaba", "aws", "huawei", "tencent", "volcengine"]

_SECONDS = "%Y-%m-%dT%H:%M:%S"
_CHINA_S = 8 * 3600


def aws(at_s: float, name: str, payload: str, event_id: str) -> Any:
    """Write what a rule sends; a constant input, which is JSON, is sent in place of all.

    Raises:
        ValueError: the payload is no JSON.
    """
    if payload:
        return json.loads(payload)
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": _utc(at_s),
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:123456789012:rule/{name}"],
        "detail": {},
    }


def tencent(at_s: float, name: str, payload: str, event_id: str) -> JSON:
    """Write what SCF's timer sends; without an argument the message is empty."""
    return {"Type": "Timer", "TriggerName": name, "Time": _utc(at_s), "Message": payload}


def alibaba(at_s: float, name: str, payload: str, event_id: str) -> JSON:
    """Write what Function Compute's timer sends."""
    return {"triggerTime": _utc(at_s), "triggerName": name, "payload": payload}


def huawei(at_s: float, name: str, payload: str, event_id: str) -> JSON:
    """Write what FunctionGraph's timer sends, whose clock shows China's time."""
    return {
        "version": "v1.0",
        "time": strftime(f"{_SECONDS}+08:00", gmtime(at_s + _CHINA_S)),
        "trigger_type": "TIMER",
        "trigger_name": name,
        "user_event": payload,
    }


def volcengine(at_s: float, name: str, payload: str, event_id: str) -> JSON:
    """Write what veFaaS's timer sends, a CloudEvent whose time has nanoseconds."""
    nanoseconds = round(at_s % 1 * 1_000_000) * 1000
    return {
        "id": event_id,
        "source": f"/faas/event/timer/{name}",
        "specversion": "1.0",
        "time": strftime(f"{_SECONDS}.{nanoseconds:09}Z", gmtime(at_s)),
        "type": "faas.timer.event",
        "datacontenttype": "application/octet-stream",
        "data": payload,
    }


# By what a dialect's name begins with; Kong's plugin calls AWS Lambda.
PLATFORMS: dict[str, Callable[[float, str, str, str], Any]] = {
    "aws": aws,
    "tencent": tencent,
    "alibaba": alibaba,
    "huawei": huawei,
    "volcengine": volcengine,
}


def _utc(at_s: float) -> str:
    return strftime(f"{_SECONDS}Z", gmtime(at_s))
