"""Replay gateway events in tests, and run any test suite through any gateway.

>>> from slsadapt.testing import GatewayClient
>>> client = GatewayClient(app, "tencent_apigw")
>>> client.get("/orders", params={"page": 2}).json()
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import contexts, strategies
    from .client import GatewayClient, GatewayResponse
    from .gateway import Delivery, Gateway
    from .recorder import Recorder, record
    from .requests_adapter import GatewayAdapter
    from .roundtrip import through
    from .transports import AsyncGatewayTransport, GatewayTransport

__all__ = [
    "AsyncGatewayTransport",
    "Delivery",
    "Gateway",
    "GatewayAdapter",
    "GatewayClient",
    "GatewayResponse",
    "GatewayTransport",
    "Recorder",
    "contexts",
    "record",
    "strategies",
    "through",
]

_ROOMS = {
    "AsyncGatewayTransport": "transports",
    "Delivery": "gateway",
    "Gateway": "gateway",
    "GatewayAdapter": "requests_adapter",
    "GatewayClient": "client",
    "GatewayResponse": "client",
    "GatewayTransport": "transports",
    "Recorder": "recorder",
    "record": "recorder",
    "through": "roundtrip",
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _ROOMS.get(name, name)
    try:
        value: object = __import__(f"{__name__}.{module}", fromlist=[name])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("slsadapt"):
            raise
        raise ImportError(
            f"slsadapt.testing.{name} needs {error.name}: pip install {error.name}", name=error.name
        ) from None
    if name in _ROOMS:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
