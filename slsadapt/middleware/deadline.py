"""Say where an invocation hangs before the platform ends it without a word."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from time import monotonic, perf_counter_ns
from weakref import WeakSet

from ..errors import OptionError
from ..gateways.contexts import limit_ms, remaining_ms
from ..percent import encode_path
from .stacks import GUARD_NAME, describe_stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..engines.asgi import AsgiEngine
    from ..engines.asgi import Exchange as AsgiExchange
    from ..engines.wsgi import Exchange as WsgiExchange
    from ..engines.wsgi import WsgiEngine
    from ..timing import Timing

__all__ = ["Alarm", "Deadline", "Guard", "InvocationAlarm", "InvocationGuard"]

_NEVER = float("inf")
# A year, which no platform gives.
_LONGEST_S = 365 * 86_400
# Waking the thread costs more than all the rest, so a little late is early enough.
_SOON_ENOUGH_S = 0.005


class Deadline:
    """How long before the platform's limit to look at what hangs.

    Args:
        before_s: seconds before the limit.
        limit_s: the limit itself, where the platform does not tell (Google, Azure).

    Raises:
        OptionError: not a number of seconds.
    """

    def __init__(self, before_s: float, limit_s: float | None = None) -> None:
        for name, value in (("before_s", before_s), ("limit_s", limit_s)):
            if value is None and name == "limit_s":
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not 0 < value <= _LONGEST_S
            ):
                raise OptionError(
                    f"deadline: {name} must be seconds above 0, a year at most; got {value!r}"
                )
        if limit_s is not None and limit_s <= before_s:
            raise OptionError(
                f"deadline: limit_s ({limit_s:g}) must be more than before_s ({before_s:g})"
            )
        self.before_s = before_s
        self.limit_s = limit_s


class Alarm:
    """What ``Guard`` watches.

    Attributes:
        at: when to sound, by ``time.monotonic``.
    """

    at: float

    def postponed_to(self) -> float | None:
        """Give a later time, where it turns out when it is time that it is not, or None."""
        return None

    def sound(self) -> None:
        """Do what is to be done; called in the guard's thread, once."""
        raise NotImplementedError


class Guard:
    """One thread an instance, which sleeps until an invocation has run for too long.

    Arming stores, disarming forgets, and neither wakes the thread as a rule: it wakes at the time
    it was told first, finds that invocation long gone, and sleeps on for the one of that moment,
    or for good. A forked process gets a thread of its own with its first invocation. Under gevent
    the thread is a greenlet, which cannot sound while another never yields.
    """

    def __init__(self) -> None:
        self.begin_anew()
        _guards.add(self)

    def arm(self, alarm: Alarm) -> None:
        """Watch an invocation from now on."""
        self._armed[alarm] = alarm.at
        if alarm.at < self._looks_at - _SOON_ENOUGH_S:
            self._look_at(alarm.at)

    def disarm(self, armed: object) -> None:
        """Watch an invocation no longer."""
        self._armed.pop(armed, None)

    def alarm_of(self, armed: Any) -> Alarm:
        """Give the alarm of what is armed and due: the same, as ``arm`` took it."""
        alarm: Alarm = armed
        return alarm

    def begin_anew(self) -> None:
        """Forget what is armed, and the thread, which a forked process has not."""
        # What is armed, and when it is due.
        self._armed: dict[Any, float] = {}
        # When it is due instead; only the thread looks here, so that it never brings back what
        # is disarmed meanwhile.
        self._postponed: dict[Any, float] = {}
        self._changing = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        # When the thread looks at what is armed, even if nothing will be; infinity for never.
        self._looks_at = _NEVER

    def _look_at(self, at: float) -> None:
        """Make the thread look earlier than it would."""
        with self._changing:
            self._looks_at = min(self._looks_at, at)
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name=GUARD_NAME, daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # No more threads to be had: served without a guard is better than not served.
                    self._looks_at = _NEVER
                    logging.getLogger("slsadapt").exception("the deadline guard cannot start")
                    return
                self._thread = thread
        self._wake.set()

    def _watch(self) -> None:
        while True:
            self._wake.clear()
            wait_s = self._looks_at - monotonic()
            if wait_s > 0:
                # A platform, or a stand-in for one, may tell more than a wait can take.
                self._wake.wait(None if wait_s == _NEVER else min(wait_s, threading.TIMEOUT_MAX))
                continue
            # Whoever arms from here on sees that nobody would look.
            self._looks_at = _NEVER
            for armed, at in self._due_times():
                if at <= monotonic():
                    self._sound(armed)
            next_at = min([at for _, at in self._due_times()], default=_NEVER)
            with self._changing:
                self._looks_at = min(self._looks_at, next_at)

    def _due_times(self) -> list[tuple[Any, float]]:
        """Pair what is armed with when it is due, postponements included."""
        armed = self._armed.copy()
        self._postponed = {each: at for each, at in self._postponed.items() if each in armed}
        return [*(armed | self._postponed).items()]

    def _sound(self, armed: Any) -> None:
        """Sound an alarm, unless it has more time or was disarmed this moment."""
        try:
            alarm = self.alarm_of(armed)
            later = alarm.postponed_to()
            if later is not None:
                self._postponed[armed] = later
            elif self._armed.pop(armed, None) is not None:
                alarm.sound()
        except (Exception, SystemExit):
            self.disarm(armed)
            try:
                logging.getLogger("slsadapt").exception("the deadline guard failed")
            except (Exception, SystemExit):
                # The log itself is what fails; the next invocation needs its guard all the same.
                traceback.print_exc()


_guards: WeakSet[Guard] = WeakSet()


def _begin_all_anew() -> None:
    for guard in _guards:
        guard.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_anew)


class InvocationGuard(Guard):
    """Watches the invocations of one handler.

    Args:
        deadline: as ``wrap`` takes it.
        engine: runs the application.
    """

    def __init__(self, deadline: float | Deadline, engine: WsgiEngine | AsgiEngine) -> None:
        super().__init__()
        self._deadline = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
        self._engine = engine
        self._knows_limit = True

    def watch(self, timing: Timing, exchange: WsgiExchange | AsgiExchange | None = None) -> None:
        """Arm the alarm of an invocation, where somebody tells how long it may take."""
        context = timing.platform_context
        left_ms = remaining_ms(context)
        if left_ms is None:
            whole_ms = limit_ms(context)
            if whole_ms is None:
                if self._deadline.limit_s is None:
                    self._warn_once()
                    return
                whole_ms = self._deadline.limit_s * 1000
            # The application's start-up may have taken its part already.
            left_ms = max(0.0, whole_ms - timing.total_ms)
        before_s = self._deadline.before_s
        if left_ms < before_s * 2000:
            # A function that may take less than twice the margin has half of its time.
            timing.margin_s = before_s = left_ms / 2000
        if exchange is not None and exchange.expirable is not None:
            exchange.expirable(before_s / 2)
        # As arm() does: a call costs as much as the rest.
        self._armed[timing] = at = monotonic() + left_ms / 1000 - before_s
        if at < self._looks_at - _SOON_ENOUGH_S:
            self._look_at(at)

    def alarm_of(self, armed: Timing) -> Alarm:
        """Make the alarm of an invocation; nearly all of them end before they need one."""
        margin_s = armed.margin_s
        before_s = self._deadline.before_s if margin_s is None else margin_s
        return InvocationAlarm(armed, before_s, self._engine)

    def _warn_once(self) -> None:
        if self._knows_limit:
            self._knows_limit = False
            logging.getLogger("slsadapt").warning(
                "deadline: the platform tells no time limit; give it: Deadline(%g, limit_s=...)",
                self._deadline.before_s,
            )


class InvocationAlarm(Alarm):
    """Logs where everything is when an invocation's time runs out, and ends it if that can be done.

    Args:
        timing: the invocation's.
        before_s: how much time before the platform's limit it sounds.
        engine: runs the application.
    """

    def __init__(self, timing: Timing, before_s: float, engine: WsgiEngine | AsgiEngine) -> None:
        self.timing = timing
        self.before_s = before_s
        self.engine = engine
        self.expiry = None if timing.exchange is None else timing.exchange.expiry

    def postponed_to(self) -> float | None:
        """Ask the platform once more, whose clock may have stood still while ours went on."""
        left_ms = remaining_ms(self.timing.platform_context)
        # Platforms count in whole milliseconds.
        if left_ms is None or left_ms / 1000 - self.before_s < 0.002:
            return None
        return monotonic() + left_ms / 1000 - self.before_s

    def sound(self) -> None:
        """Log all stacks in the invocation's own context, then cancel the application."""
        context = (self.expiry and self.expiry.context) or self.timing.own
        try:
            if context is not None:
                # A copy, for whoever runs in it goes on there.
                context.copy().run(self._log)
        finally:
            if self.expiry is not None:
                self.expiry.expire()

    def _log(self) -> None:
        timing = self.timing
        phases = timing.phases()
        if timing.called_ns:
            phases["application"] = (perf_counter_ns() - timing.called_ns) / 1e6
        else:
            phases["initialize"] = (perf_counter_ns() - timing.decoded_ns) / 1e6
        times = ", ".join(f"{name} {took_ms:.1f} ms" for name, took_ms in phases.items())
        logger = logging.getLogger("slsadapt")
        if not logger.isEnabledFor(logging.ERROR):
            return
        message = "request %s: %s has %.2f s left after %.2f s; so far: %s"
        values = (
            timing.request_id or "-",
            f"{timing.method} {encode_path(timing.path)}" if timing.method else timing.dialect,
            self.before_s,
            timing.total_ms / 1000,
            times,
        )
        record = logger.makeRecord(
            logger.name,
            logging.ERROR,
            __file__,
            0,
            message,
            values,
            None,
            sinfo=describe_stacks(self.engine.loop),
        )
        logger.handle(record)
