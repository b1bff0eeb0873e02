"""Timers: when they are due, what they send, and who sends it.

A schedule is written as one of the clouds has it, whichever cloud is served:

===============================  ===================================================================
schedule                         means
===============================  ===================================================================
``rate(5 minutes)``              AWS [1]_. ``rate(10 seconds)``, too, which is for trying out
``cron(0 8 * * ? *)``            AWS [1]_: minutes, hours, day of month, month, day of week (1 is
                                 Sunday), year; in UTC
``0 0 8 * * * *``                Tencent [2]_: seconds first, year last; in UTC+8
``0 0 8 * * *``                  Alibaba [3]_ and Huawei [4]_: seconds first; in UTC
``@every 1h30m``                 Alibaba [3]_ and Huawei [4]_
``0 8 * * *``                    Volcengine [5]_: a crontab's; in UTC
===============================  ===================================================================

``CRON_TZ=Asia/Shanghai`` before fields names another time zone. In the last four, 0 and 7 are
Sunday, and where both days are given, either will do.

.. [1] https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
.. [2] https://cloud.tencent.com/document/product/583/9708
.. [3] https://help.aliyun.com/zh/functioncompute/fc/user-guide/time-triggers
.. [4] https://support.huaweicloud.com/usermanual-functiongraph/functiongraph_01_0908.html
.. [5] https://www.volcengine.com/docs/6662/1391867
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from math import floor, inf
from typing import TYPE_CHECKING
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .. import gateways
from ..errors import LocalError
from ..gateways.timers import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import tzinfo
    from typing import Any

    from .function import Function
    from .invoke import Invokes

__all__ = ["Schedule", "Timers", "schedule", "timer_event"]

_ACCEPTED = (
    "write rate(5 minutes), cron(0 8 * * ? *) as AWS does, 0 0 8 * * * * as Tencent (7 fields), "
    "0 0 8 * * * as Alibaba (6), 0 8 * * * as a crontab (5), or @every 5m"
)
_SHANGHAI = timezone(timedelta(hours=8))
_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
# Of Go's durations; what is shorter than a second counts as one.
_GO_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_GO_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
# The longest sleep, after which the clock may have been set, or the machine slept.
_DOZE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a cron expression.

    Args:
        name: for people.
        low: its least number, and ``high`` its largest.
        names: that stand for numbers from ``first`` on.
        marks: what may stand there besides, each as it is explained.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0
    marks: tuple[str, ...] = ()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SECONDS = _Field("seconds", 0, 59)
_CLOCK = (_Field("minutes", 0, 59), _Field("hours", 0, 23))
_DAY = _Field("day of month", 1, 31, marks=("?",))
_DAY_OR_LAST = replace(_DAY, marks=("?", "L", "15W"))
_MONTH = _Field("month", 1, 12, _MONTHS, 1)
_WEEKDAY = _Field("day of week", 0, 7, _DAYS, 0, ("?",))
_NTH = ("1", "2", "3", "4", "5")
_YEAR = _Field("year", 1970, 2099)
_LAYOUTS = {
    5: (*_CLOCK, replace(_DAY, marks=()), _MONTH, replace(_WEEKDAY, marks=())),
    6: (_SECONDS, *_CLOCK, _DAY, _MONTH, _WEEKDAY),
    7: (
        *(_SECONDS, *_CLOCK, _DAY_OR_LAST, _MONTH),
        *(replace(_WEEKDAY, high=6, marks=("?", "L", "5L", "5#2")), _YEAR),
    ),
}
_AWS_LAYOUT = (
    *(*_CLOCK, _DAY_OR_LAST, _MONTH),
    *(_Field("day of week", 1, 7, _DAYS, 1, ("?", "L", "6L", "6#2")), _YEAR),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer is due.

    Args:
        text: as somebody wrote it.
    """

    text: str
    _next: Callable[[float], float] = field(repr=False)

    def next_after(self, unix_s: float) -> float:
        """Give the first time after another, both Unix time in s; ``inf`` for never again.

        An interval begins at that other time.
        """
        return self._next(unix_s)


def schedule(text: str) -> Schedule:
    """Read a schedule, as the module describes them.

    Raises:
        LocalError: it is none; the message names the field and what is accepted there.
    """
    words = text.strip()
    if found := re.fullmatch(r"rate\((.*)\)", words):
        return _every(text, _rate_s(text, found[1]))
    if words.startswith("@every"):
        return _every(text, _go_s(text, words.removeprefix("@every").strip()))
    if found := re.fullmatch(r"cron\((.*)\)", words):
        return _cron(text, found[1].split(), _AWS_LAYOUT, timezone.utc)
    zone: tzinfo | None = None
    if found := re.match(r"(?:CRON_TZ|TZ)=(\S+)\s+", words):
        zone = _zone(text, found[1])
        words = words[found.end() :]
    fields = words.split()
    layout = _LAYOUTS.get(len(fields))
    if layout is None:
        raise LocalError(f"{text!r} is no schedule: {_ACCEPTED}")
    return _cron(text, fields, layout, zone or (_SHANGHAI if len(fields) == 7 else timezone.utc))


def _rate_s(text: str, words: str) -> int:
    found = re.fullmatch(r"\s*([1-9]\d*)\s+(second|minute|hour|day)(s?)\s*", words, re.ASCII)
    # EventBridge refuses "1 minutes" and "5 minute".
    if found is None or (found[1] == "1") == bool(found[3]):
        raise LocalError(
            f"{text!r}: rate takes a number from 1 and its unit, seconds, minutes, hours or days, "
            f"as in rate(1 minute) and rate(5 minutes); got {words!r}"
        )
    return int(found[1]) * _UNITS_S[found[2]]


def _go_s(text: str, words: str) -> int:
    parts = _GO_PART.findall(words)
    if not parts or "".join(number + unit for number, unit in parts) != words:
        raise LocalError(
            f"{text!r}: @every takes a duration of h, m and s, as in @every 5m or @every 1h30m; "
            f"got {words!r}"
        )
    return max(1, int(sum(float(number) * _GO_UNITS_S[unit] for number, unit in parts)))


def _every(text: str, interval_s: int) -> Schedule:
    return Schedule(text, lambda unix_s: unix_s + interval_s)


def _zone(text: str, name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LocalError(
            f"{text!r}: CRON_TZ takes a time zone that this machine knows, as Asia/Shanghai; "
            f"got {name!r}"
        ) from None


def _cron(text: str, words: list[str], layout: tuple[_Field, ...], zone: tzinfo) -> Schedule:
    """Let croniter reckon: seconds first and the year last, weekdays from 0, Sunday."""
    try:
        from croniter import CroniterBadDateError, CroniterError, croniter
    except ModuleNotFoundError:
        raise LocalError(
            f"{text!r}: cron expressions need the extra: pip install 'slsadapt[local]'"
        ) from None
    if len(words) != len(layout):
        names = ", ".join(each.name for each in layout)
        raise LocalError(
            f"{text!r}: cron() takes {len(layout)} fields, {names}, as in cron(0 8 * * ? *); "
            f"got {len(words)}"
        )
    if layout is _AWS_LAYOUT and [words[2], words[4]].count("?") != 1:
        raise LocalError(
            f"{text!r}: one of day of month and day of week must be ?, as in cron(0 8 * * ? *) "
            f"and cron(0 8 ? * MON-FRI *); got {words[2]!r} and {words[4]!r}"
        )
    fields = [_read(text, word, each) for word, each in zip(words, layout, strict=True)]
    if layout[0] is not _SECONDS:
        fields.insert(0, "0")
    if layout[-1] is not _YEAR:
        fields.append("*")
    expression = " ".join(fields)
    try:
        croniter(expression, second_at_beginning=True)
    except CroniterError as error:
        raise LocalError(f"{text!r}: {error}") from None

    def after(unix_s: float) -> float:
        start = datetime.fromtimestamp(floor(unix_s), zone)
        try:
            return float(croniter(expression, start, second_at_beginning=True).get_next(float))
        except CroniterBadDateError:
            return inf

    return Schedule(text, after)


def _read(text: str, word: str, place: _Field) -> str:
    """Translate one field for croniter, whose last Friday is L5, and which knows no ``?``."""
    items = [_read_item(item, place) for item in word.upper().split(",")]
    if None in items:
        raise LocalError(_expected(text, word.split(",")[items.index(None)], place))
    return ",".join(filter(None, items))


def _read_item(item: str, place: _Field) -> str | None:
    """Translate one of the things between commas, or give None if it is none."""
    is_weekday = place.names is _DAYS
    if item == "?" and "?" in place.marks:
        return "*"
    if "L" in place.marks:
        if item == "L":
            # The week's last day is Saturday.
            return "6" if is_weekday else "L"
        if item.endswith("L") and is_weekday:
            day = _number(item[:-1], place)
            return None if day is None else f"L{day % 7}"
        if item.endswith("W") and not is_weekday:
            day = _number(item[:-1], place)
            return None if day is None else f"{day}W"
        if "#" in item and is_weekday:
            name, _, which = item.partition("#")
            day = _number(name, place)
            return f"{day % 7}#{which}" if day is not None and which in _NTH else None
    base, slash, step = item.partition("/")
    if slash and not re.fullmatch(r"0*[1-9]\d{0,3}", step, re.ASCII):
        return None
    if base == "*":
        return f"*{slash}{step}"
    ends = [_number(end, place) for end in base.split("-")]
    if None in ends or len(ends) > 2:
        return None
    if len({*ends}) == 1 and not slash:
        # croniter takes 7-7 for the whole week.
        return str(ends[0])
    return "-".join(map(str, ends)) + slash + step


def _number(word: str, place: _Field) -> int | None:
    """Read a number or a name as croniter counts them, or give None if it is neither."""
    if word in place.names:
        number = place.names.index(word) + place.first
    elif re.fullmatch(r"\d{1,4}", word, re.ASCII) and place.low <= int(word) <= place.high:
        number = int(word)
    else:
        return None
    return number - place.first if place.names is _DAYS else number


def _expected(text: str, item: str, place: _Field) -> str:
    low, high = place.low, place.high
    names = f" or {place.names[0]}-{place.names[-1]}" if place.names else ""
    marks = "".join(f", {mark}" for mark in place.marks)
    return (
        f"{text!r}: {place.name} takes {low}-{high}{names}, alone or as {low}-{low + 2}, "
        f"{low},{low + 1}, *, */2{marks}; got {item!r}"
    )


def timer_event(dialect: str, at_s: float, name: str = "slsadapt", payload: str = "") -> Any:
    """Write what the timer of a dialect's platform sends.

    Args:
        dialect: one of ``gateways.NAMES`` or ``gateways.SOCKET_NAMES``.
        at_s: when it was due, Unix time.
        name: the timer's.
        payload: what somebody has it tell: a text, but JSON for AWS, where it is the whole event.

    Returns:
        JSON, an object but for such a payload.

    Raises:
        LocalError: the platform has no timer whose events are known, or the payload is no JSON.
    """
    encode = PLATFORMS.get(gateways.platform_of(dialect))
    if encode is None or dialect in gateways.OBJECT_NAMES:
        raise LocalError(
            f"there are no timer events of {dialect}; there are those of {', '.join(PLATFORMS)}: "
            "choose another dialect"
        )
    try:
        return encode(at_s, name, payload, str(uuid4()))
    except ValueError as error:
        raise LocalError(
            f"a payload for {dialect} must be JSON, for a rule's constant input is the whole "
            f"event: {error}"
        ) from None


class Timers:
    """Invoke a function whenever one of its timers is due, though it may still run, as clouds do.

    What was due while the machine slept is left out.

    Args:
        schedules: one a timer; they are called ``timer-1`` and so on.
        function: what is invoked.
        pool: whom to ask for it.
        clock: gives Unix time in s.
        sleep: waits for s.

    Raises:
        LocalError: the function's platform has no timers.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        function: Function,
        pool: Invokes,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._schedules = schedules
        self._dialect = function.dialect
        self._pool = pool
        self._clock = clock
        self._sleep = sleep
        self._waiting: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[Any]] = set()
        if schedules:
            timer_event(self._dialect, 0)

    def start(self) -> None:
        """Begin to wait, in the running loop.

        Raises:
            LocalError: a timer is never due.
        """
        now = self._clock()
        dues = [each.next_after(now) for each in self._schedules]
        for each, due in zip(self._schedules, dues, strict=True):
            if due == inf:
                raise LocalError(f"{each.text!r} never comes; look at its year and its days")
        self._waiting = [
            asyncio.create_task(self._repeat(each, due, f"timer-{number}"))
            for number, (each, due) in enumerate(zip(self._schedules, dues, strict=True), 1)
        ]

    async def stop(self) -> None:
        """Wait for no timer any more; what runs goes on."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _repeat(self, timer: Schedule, due: float, name: str) -> None:
        while due < inf:
            while (wait_s := due - self._clock()) > 0:
                await self._sleep(min(wait_s, _DOZE_S))
            payload = json.dumps(timer_event(self._dialect, due, name)).encode()
            task = asyncio.create_task(self._invoke(payload))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            # From the time that was due, so that intervals do not drift.
            due = timer.next_after(due)
            if due <= (now := self._clock()):
                due = timer.next_after(now)

    async def _invoke(self, payload: bytes) -> None:
        await self._pool.invoke(payload, request_id=str(uuid4()))
