"""HTTP clients through a gateway: httpx with and without await, and requests."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from slsadapt import NotCarriedError, OptionError, gateways, wrap
from slsadapt.testing import AsyncGatewayTransport, GatewayAdapter, GatewayTransport
from tests.testing.apps import OCTETS, echo, echo_asgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    # Sends one request: (method, URL, **arguments that httpx and requests share).
    Send = Callable[..., Any]

SHOP = "https://shop.example"


def by_httpx(target: Any, dialect: str = "aws_http", **options: Any) -> Send:
    transport = GatewayTransport(target, dialect, **options)
    return httpx.Client(transport=transport, base_url=SHOP, follow_redirects=True).request


def by_async_httpx(target: Any, dialect: str = "aws_http", **options: Any) -> Send:
    transport = AsyncGatewayTransport(target, dialect, **options)
    client = httpx.AsyncClient(transport=transport, base_url=SHOP, follow_redirects=True)

    def send(method: str, url: str, **request: Any) -> Any:
        return asyncio.run(client.request(method, url, **request))

    return send


def by_requests(target: Any, dialect: str = "aws_http", **options: Any) -> Send:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", GatewayAdapter(target, dialect, **options))
    session.mount("http://", GatewayAdapter(target, dialect, **options))

    def send(method: str, url: str, **request: Any) -> Any:
        return session.request(method, url if "://" in url else f"{SHOP}{url}", **request)

    return send


def delivery_of(response: Any) -> Any:
    if isinstance(response, httpx.Response):
        return response.extensions["delivery"]
    return response.raw.delivery


@pytest.fixture(params=[by_httpx, by_async_httpx, by_requests])
def by(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("name", gateways.NAMES)
def test_every_dialect_carries_a_request(by: Any, name: str) -> None:
    send = by(echo, name)
    arrived = send("POST", "/网/a b", params={"x": "价 格"}, json={"词": "网关"}).json()
    assert (arrived["method"], arrived["path"]) == ("POST", "/网/a b")
    assert arrived["server"] == ["shop.example", 443]
    assert arrived["query"].replace("%20", "+") == "x=%E4%BB%B7+%E6%A0%BC"
    assert json.loads(arrived["body"].encode("latin-1")) == {"词": "网关"}
    assert arrived["headers"]["content-type"] == "application/json"
    assert dict(send("GET", "/cookies").cookies) == {"sid": "1", "lang": "zh"}
    cookie = send("GET", "/").json()["headers"]["cookie"]
    assert sorted(cookie.split("; ")) == ["lang=zh", "sid=1"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method(by: Any, method: str) -> None:
    assert by(echo)(method, "/orders").json()["method"] == method


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        pytest.param("/a%2Fb?x=%20+&&y", "/a%2Fb", "x=%20+&&y", id="escapes stay"),
        pytest.param("/a;v=1/b:c@d", "/a;v=1/b:c@d", "", id="marks"),
        pytest.param("/", "/", "", id="root"),
        pytest.param(f"{SHOP}?x=1", "/", "x=1", id="no path"),
        pytest.param("/%FF", "/%FF", "", id="no UTF-8"),
    ],
)
def test_url_arrives_as_it_was_written(by: Any, url: str, path: str, query: str) -> None:
    event = delivery_of(by(echo, "aws_lattice")("GET", url)).event
    assert event["path"] == (f"{path}?{query}" if query else path)


@pytest.mark.parametrize(
    ("url", "scheme", "server", "host"),
    [
        pytest.param("http://shop.example/", "http", ["shop.example", 80], "shop.example", id="80"),
        pytest.param(
            "https://shop.example:8443/",
            *("https", ["shop.example", 8443], "shop.example:8443"),
            id="port",
        ),
        pytest.param(
            "https://[2001:db8::1]:8443/",
            *("https", ["2001:db8::1", 8443], "[2001:db8::1]:8443"),
            id="IPv6",
        ),
    ],
)
def test_server_is_that_of_the_url(
    by: Any, url: str, scheme: str, server: list[Any], host: str
) -> None:
    arrived = by(echo, "aws_rest")("GET", url).json()
    assert (arrived["scheme"], arrived["server"]) == (scheme, server)
    assert arrived["headers"]["host"] == host
    assert arrived["client"] == "127.0.0.1"


def test_host_may_be_named_by_a_header(by: Any) -> None:
    response = by(echo, "aws_rest")("GET", "/", headers={"Host": "other.example"})
    assert delivery_of(response).event["multiValueHeaders"]["Host"] == ["other.example"]
    assert response.json()["headers"]["host"] == "other.example"


def test_body_is_octets_both_ways(by: Any) -> None:
    send = by(echo)
    assert send("PUT", "/in", data=None, headers={}).json()["body"] == ""
    arrived = send("PUT", "/in", files={"file": ("a.bin", OCTETS)}).json()
    assert OCTETS in arrived["body"].encode("latin-1")
    assert arrived["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    form = send("POST", "/in", data={"a": ["1", "2"]}).json()
    assert form["body"] == "a=1&a=2"
    assert send("GET", "/octets").content == OCTETS


def test_redirect_is_followed_and_forms_are_sent_again(by: Any) -> None:
    send = by(echo)
    response = send("POST", "/redirect?code=307&to=/there&set=sid%3D1", data={"a": "1"})
    assert [each.status_code for each in response.history] == [307]
    arrived = response.json()
    assert (arrived["method"], arrived["path"], arrived["body"]) == ("POST", "/there", "a=1")
    assert arrived["headers"]["cookie"] == "sid=1"
    then = send("POST", "/redirect?code=303&to=there", data={"a": "1"})
    assert (then.json()["method"], then.json()["path"]) == ("GET", "/there")
    assert str(then.url) == f"{SHOP}/there"


def test_streamed_body_is_not_carried(by: Any) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    async def async_parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    request: dict[Any, Any] = {
        by_httpx: {"content": parts()},
        by_async_httpx: {"content": async_parts()},
        by_requests: {"data": parts()},
    }
    with pytest.raises(NotCarriedError, match="no gateway streams"):
        by(echo)("POST", "/", **request[by])


def test_response_is_read_as_a_clients(by: Any) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        fields = [
            ("Content-Type", "text/plain; charset=gbk"),
            ("Content-Encoding", "gzip"),
            ("X-Tag", "a"),
            ("X-Tag", "b"),
            ("X-Latin", "\xe9"),
        ]
        start_response("418 I'm a teapot", fields)
        return [gzip.compress("网关".encode("gbk"))]

    response = by(app, "aws_rest")("GET", "/")
    assert response.status_code == 418
    assert response.text == "网关"
    assert response.headers["x-tag"] == "a, b"
    assert response.headers["X-Latin"] == "\xe9"
    assert (response.reason_phrase if by is not by_requests else response.reason) == "I'm a teapot"


@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified"])
def test_length_of_a_body_that_is_not_sent(by: Any, status: str) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, [("Content-Length", "1234"), ("Content-Type", "text/plain")])
        return []

    response = by(app, "aws_rest")("HEAD", "/")
    assert response.status_code == int(status[:3])
    assert response.headers["Content-Length"] == "1234"
    assert response.content == b""


def test_delivery_is_beside_the_response(by: Any) -> None:
    response = by(echo, "tencent_apigw")("POST", "/orders", data={"sku": "7"})
    delivery = delivery_of(response)
    assert delivery.event["body"] == "sku=7"
    assert delivery.result["statusCode"] == 200
    assert delivery.context["function_name"]
    assert delivery.timing.application_ms > 0


@pytest.mark.parametrize("app", [echo, echo_asgi], ids=["wsgi", "asgi"])
def test_exception_is_answered_or_raised(by: Any, app: Any) -> None:
    assert by(app, lifespan="off")("GET", "/fail").status_code == 500
    send = by(app, lifespan="off", on_error="raise")
    with pytest.raises(RuntimeError, match="the database is gone"):
        send("GET", "/fail")


def test_functions_and_import_strings_are_targets(by: Any) -> None:
    for target in (wrap(echo), "tests.testing.apps:echo"):
        assert by(target)("GET", "/orders").json()["path"] == "/orders"
    answer = by(lambda event, context: {"statusCode": 201, "body": event["rawPath"]})
    assert answer("GET", "/orders").text == "/orders"


@pytest.mark.parametrize("kind", [GatewayTransport, AsyncGatewayTransport, GatewayAdapter])
def test_wrong_option_is_an_error(kind: Any) -> None:
    with pytest.raises(OptionError, match="got 'aws'"):
        kind(echo, "aws")
    with pytest.raises(TypeError, match="base_pth"):
        kind(echo, base_pth="/")


def living(steps: list[str]) -> Any:
    """Make an application that notes its start-up, requests and shutdown."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            steps.append("request")
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
            return
        for kind in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{kind}"
            steps.append(kind)
            await send({"type": f"lifespan.{kind}.complete"})

    return app


LIFE = ["startup", "request", "request", "shutdown"]


def test_closing_a_client_stops_the_application() -> None:
    steps: list[str] = []
    with httpx.Client(transport=GatewayTransport(living(steps)), base_url=SHOP) as client:
        assert client.get("/").status_code == 204
        assert client.get("/").status_code == 204
    assert steps == LIFE


def test_closing_an_async_client_stops_the_application() -> None:
    steps: list[str] = []

    async def main() -> None:
        transport = AsyncGatewayTransport(living(steps))
        async with httpx.AsyncClient(transport=transport, base_url=SHOP) as client:
            assert (await client.get("/")).status_code == 204
            assert (await client.get("/")).status_code == 204

    asyncio.run(main())
    assert steps == LIFE


def test_closing_a_session_stops_the_application() -> None:
    steps: list[str] = []
    with requests.Session() as session:
        session.mount(SHOP, GatewayAdapter(living(steps)))
        assert session.get(f"{SHOP}/").status_code == 204
        assert session.get(f"{SHOP}/").status_code == 204
    assert steps == LIFE


def test_loop_of_an_async_client_stays_free() -> None:
    async def main() -> list[Any]:
        turn = asyncio.Event()
        loop = asyncio.get_running_loop()

        def waiting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            # Only the client's own loop can let it go on.
            asyncio.run_coroutine_threadsafe(turn.wait(), loop).result(30)
            return echo(environ, start_response)

        transport = AsyncGatewayTransport(waiting)
        async with httpx.AsyncClient(transport=transport, base_url=SHOP) as client:
            calls = [asyncio.create_task(client.get(f"/{number}")) for number in range(50)]
            await asyncio.sleep(0)
            turn.set()
            return [response.json() for response in await asyncio.gather(*calls)]

    arrived = asyncio.run(main())
    assert [each["path"] for each in arrived] == [f"/{number}" for number in range(50)]


def test_async_transport_under_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> Any:
        transport = AsyncGatewayTransport(echo_asgi, lifespan="off")
        async with httpx.AsyncClient(transport=transport, base_url=SHOP) as client:
            return (await client.put("/a", content=b"abc")).json()

    arrived = trio.run(main)
    assert (arrived["path"], arrived["body"]) == ("/a", "abc")


def test_repeated_headers_of_httpx_stay_apart() -> None:
    headers = [("X-Tag", "a"), ("X-Tag", "b")]
    response = by_httpx(echo, "aws_rest")("GET", "/", headers=headers)
    assert delivery_of(response).event["multiValueHeaders"]["x-tag"] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(b"\x00\xff", b"\x00\xff", id="octets"),
        pytest.param("网", "网".encode(), id="text"),
        pytest.param(io.BytesIO(b"of a file"), b"of a file", id="file"),
        pytest.param(io.StringIO("文"), "文".encode(), id="file of text"),
        pytest.param([("a", "1"), ("a", "2")], b"a=1&a=2", id="form"),
        pytest.param(None, b"", id="none"),
    ],
)
def test_bodies_of_requests(data: Any, body: bytes) -> None:
    arrived = by_requests(echo)("POST", "/", data=data).json()
    assert arrived["body"].encode("latin-1") == body
    assert arrived["headers"]["content-length"] == str(len(body))


def test_session_of_requests_keeps_its_ways() -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.mount(SHOP, GatewayAdapter(echo, "aws_rest"))
        session.headers["X-Octets"] = b"1"
        session.auth = ("ann", "secret")
        response = session.get(f"{SHOP}/a", stream=True, timeout=3)
        arrived = json.loads(b"".join(response.iter_content(10)))
        assert arrived["headers"]["x-octets"] == "1"
        assert arrived["headers"]["authorization"] == "Basic YW5uOnNlY3JldA=="
        assert response.elapsed.total_seconds() >= 0
        missing = GatewayAdapter(lambda event, context: {"statusCode": 404})
        session.mount(f"{SHOP}/missing", missing)
        with pytest.raises(requests.HTTPError, match="404 Client Error: Not Found for url"):
            session.get(f"{SHOP}/missing").raise_for_status()
