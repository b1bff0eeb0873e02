"""How DigitalOcean Functions behaves around a function; it is an OpenWhisk.

- limits: 256 MB for a new function, 15 minutes:
  https://docs.digitalocean.com/products/functions/details/limits; 3 s are what ``doctl`` gives one.
- errors, and headers of responses: see ``openwhisk``, which the platform runs
- request headers, the host among them, as captured:
  https://docs.digitalocean.com/products/functions/reference/http-headers/
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import Cloud, openwhisk
from ._answers import with_headers

if TYPE_CHECKING:
    from ...message import Request
    from . import Arrival

__all__ = ["CLOUDS"]


def _receive(request: Request, arrival: Arrival) -> Request:
    return with_headers(request, {"accept-encoding": "gzip", "host": "ccontroller"})


CLOUDS: dict[str, Cloud] = {
    "digitalocean": replace(
        openwhisk.CLOUDS["openwhisk"],
        dialect="digitalocean",
        platform="DigitalOcean Functions",
        timeout_s=3.0,
        timeout_limit_s=900.0,
        receive=_receive,
    )
}
