"""Schedules as each cloud writes them, the events of their timers, and who sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from math import inf
from pathlib import Path
from typing import Any

import pytest

from slsadapt.errors import LocalError
from slsadapt.gateways.triggers import kind_of
from slsadapt.local.function import Function
from slsadapt.local.outcome import Outcome
from slsadapt.local.timers import Timers, schedule, timer_event

pytestmark = pytest.mark.once

# Saturday, noon in UTC.
START_S = datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp()
AT_S = datetime(2026, 11, 21, 16, 30, tzinfo=timezone.utc).timestamp()


def times(text: str, count: int = 3) -> list[str]:
    """Write when a schedule is due, in UTC, from Saturday noon on."""
    timer, at_s, found = schedule(text), START_S, []
    for _ in range(count):
        at_s = timer.next_after(at_s)
        found.append(datetime.fromtimestamp(at_s, timezone.utc).strftime("%a %d.%m.%y %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "rate(5 minutes)", ["Sat 21.11.26 12:05:00", "Sat 21.11.26 12:10:00"], id="rate"
        ),
        pytest.param(
            "rate(1 day)", ["Sun 22.11.26 12:00:00", "Mon 23.11.26 12:00:00"], id="rate of one"
        ),
        pytest.param(
            "rate(10 seconds)", ["Sat 21.11.26 12:00:10", "Sat 21.11.26 12:00:20"], id="seconds"
        ),
        pytest.param(
            "@every 1h30m", ["Sat 21.11.26 13:30:00", "Sat 21.11.26 15:00:00"], id="every"
        ),
        pytest.param(
            "@every 1.5h", ["Sat 21.11.26 13:30:00", "Sat 21.11.26 15:00:00"], id="every, decimal"
        ),
        pytest.param(
            "@every 10ms", ["Sat 21.11.26 12:00:01", "Sat 21.11.26 12:00:02"], id="every, least"
        ),
        pytest.param(
            "cron(0 8 * * ? *)", ["Sun 22.11.26 08:00:00", "Mon 23.11.26 08:00:00"], id="AWS"
        ),
        pytest.param(
            "cron(0/15 18 ? * MON-FRI *)",
            ["Mon 23.11.26 18:00:00", "Mon 23.11.26 18:15:00"],
            id="AWS, steps and names",
        ),
        pytest.param(
            "cron(0 8 ? * 2-6 *)",
            ["Mon 23.11.26 08:00:00", "Tue 24.11.26 08:00:00"],
            id="AWS counts weekdays from Sunday, 1",
        ),
        pytest.param(
            "cron(0 8 ? * 6L *)",
            ["Fri 27.11.26 08:00:00", "Fri 25.12.26 08:00:00"],
            id="AWS, last Friday",
        ),
        pytest.param(
            "cron(0 8 ? * FRI#2 *)",
            ["Fri 11.12.26 08:00:00", "Fri 08.01.27 08:00:00"],
            id="AWS, second Friday",
        ),
        pytest.param(
            "cron(0 8 ? * L *)",
            ["Sat 28.11.26 08:00:00", "Sat 05.12.26 08:00:00"],
            id="AWS, the week's last day",
        ),
        pytest.param(
            "cron(0 8 L * ? *)",
            ["Mon 30.11.26 08:00:00", "Thu 31.12.26 08:00:00"],
            id="AWS, the month's last day",
        ),
        pytest.param(
            "cron(0 8 1W * ? *)",
            ["Tue 01.12.26 08:00:00", "Fri 01.01.27 08:00:00", "Mon 01.02.27 08:00:00"],
            id="AWS, weekday near the first",
        ),
        pytest.param(
            "cron(0 8 1 JAN,JUL ? 2027-2028)",
            ["Fri 01.01.27 08:00:00", "Thu 01.07.27 08:00:00", "Sat 01.01.28 08:00:00"],
            id="AWS, months and years",
        ),
        pytest.param(
            "0 0 8 * * * *",
            ["Sun 22.11.26 00:00:00", "Mon 23.11.26 00:00:00"],
            id="Tencent, in UTC+8",
        ),
        pytest.param(
            "*/5 * * * * * *",
            ["Sat 21.11.26 12:00:05", "Sat 21.11.26 12:00:10"],
            id="Tencent, seconds",
        ),
        pytest.param(
            "0 0 0 * * 1 *",
            ["Sun 22.11.26 16:00:00", "Sun 29.11.26 16:00:00"],
            id="Tencent counts weekdays from Sunday, 0",
        ),
        pytest.param(
            "0 0 12 ? * MON#1 *", ["Mon 07.12.26 04:00:00"], id="Tencent, first Monday of a month"
        ),
        pytest.param(
            "0 0 8 * * *", ["Sun 22.11.26 08:00:00", "Mon 23.11.26 08:00:00"], id="Alibaba, in UTC"
        ),
        pytest.param(
            "CRON_TZ=Asia/Shanghai 0 0 4 1 * *",
            ["Mon 30.11.26 20:00:00", "Thu 31.12.26 20:00:00"],
            id="Alibaba, in a time zone",
        ),
        pytest.param(
            "0 0 8 ? * 1-7",
            ["Sun 22.11.26 08:00:00", "Mon 23.11.26 08:00:00"],
            id="Alibaba, Monday to Sunday",
        ),
        pytest.param(
            "0 0 8 ? * 7-7", ["Sun 22.11.26 08:00:00", "Sun 29.11.26 08:00:00"], id="Sunday as 7"
        ),
        pytest.param(
            "0 0 8 24 * MON",
            ["Mon 23.11.26 08:00:00", "Tue 24.11.26 08:00:00", "Mon 30.11.26 08:00:00"],
            id="either day",
        ),
        pytest.param(
            "*/30 8 * * *", ["Sun 22.11.26 08:00:00", "Sun 22.11.26 08:30:00"], id="crontab"
        ),
        pytest.param(
            "CRON_TZ=Europe/Berlin 0 30 2 29,30 3 *",
            # On the 28th clocks went forward; an hour earlier in UTC.
            ["Mon 29.03.27 00:30:00", "Tue 30.03.27 00:30:00"],
            id="summer time",
        ),
    ],
)
def test_schedule(text: str, expected: list[str]) -> None:
    assert times(text, len(expected)) == expected


def test_time_between_seconds_is_due_at_the_next() -> None:
    assert schedule("* * * * * * *").next_after(START_S + 0.75) == START_S + 1


def test_year_that_is_over_never_comes() -> None:
    assert schedule("cron(0 8 1 1 ? 2020)").next_after(START_S) == inf


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("daily", "'daily' is no schedule: write rate(5 minutes), cron(", id="none"),
        pytest.param("", "'' is no schedule", id="empty"),
        pytest.param("rate(5 minute)", "as in rate(1 minute) and rate(5 minutes)", id="singular"),
        pytest.param("rate(1 hours)", "got '1 hours'", id="plural"),
        pytest.param("rate(0 minutes)", "a number from 1", id="rate of nothing"),
        pytest.param("@every 10", "a duration of h, m and s", id="no unit"),
        pytest.param("cron(0 8 * * ?)", "takes 6 fields, minutes, hours, ", id="no year"),
        pytest.param("cron(0 8 * * * *)", "must be ?, as in cron(", id="no question mark"),
        pytest.param("cron(0 8 ? * ? *)", "got '?' and '?'", id="two question marks"),
        pytest.param("cron(0 25 * * ? *)", "hours takes 0-23, alone or as 0-2, ", id="hour"),
        pytest.param("cron(0 8 ? * 0 *)", "day of week takes 1-7 or SUN-SAT", id="AWS, no day 0"),
        pytest.param("0 0 8 * * 7 *", "day of week takes 0-6 or SUN-SAT", id="Tencent, no day 7"),
        pytest.param("0 0 8 L * *", ", *, */2, ?; got 'L'", id="Alibaba knows no last day"),
        pytest.param("0 8 ? * *", "day of month takes 1-31", id="crontab knows no question mark"),
        pytest.param("*/0 * * * *", "got '*/0'", id="step of nothing"),
        pytest.param("1-2-3 * * * *", "got '1-2-3'", id="range of three"),
        pytest.param("0 0 8 * FEBR *", "month takes 1-12 or JAN-DEC", id="month"),
        pytest.param("cron(0 8 ? * 2#6 *)", "got '2#6'", id="sixth Monday"),
        pytest.param("CRON_TZ=Mars 0 0 8 * * *", "as Asia/Shanghai; got 'Mars'", id="zone"),
        pytest.param("CRON_TZ=../x 0 0 8 * * *", "got '../x'", id="zone outside"),
    ],
)
def test_complaint_names_the_field(text: str, complaint: str) -> None:
    with pytest.raises(LocalError) as caught:
        schedule(text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(repr(text))


# Events


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        pytest.param(
            "tencent_apigw",
            {
                "Type": "Timer",
                "TriggerName": "nightly",
                "Time": "2026-11-21T16:30:00Z",
                "Message": "go",
            },
            id="Tencent",
        ),
        pytest.param(
            "alibaba_fc3",
            {"triggerTime": "2026-11-21T16:30:00Z", "triggerName": "nightly", "payload": "go"},
            id="Alibaba",
        ),
        pytest.param(
            "huawei_apig",
            {
                "version": "v1.0",
                "time": "2026-11-22T00:30:00+08:00",
                "trigger_type": "TIMER",
                "trigger_name": "nightly",
                "user_event": "go",
            },
            id="Huawei",
        ),
        pytest.param(
            "volcengine",
            {
                "id": "ID",
                "source": "/faas/event/timer/nightly",
                "specversion": "1.0",
                "time": "2026-11-21T16:30:00.250000000Z",
                "type": "faas.timer.event",
                "datacontenttype": "application/octet-stream",
                "data": "go",
            },
            id="Volcengine",
        ),
    ],
)
def test_event(dialect: str, expected: dict[str, Any], event: Any) -> None:
    found = timer_event(dialect, AT_S + 0.25, "nightly", "go")
    if "id" in found:
        found["id"] = "ID"
    assert found == expected
    assert kind_of(found) == "timer"


@pytest.mark.parametrize("dialect", ["aws_http", "aws_websocket", "kong"])
def test_event_of_aws_is_a_rules(dialect: str) -> None:
    found = timer_event(dialect, AT_S, "nightly")
    identifier = found.pop("id")
    assert found == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-21T16:30:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/nightly"],
        "detail": {},
    }
    assert kind_of(found) == "timer"
    assert identifier != timer_event(dialect, AT_S)["id"]


@pytest.mark.parametrize(
    ("dialect", "case"),
    [
        ("aws_rest", "aws_eventbridge/rs_schedule"),
        ("tencent_function_url", "tencent_timer/timer_real"),
        ("alibaba_apigw", "alibaba_timer/timer_doc"),
        ("huawei_apig", "huawei_timer/timer"),
        ("volcengine", "volcengine/timer_doc"),
    ],
)
def test_event_has_the_fields_of_a_recorded_one(dialect: str, case: str, event: Any) -> None:
    recorded, found = event(case), timer_event(dialect, AT_S)
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in recorded.items()
    }


def test_payload_is_the_whole_event_of_aws() -> None:
    assert timer_event("aws_http", AT_S, payload='{"table": "orders"}') == {"table": "orders"}
    with pytest.raises(LocalError, match="a payload for aws_http must be JSON"):
        timer_event("aws_http", AT_S, payload="orders")


@pytest.mark.parametrize("dialect", ["yandex", "azure", "gcp", "alibaba_fc2"])
def test_platform_without_timers(dialect: str) -> None:
    with pytest.raises(LocalError, match="those of aws, tencent, alibaba, huawei, volcengine"):
        timer_event(dialect, AT_S)


# Timers


class Clock:
    """A clock that somebody who sleeps sets forward."""

    def __init__(self) -> None:
        self.now = START_S
        self.ends_s = inf
        self.over = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, wait_s: float) -> None:
        if self.now + wait_s > self.ends_s:
            self.over.set()
            await asyncio.Event().wait()
        self.now += wait_s
        await asyncio.sleep(0)


class Pool:
    """Notes what it is asked for, and ends an invocation when it is told to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        self.end = asyncio.Event()
        self.ended = 0

    async def invoke(
        self, payload: bytes, *, request_id: str, headers: Mapping[str, str] = {}
    ) -> Outcome:
        self.events.append(json.loads(payload))
        self.ids.add(request_id)
        await self.end.wait()
        self.ended += 1
        return Outcome(request_id=request_id)


def function(dialect: str) -> Function:
    return Function(label="shop", folder=Path(), module="shop", name="handler", dialect=dialect)


def run(dialect: str, *schedules: str, until_s: float) -> Pool:
    """Let time pass, while the first invocation runs on and on."""

    async def work() -> Pool:
        clock, pool = Clock(), Pool()
        clock.ends_s = START_S + until_s
        read = [schedule(each) for each in schedules]
        timers = Timers(read, function(dialect), pool, clock=clock, sleep=clock.sleep)
        timers.start()
        await clock.over.wait()
        # Other timers wait for the clock to be set forward, too.
        await asyncio.sleep(0)
        await timers.stop()
        assert pool.ended == 0
        pool.end.set()
        while pool.ended < len(pool.events):
            await asyncio.sleep(0)
        return pool

    return asyncio.run(work())


def test_timer_invokes_though_the_last_one_still_runs() -> None:
    pool = run("tencent_apigw", "rate(2 minutes)", until_s=500)
    assert pool.events == [
        {"Type": "Timer", "TriggerName": "timer-1", "Time": f"2026-11-21T{at}Z", "Message": ""}
        for at in ("12:02:00", "12:04:00", "12:06:00", "12:08:00")
    ]
    assert len(pool.ids) == 4


def test_each_timer_has_its_name() -> None:
    pool = run("alibaba_fc3", "rate(1 minute)", "@every 1m", until_s=100)
    assert sorted(pool.events, key=lambda event: str(event["triggerName"])) == [
        {"triggerTime": "2026-11-21T12:01:00Z", "triggerName": name, "payload": ""}
        for name in ("timer-1", "timer-2")
    ]


def test_what_was_due_while_the_machine_slept_is_left_out() -> None:
    async def work() -> list[dict[str, Any]]:
        clock, pool = Clock(), Pool()
        clock.ends_s = START_S + 4000

        async def sleep(wait_s: float) -> None:
            # In the first sleep an hour passes.
            await clock.sleep(3600 if clock.now == START_S else wait_s)

        read = [schedule("rate(1 minute)")]
        timers = Timers(read, function("tencent_apigw"), pool, clock=clock, sleep=sleep)
        timers.start()
        while len(pool.events) < 2:
            await asyncio.sleep(0)
        await timers.stop()
        pool.end.set()
        return pool.events

    events = asyncio.run(work())
    assert [each["Time"] for each in events[:2]] == ["2026-11-21T12:01:00Z", "2026-11-21T13:01:00Z"]


def test_timer_with_the_clock_of_this_machine() -> None:
    async def work() -> Pool:
        pool = Pool()
        timers = Timers([schedule("* * * * * * *")], function("aws_http"), pool)
        timers.start()
        while not pool.events:
            await asyncio.sleep(0.01)
        await timers.stop()
        pool.end.set()
        return pool

    assert kind_of(asyncio.run(work()).events[0]) == "timer"


def test_timer_that_never_comes_is_told() -> None:
    async def work() -> None:
        Timers([schedule("cron(0 8 31 2 ? *)")], function("aws_http"), Pool()).start()

    with pytest.raises(LocalError, match="never comes"):
        asyncio.run(work())


def test_platform_without_timers_is_told_at_once() -> None:
    async def work() -> None:
        Timers([schedule("rate(1 minute)")], function("yandex"), Pool())

    with pytest.raises(LocalError, match="there are no timer events of yandex"):
        asyncio.run(work())
