"""Events that are no HTTP requests."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slsadapt import BadEventError, Request, SocketMessage, gateways
from slsadapt.gateways import aws_websocket, tencent_websocket
from slsadapt.gateways.triggers import KINDS, kind_of
from tests.conftest import EVENTS, load_case
from tests.gateways.corpus import cases, changed, recorded

WARMUP = "serverless-plugin-warmup"
SCHEDULE = "aws_eventbridge/doc_scheduled1"
ZAPPA = "aws_eventbridge/zappa_keep_warm"
TIMERS = [
    "alibaba_timer/timer_doc",
    "aws_emulated/so_schedule",
    "aws_eventbridge/doc_java_scheduled",
    SCHEDULE,
    "aws_eventbridge/pt_scheduler",
    "aws_eventbridge/rs_schedule",
    "aws_eventbridge/zappa_scheduled",
    "huawei_timer/timer",
    "tencent_timer/timer_doc",
    "tencent_timer/timer_empty_message",
    "tencent_timer/timer_real",
    "volcengine/timer_doc",
]
SOCKETS = [
    *cases("aws_websocket"),
    *[case for case in cases("aws_emulated") if "/so_ws_" in case],
    *cases("tencent_websocket"),
]
KIND = dict.fromkeys(TIMERS, "timer") | dict.fromkeys(SOCKETS, "websocket") | {ZAPPA: "keep_warm"}
EVERY = sorted(case for folder in EVENTS.iterdir() for case in cases(folder.name))
OTHERS = [case for case in EVERY if case not in KIND]


@pytest.mark.parametrize("case", KIND)
def test_recorded_event_is_of_its_kind(case: str) -> None:
    event = load_case(case)["event"]
    before = copy.deepcopy(event)
    assert kind_of(event) == KIND[case]
    assert KIND[case] in KINDS
    assert event == before


@pytest.mark.parametrize("case", OTHERS)
def test_request_queue_or_authorizer_is_of_no_kind(case: str) -> None:
    assert kind_of(recorded(case)) is None


@pytest.mark.parametrize("name", gateways.NAMES)
def test_request_that_imitates_a_timer_is_of_no_kind(name: str) -> None:
    body = json.dumps(load_case("tencent_timer/timer_doc")["event"]).encode()
    request = Request(
        "POST",
        "/Timer",
        f"source={WARMUP}&Type=Timer&TriggerName=t",
        [("source", WARMUP), ("content-type", "application/json")],
        body,
    )
    assert kind_of(gateways.load(name).encode_event(request)) is None


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"source": WARMUP}, id="default payload"),
        pytest.param({"source": WARMUP, "stage": "live"}, id="payload with more"),
        pytest.param({"Event": {"source": WARMUP}}, id="as its README prints it"),
    ],
)
def test_payload_of_the_warmup_plugin_keeps_warm(event: dict[str, Any]) -> None:
    assert kind_of(event) == "keep_warm"


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"source": "my-custom-source", "other": 20}, id="payload of one's own"),
        pytest.param({"source": [WARMUP]}, id="list"),
        pytest.param({"Event": WARMUP}, id="text within"),
        pytest.param({"detail": {"source": WARMUP}}, id="elsewhere"),
    ],
)
def test_payload_of_ones_own_cannot_be_told(event: dict[str, Any]) -> None:
    assert kind_of(event) is None


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("shop-live-zappa-keep-warm-handler.keep_warm_callback", "keep_warm"),
        # Of a function whose name is too long for a rule, Zappa takes a digest.
        (
            "0beec7b5ea3f0fdbc95d0-zappa-keep-warm-handler.keep_warm_callback",
            "keep_warm",
        ),
        (
            "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33-handler.keep_warm_callback",
            "keep_warm",
        ),
        ("shop-live-zappa-keep-warm-handler.keep_warm_callback-2", "timer"),
        ("shop-live-zappa-keep-warm", "timer"),
        ("shop-live-jobs.clean_up", "timer"),
        ("keep-warm", "timer"),
    ],
)
def test_zappas_callback_is_told_by_the_name_of_its_rule(rule: str, kind: str) -> None:
    resource = f"arn:aws:events:us-east-1:123456789012:rule/{rule}"
    assert kind_of(changed(SCHEDULE, {"resources": [resource]})) == kind


@pytest.mark.parametrize("resources", [..., None, [], [None], [{}], [1], "x", {"a": 1}])
def test_schedule_with_other_resources_is_a_timer(resources: Any) -> None:
    assert kind_of(changed(SCHEDULE, {"resources": resources})) == "timer"


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        pytest.param(SCHEDULE, {"source": "aws.ec2"}, id="AWS, other source"),
        pytest.param(SCHEDULE, {"detail-type": "Rule changed"}, id="AWS, other detail"),
        pytest.param(SCHEDULE, {"detail-type": ...}, id="AWS, no detail"),
        pytest.param(
            "aws_eventbridge/pt_scheduler",
            {"detail-type": "AWS API Call via CloudTrail"},
            id="AWS, call of the scheduler's API",
        ),
        pytest.param("tencent_timer/timer_doc", {"Type": "COS"}, id="Tencent, other type"),
        pytest.param("tencent_timer/timer_doc", {"TriggerName": ...}, id="Tencent, no name"),
        pytest.param("alibaba_timer/timer_doc", {"triggerName": ...}, id="Alibaba, no name"),
        pytest.param("alibaba_timer/timer_doc", {"payload": ...}, id="Alibaba, no payload"),
        pytest.param("huawei_timer/timer", {"trigger_type": "SMN"}, id="Huawei, other type"),
        pytest.param("volcengine/timer_doc", {"type": "faas.tos.event"}, id="Volcengine, storage"),
        pytest.param("volcengine/timer_doc", {"specversion": ...}, id="no CloudEvent"),
    ],
)
def test_event_without_all_marks_is_no_timer(case: str, changes: dict[str, Any]) -> None:
    assert kind_of(load_case(case)["event"]) == "timer"
    assert kind_of(changed(case, changes)) is None


@pytest.mark.parametrize("message", ["", None, {"json": 1}])
def test_timer_may_bring_any_message(message: Any) -> None:
    assert kind_of(changed("alibaba_timer/timer_doc", {"payload": message})) == "timer"
    assert kind_of(changed("tencent_timer/timer_doc", {"Message": message})) == "timer"
    assert kind_of(changed("huawei_timer/timer", {"user_event": message})) == "timer"


@pytest.mark.parametrize(
    "event",
    [None, True, 1, "Timer", b'{"Type": "Timer", "TriggerName": "t"}', [], [{"Type": "Timer"}], {}],
    ids=repr,
)
def test_what_is_no_object_or_empty_is_of_no_kind(event: Any) -> None:
    assert kind_of(event) is None


KEYS = st.sampled_from(
    [
        "Event",
        "TriggerName",
        "Type",
        "action",
        "connectionId",
        "detail-type",
        "eventType",
        "methodArn",
        "payload",
        "requestContext",
        "resources",
        "routeKey",
        "secConnectionID",
        "source",
        "specversion",
        "triggerName",
        "triggerTime",
        "trigger_name",
        "trigger_type",
        "type",
        "websocket",
    ]
)
WORDS = st.sampled_from(
    [
        "CONNECT",
        "Scheduled Event",
        "TIMER",
        "Timer",
        "aws.events",
        "closing",
        "faas.timer.event",
        WARMUP,
    ]
)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.integers() | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(JUNK)
def test_junk_never_raises(event: Any) -> None:
    assert kind_of(event) in (None, *KINDS)


@st.composite
def broken(draw: st.DrawFn, names: list[str]) -> tuple[str, Any]:
    """Draw a recorded event of these with junk in some fields."""
    case = draw(st.sampled_from(names))
    event = load_case(case)["event"]
    holders = [event, *[each for each in event.values() if isinstance(each, dict) and each]]
    for _ in range(draw(st.integers(1, 3))):
        holder = draw(st.sampled_from(holders))
        holder[draw(st.sampled_from(sorted(holder)))] = draw(JUNK)
    return case, event


@settings(derandomize=True, max_examples=300, deadline=None)
@given(broken([*KIND]))
def test_broken_event_never_raises(drawn: tuple[str, Any]) -> None:
    assert kind_of(drawn[1]) in (None, *KINDS)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(broken(SOCKETS))
def test_broken_websocket_event_is_read_or_refused(drawn: tuple[str, Any]) -> None:
    case, event = drawn
    dialect = tencent_websocket if case.startswith("tencent") else aws_websocket
    try:
        message = dialect.decode_event(event)
    except BadEventError:
        return
    assert isinstance(message, SocketMessage)
    texts = (message.connection_id, message.query, message.endpoint, message.stage)
    assert {*map(type, texts)} == {str}
