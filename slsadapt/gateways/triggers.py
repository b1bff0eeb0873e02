"""Events that are no HTTP requests: timers, calls that keep an instance warm, WebSocket events.

Sources:

- AWS rules, the default payload of EventBridge Scheduler, and a rule as the Java runtime spells it:
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html,
  https://github.com/aws-powertools/powertools-lambda-python/blob/develop/tests/events/eventBridgeSchedulerEvent.json,
  https://github.com/awsdocs/aws-lambda-developer-guide/tree/main/sample-apps/java-events
- Tencent: https://cloud.tencent.com/document/product/583/9708
- Alibaba: https://help.aliyun.com/zh/fc/formats-of-event-for-different-triggers
- Huawei: https://support.huaweicloud.com/intl/en-us/devg-functiongraph/functiongraph_02_0102.html
- Volcengine: https://www.volcengine.com/docs/6662/127868
- serverless-plugin-warmup, whose README prints the payload within ``Event``, though it is sent
  alone: https://github.com/juanjoDiaz/serverless-plugin-warmup
- Zappa, whose keep-warm is a rule that its dispatcher tells by name:
  https://github.com/zappa/Zappa/blob/master/zappa/cli.py

What people choose themselves cannot be told: the payload of an EventBridge Scheduler, the input of
a rule's target, the ``payload`` of serverless-plugin-warmup. The plugin's client context is not
looked at, because it repeats the payload unless it is set to something else.
"""

from __future__ import annotations

from ..errors import BadEventError
from . import aws_websocket, tencent_websocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..message import Response, SocketMessage

    JSON = dict[str, Any]

    class SocketDialect(Protocol):
        """What a WebSocket gateway's module holds: a Dialect of messages instead of requests.

        Beside it stands how messages are pushed to a client, which no two gateways do alike.
        """

        TITLE: str
        KEYS: str
        REQUEST_LIMIT_BYTES: int | None
        RESULT_LIMIT_BYTES: int | None
        LOSES: tuple[str, ...]

        def matches(self, event: Any) -> bool:
            """Claim an event; never raises, whatever the event."""

        def decode_event(self, event: JSON) -> SocketMessage:
            """Read one event of a connection; BadEventError names a missing or wrong field."""

        def encode_result(self, response: Response, event: JSON) -> JSON:
            """Write what the function answers: 2xx accepts a handshake, its headers choose."""

        def encode_event(self, message: SocketMessage, *, received_ms: int = 0) -> JSON:
            """Invert ``decode_event``, for replay and the local gateway.

            ``received_ms`` is Unix time, which such events tell as have a time.
            """

        def decode_result(self, result: Any) -> Response:
            """Invert ``encode_result``: whether the gateway accepts, or what it replies."""


__all__ = ["KINDS", "MARKS", "kind_of", "request_id_of"]

KINDS = ("timer", "keep_warm", "websocket")

# By kind: whose events have which keys with which values, ... standing for any. Asked in this
# order, so that a timer whose payload asks for it keeps warm.
MARKS: dict[str, tuple[tuple[str, JSON], ...]] = {
    "keep_warm": (
        ("serverless-plugin-warmup", {"source": "serverless-plugin-warmup"}),
        ("serverless-plugin-warmup", {"Event": {"source": "serverless-plugin-warmup"}}),
    ),
    "timer": (
        ("AWS rule", {"source": "aws.events", "detail-type": "Scheduled Event"}),
        ("AWS rule, Java", {"source": "aws.events", "detailType": "Scheduled Event"}),
        ("AWS scheduler", {"source": "aws.scheduler", "detail-type": "Scheduled Event"}),
        ("Tencent", {"Type": "Timer", "TriggerName": ...}),
        ("Alibaba", {"triggerTime": ..., "triggerName": ..., "payload": ...}),
        ("Huawei", {"trigger_type": "TIMER", "trigger_name": ...}),
        ("Volcengine", {"specversion": ..., "type": "faas.timer.event"}),
    ),
}
_SOCKETS: tuple[SocketDialect, ...] = (aws_websocket, tencent_websocket)

# The function at the end of the rule's name, behind "zappa-keep-warm" or, where the name was too
# long for older releases, a digest alone.
_ZAPPA_RULE = "-handler.keep_warm_callback"


def kind_of(event: Any) -> str | None:
    """Tell which of ``KINDS`` an event is, or None; never raises, whatever the event."""
    if not isinstance(event, dict):
        return None
    for kind, known in MARKS.items():
        if any(_has(event, marks) for _, marks in known):
            return "keep_warm" if _is_zappas(event) else kind
    return "websocket" if any(dialect.matches(event) for dialect in _SOCKETS) else None


def _has(event: JSON, marks: JSON) -> bool:
    return all(
        key in event and (value is ... or event[key] == value) for key, value in marks.items()
    )


def request_id_of(event: JSON) -> str:
    """Give the gateway's own ID of a WebSocket event, ``""`` where it gives none."""
    for dialect in _SOCKETS:
        if dialect.matches(event):
            try:
                return dialect.decode_event(event).request_id
            except BadEventError:
                break
    return ""


def _is_zappas(event: JSON) -> bool:
    resources = event.get("resources")
    return isinstance(resources, list) and any(
        isinstance(each, str) and each.endswith(_ZAPPA_RULE) for each in resources
    )
