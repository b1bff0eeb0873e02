"""What clients, applications and platforms may not smuggle past, over every dialect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import Request, Response, SlsadaptError, gateways, wrap
from slsadapt.percent import decode
from slsadapt.testing.strategies import GATEWAYS
from tests.gateways.corpus import through_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SECRET = "hunter2"  # of no encoding's making: found wherever it goes
KINDS = ("wsgi", "asgi")

every_dialect = pytest.mark.parametrize("dialect", gateways.NAMES)
both_kinds = pytest.mark.parametrize("kind", KINDS)

ENVIRONS = ("alibaba_fc2", "gcp")

# Headers that proxies write and that any client may write too.
SPOOFED = [
    (name, "192.0.2.66")
    for name in (
        "cf-connecting-ip",
        "client-ip",
        "fastly-client-ip",
        "remote-addr",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-forwarded-for",
        "x-original-forwarded-for",
        "x-real-ip",
        "x-remote-addr",
    )
] + [("forwarded", "for=192.0.2.66"), ("x-forwarded-for", "192.0.2.67, 192.0.2.68")]

_TENCENT = ("x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token")
_WHISK = ("x-require-whisk-auth",)
_ALIBABA = ("x-fc-access-key-id", "x-fc-access-key-secret", "x-fc-security-token")
# With these headers some platforms hand a function keys of its own, or have checked the caller's.
CREDENTIALS = {
    "tencent_apigw": _TENCENT,
    "tencent_function_url": _TENCENT,
    "tencent_cloudbase": _TENCENT,
    "alibaba_fc3": _ALIBABA,
    "alibaba_fc2": _ALIBABA,
    "alibaba_apigw": _ALIBABA,
    "huawei_apig": (
        "x-cff-auth-token",
        "x-cff-security-access-key",
        "x-cff-security-secret-key",
        "x-cff-security-token",
    ),
    "openwhisk": _WHISK,
    "digitalocean": _WHISK,
    "azure": ("x-functions-key",),
    "volcengine": (
        "x-faas-access-key-id",
        "x-faas-secret-access-key",
        "x-faas-session-token",
    ),
}


class Application:
    """An application of either kind that keeps what it is called with.

    Args:
        headers: of its answer.
    """

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = [("content-type", "text/plain"), *headers]
        self.called: dict[str, Any] = {}

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.called = environ
        start_response("200 OK", self.headers)
        return [b"served"]

    async def asgi(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.called = scope
        headers = [(name.encode(), value.encode()) for name, value in self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"served"})

    def header(self, name: str) -> str | None:
        """Give what it was called with of one header."""
        if "headers" in self.called:
            found = [value for each, value in self.called["headers"] if each == name.encode()]
            return b", ".join(found).decode() if found else None
        value: str | None = self.called.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value

    @property
    def client(self) -> str:
        if "headers" in self.called:
            return self.called["client"][0] if self.called["client"] else ""
        return str(self.called["REMOTE_ADDR"])

    @property
    def mount(self) -> tuple[str, str]:
        """Give where the application is mounted, and the path below."""
        if "headers" in self.called:
            root_path = self.called["root_path"]
            return root_path, self.called["path"].removeprefix(root_path)
        return self.called["SCRIPT_NAME"], self.called["PATH_INFO"]


def request_to(dialect: str, **fields: Any) -> Request:
    host, stage, root_path = GATEWAYS[dialect].mounts[0]
    request = Request(
        "GET", "/", server=(host, 443), stage=stage, root_path=root_path, client=("203.0.113.9", 0)
    )
    return request.replace(**fields)


def event_of(dialect: str, request: Request) -> Any:
    return through_json(dialect, gateways.load(dialect).encode_event(request))


def called(handler: Any, event: Any) -> Any:
    """Call as the platforms do, of which one passes ``start_response`` as the context."""
    answer: dict[str, Any] = {}
    result = handler(
        event, lambda status, headers: answer.update(status=status[:3], headers=headers)
    )
    return answer | {"body": b"".join(result)} if answer else result


def served(kind: str, dialect: str, app: Application, request: Request, **options: Any) -> Response:
    """Serve a request through its event, and read the response from the result."""
    handler = wrap(getattr(app, kind), gateway=dialect, interface=kind, **options)  # type: ignore[arg-type]
    result = called(handler, event_of(dialect, request))
    return gateways.load(dialect).decode_result(through_json(dialect, result))


@every_dialect
@both_kinds
@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\n\r\n<script>"], ids=repr)
@pytest.mark.parametrize("place", ["name", "value"])
def test_response_is_not_split(dialect: str, kind: str, character: str, place: str) -> None:
    name, value = f"x-tag{character}", f"a{character}set-cookie: evil=1"
    app = Application((name, "a") if place == "name" else ("x-tag", value))
    response = served(kind, dialect, app, request_to(dialect))
    assert response.status == 500
    assert not [pair for pair in response.headers if "evil" in "".join(pair) or "x-tag" in pair[0]]
    assert {"\r", "\n", "\0"}.isdisjoint("".join([n + v for n, v in response.headers]))


@every_dialect
@both_kinds
def test_proxy_header_does_not_arrive(dialect: str, kind: str) -> None:
    app = Application()
    headers = [("proxy", "http://evil.example"), ("x-tag", "kept")]
    assert served(kind, dialect, app, request_to(dialect, headers=headers)).status == 200
    assert app.header("proxy") is None
    assert app.header("x-tag") == "kept"


# But where the event is an environ: a server before us has made one of X_User and X-User.
@pytest.mark.parametrize("dialect", [name for name in gateways.NAMES if name not in ENVIRONS])
@both_kinds
@pytest.mark.parametrize("name", ["x_user", "x-us_er", "_"])
def test_header_with_an_underscore_does_not_pass_for_another(
    dialect: str, kind: str, name: str
) -> None:
    app = Application()
    request = request_to(dialect, headers=[(name, "evil"), ("x-tag", "kept")])
    assert served(kind, dialect, app, request).status == 200
    assert app.header("x-tag") == "kept"
    headers = app.called.get("headers") or [
        (key, value) for key, value in app.called.items() if key.startswith("HTTP_")
    ]
    assert "evil" not in repr(headers)


@every_dialect
@both_kinds
def test_client_is_who_the_gateway_says(dialect: str, kind: str) -> None:
    app = Application()
    assert served(kind, dialect, app, request_to(dialect, headers=SPOOFED)).status == 200
    told = "client" not in gateways.load(dialect).LOSES
    assert app.client == ("203.0.113.9" if told else "")


@pytest.mark.parametrize(
    "dialect", [name for name in gateways.NAMES if "x-forwarded-for" in GATEWAYS[name].adds]
)
@both_kinds
def test_client_is_the_last_hop(dialect: str, kind: str) -> None:
    app = Application()
    # These gateways write the client's address behind what the client wrote there itself.
    hops = ("192.0.2.66, 10.0.0.1, 203.0.113.9", 0)
    assert served(kind, dialect, app, request_to(dialect, client=hops)).status == 200
    assert app.client == "203.0.113.9"


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(dialect, name) for dialect in CREDENTIALS for name in CREDENTIALS[dialect]],
)
@both_kinds
@pytest.mark.parametrize("spell", [str.lower, str.title])
def test_platform_credentials_do_not_arrive(
    dialect: str, name: str, kind: str, spell: Callable[[str], str]
) -> None:
    app = Application()
    event = event_of(dialect, request_to(dialect, headers=[("x-tag", "kept"), (name, SECRET)]))
    respell(event, name, spell(name))
    handler = wrap(getattr(app, kind), gateway=dialect, interface=kind)  # type: ignore[arg-type]
    called(handler, event)
    assert app.header("x-tag") == "kept"
    assert app.header(name) is None


def respell(holder: Any, name: str, spelled: str) -> None:
    """Spell a header otherwise, wherever an event of JSON has it."""
    if isinstance(holder, dict):
        for key, value in [*holder.items()]:
            respell(value, name, spelled)
            if key.lower() == name:
                holder[spelled] = holder.pop(key)


@every_dialect
@both_kinds
@pytest.mark.parametrize(
    ("path", "mount"),
    [
        pytest.param("/shop/cart", ("/shop", "/cart"), id="below"),
        pytest.param("/shop", ("/shop", "/"), id="the base itself"),
        pytest.param("/shop/", ("/shop", "/"), id="with a slash"),
        pytest.param("/shopping/cart", ("", "/shopping/cart"), id="longer segment"),
        pytest.param("/shop%2Fcart", ("", "/shop%2Fcart"), id="escaped slash"),
        pytest.param("/Shop/cart", ("", "/Shop/cart"), id="other case"),
        pytest.param("/a/shop", ("", "/a/shop"), id="not in front"),
    ],
)
def test_base_path_ends_at_a_segment(
    dialect: str, kind: str, path: str, mount: tuple[str, str]
) -> None:
    losses = gateways.load(dialect).LOSES
    if "path_escapes" in losses and "%" in path:
        # Before it comes to us, the gateway has made a segment's end of it.
        mount = ("/shop", "/cart")
    app = Application()
    request = request_to(dialect, path=path)
    assert served(kind, dialect, app, request, base_path="/shop").status == 200
    root, below = app.mount
    root = root.removeprefix(request.root_path)
    if mount[0]:
        assert (root, below) == mount
    else:
        # Where no base path is found, the gateway has taken it off already.
        assert below == decode(mount[1]).decode()


def breakages(event: Any) -> Iterator[Any]:
    """Break each field of an event in turn, the secret still in it or in its place."""
    holders = [event]
    while holders:
        holder = holders.pop()
        for key in [*holder] if isinstance(holder, dict) else range(len(holder)):
            value = holder[key]
            if isinstance(value, (dict, list)):
                holders.append(value)
            for junk in ([value, SECRET], {SECRET[:3]: value, "k": SECRET}, SECRET, None, 5):
                holder[key] = junk
                yield event
            holder[key] = value


@every_dialect
@both_kinds
def test_neither_errors_nor_logs_hold_values(
    dialect: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handler = wrap(getattr(Application(), kind), gateway=dialect, interface=kind)  # type: ignore[arg-type]
    headers = [("authorization", SECRET), ("cookie", f"a={SECRET}"), ("content-type", "text/plain")]
    event = event_of(
        dialect,
        request_to(
            dialect, method="POST", query=f"token={SECRET}", headers=headers, body=SECRET.encode()
        ),
    )
    refused = 0
    for broken in breakages(event) if isinstance(event, dict) else [event, {}, SECRET]:
        try:
            response = gateways.load(dialect).decode_result(called(handler, broken))
        except SlsadaptError as error:
            told = str(error)
            refused += 1
        else:
            told = response.body.decode()
            refused += response.status != 200
            assert response.status in (200, 400, 413)
        assert SECRET not in told
    assert refused
    assert SECRET not in caplog.text


@every_dialect
@both_kinds
def test_failure_is_told_without_values(
    dialect: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = Application(("x-tag", f"{SECRET}\r\n"))
    headers = [("authorization", SECRET), ("cookie", f"a={SECRET}")]
    request = request_to(
        dialect, method="POST", query=f"token={SECRET}", headers=headers, body=SECRET.encode()
    )
    response = served(kind, dialect, app, request)
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "CR, LF or NUL" in caplog.text
    assert SECRET not in caplog.text


def test_unknown_event_is_told_without_values() -> None:
    handler = wrap(Application().wsgi)
    with pytest.raises(SlsadaptError) as caught:
        handler({"headers": {"authorization": SECRET}, "body": SECRET, "unknown": [SECRET]})
    assert SECRET not in str(caught.value)
    with pytest.raises(SlsadaptError) as caught:
        handler(f'{{"body": "{SECRET}", ')
    assert SECRET not in str(caught.value)
