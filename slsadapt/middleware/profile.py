"""Profile one request that asks for it with a signed token.

A token is ``<expiry>.<signature>``: seconds since 1970, and an HMAC-SHA256 (RFC 2104) in
hexadecimal over expiry, method and path.
"""

from __future__ import annotations

import hmac
import threading
import time

from ..errors import OptionError
from ..message import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["HEADER", "PARAMETER", "ProfileSwitch", "sign_profile"]

HEADER = "X-Profile"
PARAMETER = "__profile"
_LONGEST_S = 24 * 3600


def sign_profile(
    key: str, method: str, path: str, valid_s: int = 300, *, now: Callable[[], float] = time.time
) -> str:
    """Make the token that profiles one request.

    Args:
        key: the secret, the function's ``SLSADAPT_PROFILE_KEY``.
        method: of the request, ``"GET"``.
        path: of the request as the application sees it, below its mount and percent-decoded.
        valid_s: seconds from now on that it holds, at most a day.
        now: gives seconds since 1970.

    Raises:
        OptionError: no key, or a time that is too long.
    """
    if not key:
        raise OptionError("the key is empty; set SLSADAPT_PROFILE_KEY")
    if not 0 < valid_s <= _LONGEST_S:
        raise OptionError(f"valid_s must be from 1 to {_LONGEST_S}, a day; got {valid_s}")
    expiry = str(int(now()) + valid_s)
    return f"{expiry}.{_signature(key, expiry, method, path)}"


class ProfileSwitch:
    """What ``wrap(app, profile="pyinstrument")`` watches for.

    Args:
        profiler: ``"pyinstrument"``.
        key: what tokens are signed with.
        now: gives seconds since 1970.

    Raises:
        OptionError: another profiler, no key, or pyinstrument is not installed.
    """

    def __init__(
        self, profiler: str, key: str | None, now: Callable[[], float] = time.time
    ) -> None:
        if profiler != "pyinstrument":
            raise OptionError(f"profile must be 'pyinstrument' or None, got {profiler!r}")
        if not key:
            raise OptionError("profile needs a key to sign tokens with; set SLSADAPT_PROFILE_KEY")
        from importlib.util import find_spec

        if find_spec("pyinstrument") is None:
            raise OptionError("pyinstrument is missing; pip install 'slsadapt[profile]'")
        self._key = key
        self._now = now
        # pyinstrument profiles one thread's work at a time.
        self._running = threading.Lock()

    def wants(self, environ: dict[str, Any], method: str, path: str) -> bool:
        """Take the token out of environ or scope, and tell whether it is a right one."""
        token = _taken(environ)
        if token is None:
            return False
        if self._is_right(token, method, path):
            return True
        import logging

        logging.getLogger("slsadapt").warning("a token to profile a request is wrong or expired")
        return False

    def run(self, serve: Callable[[], Response], environ: dict[str, Any]) -> Response:
        """Run ``serve`` under the profiler, and answer with the report rather than its response.

        HTML for clients that accept it, else text. A second request meanwhile is served as usual.
        """
        if not self._running.acquire(blocking=False):
            return serve()
        try:
            from pyinstrument import Profiler

            accepts_html = "text/html" in _accepted(environ)
            # The loop runs in this very thread, so what awaits is told from what works by that.
            with Profiler(async_mode="disabled") as profiler:
                serve()
            report = profiler.output_html() if accepts_html else profiler.output_text()
        finally:
            self._running.release()
        kind = "html" if accepts_html else "plain"
        headers = [
            ("Content-Type", f"text/{kind}; charset=utf-8"),
            ("Cache-Control", "no-store"),
        ]
        return Response(200, headers, report.encode())

    def _is_right(self, token: str, method: str, path: str) -> bool:
        expiry, _, signature = token.partition(".")
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) < 12):
            return False
        expected = _signature(self._key, expiry, method, path)
        return (
            hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())
            and 0 <= int(expiry) - self._now() <= _LONGEST_S
        )


def _signature(key: str, expiry: str, method: str, path: str) -> str:
    message = "\n".join((expiry, method.upper(), path))
    return hmac.new(key.encode(), message.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _taken(environ: dict[str, Any]) -> str | None:
    """Remove header and parameter, so that the application sees neither; give the token."""
    token: str | None
    if "wsgi.version" in environ:
        token = environ.pop(f"HTTP_{HEADER.upper().replace('-', '_')}", None)
        query, taken = _without_parameter(environ["QUERY_STRING"])
        environ["QUERY_STRING"] = query
        return token or taken
    name = HEADER.lower().encode()
    token = next(
        (value.decode("latin-1") for key, value in environ["headers"] if key == name), None
    )
    environ["headers"] = [pair for pair in environ["headers"] if pair[0] != name]
    query, taken = _without_parameter(environ["query_string"].decode("latin-1"))
    environ["query_string"] = query.encode("latin-1")
    return token or taken


def _without_parameter(query: str) -> tuple[str, str | None]:
    if PARAMETER not in query:
        return query, None
    pieces = query.split("&")
    mark = f"{PARAMETER}="
    token = next((each[len(mark) :] for each in pieces if each.startswith(mark)), None)
    return "&".join(each for each in pieces if not each.startswith(mark)), token


def _accepted(environ: dict[str, Any]) -> str:
    if "wsgi.version" in environ:
        return str(environ.get("HTTP_ACCEPT", ""))
    return ",".join(
        value.decode("latin-1") for name, value in environ["headers"] if name == b"accept"
    )
