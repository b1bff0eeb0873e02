"""GatewayClient: what a call sends, what it gives back, and what it keeps for the next."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from werkzeug.test import ClientRedirectError

from slsadapt import BadEventError, InterfaceError, NotCarriedError, OptionError, gateways, wrap
from slsadapt.testing import GatewayClient
from tests.conftest import EVENTS, load_case
from tests.testing.apps import OCTETS, echo, echo_asgi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Order(BaseModel):
    sku: int


HTTP = "aws_http/rule_get_no_optional_keys"


def sent(client: GatewayClient, method: str = "GET", url: str = "/", **request: Any) -> Any:
    """Send a request and give what arrived of it."""
    answer = client.request(method, url, **request)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def client() -> GatewayClient:
    return GatewayClient(echo)


@pytest.fixture
def event_loop() -> Iterator[None]:
    """Set the loop that Mangum takes as the thread's, where newer Pythons make none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


# What a call sends.


@pytest.mark.parametrize("name", ["get", "post", "put", "patch", "delete", "options"])
def test_each_method_sends_its_own(client: GatewayClient, name: str) -> None:
    answer = getattr(client, name)("/orders", params={"page": 2}, headers={"X-Shop": "1"})
    assert answer.json()["method"] == name.upper()
    assert answer.json()["path"] == "/orders"
    assert answer.json()["query"] == "page=2"
    assert answer.json()["headers"]["x-shop"] == "1"


def test_head_gets_headers_alone(client: GatewayClient) -> None:
    answer = client.head("/orders")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == b""
    assert answer.event["requestContext"]["http"]["method"] == "HEAD"


def test_method_may_be_any_and_in_small_letters(client: GatewayClient) -> None:
    assert sent(client, "report")["method"] == "REPORT"


@pytest.mark.parametrize(
    ("url", "params", "query"),
    [
        pytest.param("/", {"a": 1, "b": "x y"}, "a=1&b=x+y", id="mapping"),
        pytest.param("/", {"a": [1, 2], "b": ()}, "a=1&a=2", id="list repeats its key"),
        pytest.param("/", [("a", "1"), ("b", "2"), ("a", "3")], "a=1&b=2&a=3", id="pairs"),
        pytest.param("/", "a=%20&b=+&c", "a=%20&b=+&c", id="text goes as it is"),
        pytest.param("/", {"词": "网关&="}, "%E8%AF%8D=%E7%BD%91%E5%85%B3%26%3D", id="escaped"),
        pytest.param("/?z=1", {"a": 1}, "z=1&a=1", id="added to the URL's"),
        pytest.param("/?z=1", "a=1", "z=1&a=1", id="text added to the URL's"),
        pytest.param("/?z=%20+;", None, "z=%20+;", id="of the URL alone"),
        pytest.param("/?词=x y", None, "%E8%AF%8D=x%20y", id="of the URL, to be escaped"),
        pytest.param("/", {}, "", id="none"),
        pytest.param("/#part", None, "", id="fragments stay with the client"),
    ],
)
def test_params_make_the_query(client: GatewayClient, url: str, params: Any, query: str) -> None:
    assert sent(client, url=url, params=params)["query"] == query


@pytest.mark.parametrize(
    ("url", "path", "whole"),
    [
        pytest.param("/a/b", "/a/b", "https://localhost/a/b", id="path"),
        pytest.param("a/b", "/a/b", "https://localhost/a/b", id="path without slash"),
        pytest.param("", "/", "https://localhost/", id="nothing"),
        pytest.param("?x=1", "/", "https://localhost/?x=1", id="query alone"),
        pytest.param("//a/b", "//a/b", "https://localhost//a/b", id="two slashes are no host"),
        pytest.param("/a;v=1/b:c@d", "/a;v=1/b:c@d", "https://localhost/a;v=1/b:c@d", id="marks"),
        pytest.param(
            "/网 关", "/网 关", "https://localhost/%E7%BD%91%20%E5%85%B3", id="to be escaped"
        ),
        pytest.param(
            "/a%2Fb%3Fc%25", "/a/b?c%", "https://localhost/a%2Fb%3Fc%25", id="escapes stay"
        ),
        pytest.param("/%FF", "/\ufffd", "https://localhost/%FF", id="no UTF-8"),
    ],
)
def test_path_of_a_url(url: str, path: str, whole: str) -> None:
    # Of the dialects, one that carries paths as they are.
    answer = GatewayClient(echo, "huawei_apig").get(url)
    assert answer.json()["path"] == path
    assert answer.url == whole


@pytest.mark.parametrize(
    ("base_url", "url", "scheme", "server", "root_path", "path", "whole"),
    [
        pytest.param(
            "http://shop.example:8080",
            "/a",
            *("http", ["shop.example", 8080], "", "/a", "http://shop.example:8080/a"),
            id="port",
        ),
        pytest.param(
            "https://[2001:db8::1]:8443",
            "/a",
            *("https", ["2001:db8::1", 8443], "", "/a", "https://[2001:db8::1]:8443/a"),
            id="IPv6",
        ),
        pytest.param(
            "https://shop.example/v1/",
            "/a",
            *("https", ["shop.example", 443], "/v1", "/a", "https://shop.example/v1/a"),
            id="path in front",
        ),
        pytest.param(
            "https://shop.example/v1",
            "http://other.example:81/a?b=1#c",
            *("http", ["other.example", 81], "", "/a", "http://other.example:81/a?b=1"),
            id="whole URL",
        ),
        pytest.param(
            "https://localhost",
            "https://other.example",
            *("https", ["other.example", 443], "", "/", "https://other.example/"),
            id="whole URL without path",
        ),
    ],
)
def test_base_url_says_where_requests_go(
    base_url: str, url: str, scheme: str, server: list[Any], root_path: str, path: str, whole: str
) -> None:
    # Of the dialects, one whose events tell all of this.
    answer = GatewayClient(echo, "aws_rest", base_url=base_url).get(url)
    arrived = answer.json()
    assert (arrived["scheme"], arrived["server"]) == (scheme, server)
    assert (arrived["root_path"], arrived["path"]) == (root_path, path)
    assert answer.url == whole


@pytest.mark.parametrize("base_url", ["localhost", "ftp://shop", "", "/v1"])
def test_base_url_must_be_http(base_url: str) -> None:
    with pytest.raises(OptionError, match="base_url begins with https:// or http://"):
        GatewayClient(echo, base_url=base_url)


def test_own_headers_are_sent_with_every_request() -> None:
    client = GatewayClient(echo, headers={"Authorization": "Bearer t", "accept": "text/html"})
    for _ in range(2):
        headers = sent(client)["headers"]
        assert headers["authorization"] == "Bearer t"
        assert headers["accept"] == "text/html"
        assert headers["user-agent"].startswith("slsadapt/")


def test_header_of_a_call_takes_the_place_of_the_clients_own_once() -> None:
    client = GatewayClient(echo, headers=[("X-Lang", "zh"), ("X-Shop", "1")])
    headers = sent(client, headers={"x-lang": "en", "USER-AGENT": "curl/8"})["headers"]
    assert (headers["x-lang"], headers["x-shop"], headers["user-agent"]) == ("en", "1", "curl/8")
    assert sent(client)["headers"]["x-lang"] == "zh"


@pytest.mark.parametrize("own", [True, False], ids=["the client's own", "of a call"])
def test_repeated_headers_stay_apart(own: bool) -> None:
    pairs = [("X-Tag", "a"), ("Accept", "text/html"), ("X-Tag", "b")]
    client = GatewayClient(echo, "aws_rest", headers=pairs if own else ())
    answer = client.get("/", headers=() if own else pairs)
    assert answer.event["multiValueHeaders"]["x-tag"] == ["a", "b"]
    assert answer.event["multiValueHeaders"]["accept"] == ["text/html"]
    assert answer.json()["headers"]["x-tag"] in ("a, b", "a,b")


def test_header_with_an_underscore_is_sent_but_reaches_no_application() -> None:
    answer = GatewayClient(echo, "aws_rest").get("/", headers={"X_Real_IP": "10.0.0.1"})
    assert answer.event["multiValueHeaders"]["x_real_ip"] == ["10.0.0.1"]
    assert "x-real-ip" not in answer.json()["headers"]


def test_host_header_names_another_host(client: GatewayClient) -> None:
    answer = client.get("/", headers={"Host": "shop.example"})
    assert answer.json()["server"] == ["shop.example", 443]
    assert answer.url == "https://shop.example/"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb"])
def test_header_cannot_end_its_line(client: GatewayClient, value: str) -> None:
    with pytest.raises(ValueError, match="newline"):
        client.get("/", headers={"X-Shop": value})


def test_client_address_and_user_come_from_the_gateway() -> None:
    client = GatewayClient(echo, "aws_rest", client_address="203.0.113.9", user="ann")
    arrived = sent(client, headers={"X-Forwarded-For": "192.0.2.1"})
    assert (arrived["client"], arrived["user"]) == ("203.0.113.9", "ann")
    assert sent(GatewayClient(echo, "aws_rest"))["user"] is None


def test_stage_is_the_gateways() -> None:
    client = GatewayClient(echo, "tencent_apigw", stage="release")
    assert client.get("/").event["requestContext"]["stage"] == "release"
    base_url = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
    aws = GatewayClient(echo, "aws_rest", stage="prod", base_url=base_url)
    answer = aws.get("/orders")
    assert answer.event["requestContext"]["stage"] == "prod"
    assert (answer.json()["root_path"], answer.json()["path"]) == ("/prod", "/orders")
    assert answer.url == f"{base_url}/orders"


# Bodies.


@pytest.mark.parametrize(
    ("request_", "body", "content_type"),
    [
        pytest.param({"data": b"\x00\xff"}, b"\x00\xff", None, id="octets"),
        pytest.param({"data": "网关"}, "网关".encode(), None, id="text"),
        pytest.param(
            {"data": "a,b", "headers": {"content-type": "text/csv"}},
            *(b"a,b", "text/csv"),
            id="text of a type",
        ),
        pytest.param(
            {"data": {"a": ["1", "2"], "b": 3, "词": b"x y"}},
            *(b"a=1&a=2&b=3&%E8%AF%8D=x+y", "application/x-www-form-urlencoded"),
            id="form",
        ),
        pytest.param(
            {"data": [("a", "1"), ("b", "2"), ("a", "3")]},
            *(b"a=1&a=3&b=2", "application/x-www-form-urlencoded"),
            id="form of pairs",
        ),
        pytest.param(
            {"json": {"词": [1, None]}},
            *('{"词": [1, null]}'.encode(), "application/json"),
            id="JSON, not escaped",
        ),
        pytest.param({"json": 0}, b"0", "application/json", id="JSON that is false"),
        pytest.param({"json": []}, b"[]", "application/json", id="JSON that is empty"),
        pytest.param(
            {"json": {}, "headers": {"Content-Type": "application/vnd.api+json"}},
            *(b"{}", "application/vnd.api+json"),
            id="JSON of another type",
        ),
        pytest.param({}, b"", None, id="none"),
        pytest.param({"data": {}}, b"", None, id="empty form"),
    ],
)
def test_body_of_a_request(
    client: GatewayClient, request_: dict[str, Any], body: bytes, content_type: str | None
) -> None:
    arrived = sent(client, "POST", **request_)
    assert arrived["body"].encode("latin-1") == body
    assert arrived["headers"].get("content-type") == content_type
    assert arrived["headers"].get("content-length", "0") == str(len(body))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"data": "x", "json": 1}, id="data and JSON"),
        pytest.param({"data": {}, "json": 1}, id="empty form and JSON"),
        pytest.param({"files": {"f": b""}, "json": 1}, id="files and JSON"),
        pytest.param({"files": {"f": b""}, "data": b"x"}, id="files and octets"),
        pytest.param({"files": {"f": b""}, "data": "x"}, id="files and text"),
    ],
)
def test_request_has_one_body(client: GatewayClient, request_: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="a request has one body"):
        client.post("/", **request_)


def uploads(dialect: str = "aws_http") -> GatewayClient:
    """Give a client of an application that tells which files and fields came."""
    from flask import Flask, request

    app = Flask(__name__)

    @app.post("/")
    def upload() -> dict[str, Any]:
        return {
            "files": [
                [name, file.filename, file.mimetype, file.read().decode("latin-1")]
                for name, file in request.files.items(multi=True)
            ],
            "form": request.form.to_dict(flat=False),
        }

    return GatewayClient(app, dialect)


def test_files_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "报告.txt"
    path.write_bytes(b"of a file")
    with path.open("rb") as file:
        answer = uploads().post(
            "/",
            files={
                "octets": b"\x00\xff",
                "text": "网",
                "open": file,
                "named": ("logo.png", b"png"),
                "typed": ("data", io.BytesIO(b"stream"), "application/x-shop"),
            },
        )
    assert answer.json()["files"] == [
        ["octets", "octets", "application/octet-stream", "\x00\xff"],
        ["text", "text", "application/octet-stream", "网".encode().decode("latin-1")],
        ["open", "报告.txt", "text/plain", "of a file"],
        ["named", "logo.png", "image/png", "png"],
        ["typed", "data", "application/x-shop", "stream"],
    ]
    assert answer.json()["form"] == {}


def test_several_files_of_one_name_beside_fields() -> None:
    files = [("page", ("1.txt", b"one")), ("page", ("2.txt", b"two"))]
    answer = uploads().post("/", files=files, data={"title": "书", "tag": ["a", "b"]})
    assert [file[1:] for file in answer.json()["files"]] == [
        ["1.txt", "text/plain", "one"],
        ["2.txt", "text/plain", "two"],
    ]
    assert answer.json()["form"] == {"title": ["书"], "tag": ["a", "b"]}


# Cookies.


def test_cookies_that_answers_set_are_sent_again_until_they_are_taken_back(
    client: GatewayClient,
) -> None:
    first = client.get("/?set=sid%3D1;+Path%3D/;+HttpOnly&set=lang%3Dzh;+Path%3D/")
    assert first.cookies == {"sid": "1", "lang": "zh"}
    assert "cookie" not in first.json()["headers"]
    assert sent(client, url="/?set=sid%3D2;+Path%3D/")["headers"]["cookie"] == "sid=1; lang=zh"
    assert client.get_cookie("sid") == "2"
    taken = client.get("/?set=lang%3D;+Path%3D/;+Max-Age%3D0")
    assert taken.json()["headers"]["cookie"] == "sid=2; lang=zh"
    assert client.get_cookie("lang") is None
    assert sent(client)["headers"]["cookie"] == "sid=2"


def test_cookies_of_one_client_are_not_anothers(client: GatewayClient) -> None:
    client.get("/?set=sid%3D1")
    assert "cookie" not in sent(GatewayClient(echo))["headers"]


def test_cookie_of_a_call_is_sent_once_in_the_place_of_one_kept(client: GatewayClient) -> None:
    client.get("/?set=sid%3D1&set=lang%3Dzh")
    cookie = sent(client, cookies={"sid": "9", "new": "a b"})["headers"]["cookie"]
    assert cookie == 'lang=zh; sid=9; new="a b"'
    assert sent(client)["headers"]["cookie"] == "sid=1; lang=zh"


def test_cookie_header_goes_as_it_is_beside_the_cookies_kept(client: GatewayClient) -> None:
    client.get("/?set=sid%3D1&set=lang%3Dzh")
    headers = {"Cookie": 'sid="%20=";odd; =x'}
    assert sent(client, headers=headers)["headers"]["cookie"] == 'lang=zh; sid="%20="; odd; =x'


def test_cookies_can_be_set_and_deleted(client: GatewayClient) -> None:
    client.set_cookie("sid", "a;b 网")
    assert client.get_cookie("sid") == "a;b 网"
    assert sent(client)["headers"]["cookie"] == r'sid="a\073b \347\275\221"'
    client.delete_cookie("sid")
    assert client.get_cookie("sid") is None
    assert "cookie" not in sent(client)["headers"]
    client.delete_cookie("sid")


def test_cookies_keep_to_their_path_and_host() -> None:
    client = GatewayClient(echo, base_url="https://shop.example")
    client.set_cookie("admin", "1", path="/admin")
    client.get("/?set=all%3D1;+Domain%3Dshop.example;+Path%3D/&set=own%3D1;+Path%3D/")
    assert sent(client, url="/admin/users")["headers"]["cookie"] == "admin=1; all=1; own=1"
    assert sent(client, url="/administrator")["headers"]["cookie"] == "all=1; own=1"
    below = sent(client, url="https://cdn.shop.example/")
    assert below["headers"]["cookie"] == "all=1"
    assert "cookie" not in sent(client, url="https://notshop.example/")["headers"]
    assert client.get_cookie("admin") is None
    assert client.get_cookie("admin", path="/admin") == "1"
    assert client.get_cookie("own", domain="shop.example") == "1"


def test_answer_tells_the_last_value_of_a_cookie_set_twice(client: GatewayClient) -> None:
    answer = client.get("/?set=sid%3Dold&set=sid%3Dnew&set=empty%3D")
    assert answer.cookies == {"sid": "new", "empty": ""}
    assert answer.headers.getlist("set-cookie") == ["sid=old", "sid=new", "empty="]


# Redirects.


@pytest.mark.parametrize(
    ("code", "method", "then", "keeps"),
    [
        pytest.param(301, "POST", "GET", False, id="301"),
        pytest.param(302, "POST", "GET", False, id="302"),
        pytest.param(303, "PUT", "GET", False, id="303"),
        pytest.param(302, "HEAD", "HEAD", False, id="302 of HEAD"),
        pytest.param(307, "POST", "POST", True, id="307"),
        pytest.param(308, "PUT", "PUT", True, id="308"),
    ],
)
def test_redirects_are_followed_as_browsers_do(
    code: int, method: str, then: str, keeps: bool
) -> None:
    client = GatewayClient(echo, "aws_rest", client_address="203.0.113.9", user="ann")
    answer = client.request(
        method,
        f"/redirect?code={code}&to=/there?x=1&set=sid%3D1",
        headers=[("X-Tag", "a"), ("X-Tag", "b")],
        cookies={"once": "1"},
        data={"sku": "7"} if method != "HEAD" else None,
        follow_redirects=True,
    )
    assert [each.status_code for each in answer.history] == [code]
    assert answer.history[0].headers["Location"] == "/there?x=1"
    assert answer.url == "https://localhost/there?x=1"
    event = answer.event
    assert (event["httpMethod"], event["path"]) == (then, "/there")
    assert event["multiValueHeaders"]["x-tag"] == ["a", "b"]
    assert event["multiValueHeaders"]["cookie"] == ["sid=1; once=1"]
    assert event["requestContext"]["identity"]["sourceIp"] == "203.0.113.9"
    assert event["body"] == ("sku=7" if keeps else None)
    assert ("content-type" in event["multiValueHeaders"]) is keeps
    if then != "HEAD":
        assert answer.json()["user"] == "ann"


def test_redirects_are_answers_unless_asked_for(client: GatewayClient) -> None:
    answer = client.get("/redirect?code=302&to=/there")
    assert (answer.status_code, answer.history) == (302, [])
    assert answer.headers["location"] == "/there"


@pytest.mark.parametrize(
    ("to", "whole"),
    [
        pytest.param("/there", "https://localhost/there", id="path"),
        pytest.param("there?x=1", "https://localhost/a/b/there?x=1", id="beside"),
        pytest.param("../there", "https://localhost/a/there", id="above"),
        pytest.param("/a%252Fb", "https://localhost/a%2Fb", id="escapes"),
        pytest.param("https://localhost/there%23part", "https://localhost/there", id="whole URL"),
        pytest.param("http://localhost/there", "http://localhost/there", id="other scheme"),
    ],
)
def test_redirect_leads_where_a_browser_would_go(to: str, whole: str) -> None:
    client = GatewayClient(echo, "aws_rest")
    answer = client.get(f"/a/b/redirect?code=302&to={to}", follow_redirects=True)
    assert answer.url == whole


def test_redirect_below_the_base_url_stays_there() -> None:
    client = GatewayClient(echo, "aws_rest", base_url="https://shop.example/v1")
    answer = client.get("/a/redirect?code=302&to=../there", follow_redirects=True)
    assert answer.url == "https://shop.example/v1/there"
    assert (answer.json()["root_path"], answer.json()["path"]) == ("/v1", "/there")


def test_each_redirect_is_in_the_history() -> None:
    client = GatewayClient(echo, "aws_rest")
    last = "/redirect%3Fcode%3D303%26to%3D/there"
    answer = client.get(f"/redirect?code=301&to={last}", follow_redirects=True)
    assert [each.status_code for each in answer.history] == [301, 303]
    assert [each.history for each in answer.history] == [[], []]
    assert answer.json()["path"] == "/there"


def test_redirects_without_an_end_are_an_error() -> None:
    def circle(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("302 Found", [("Location", "/")])
        return []

    def spiral(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("302 Found", [("Location", f"{environ['PATH_INFO']}a")])
        return []

    with pytest.raises(ClientRedirectError, match="Loop detected"):
        GatewayClient(circle).get("/", follow_redirects=True)
    with pytest.raises(ClientRedirectError, match="more than 20 redirects"):
        GatewayClient(spiral).get("/", follow_redirects=True)


def test_redirect_to_another_host_is_an_error(client: GatewayClient) -> None:
    with pytest.raises(RuntimeError, match="external redirects"):
        client.get("/redirect?code=302&to=https://other.example/", follow_redirects=True)


# What a call gives back.


def test_answer_has_all_that_came_about() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        fields = [("Content-Type", "text/html; charset=gbk"), ("X-Tag", "a"), ("X-Tag", "b")]
        start_response("201 Created", fields)
        return ["网".encode("gbk"), "关".encode("gbk")]

    answer = GatewayClient(app, "tencent_apigw").post("/orders?x=1", data="y")
    assert answer.status_code == 201
    assert repr(answer) == "<GatewayResponse [201]>"
    assert answer.headers["content-type"] == "text/html; charset=gbk"
    assert answer.headers.getlist("X-TAG") == ["a", "b"]
    assert answer.content == b"\xcd\xf8\xb9\xd8"
    assert answer.text == "网关"
    with pytest.raises(ValueError, match="."):
        answer.json()
    assert answer.event["httpMethod"] == "POST"
    assert answer.event["queryString"] == {"x": "1"}
    assert answer.result["statusCode"] == 201
    assert json.loads(json.dumps(answer.event)) == answer.event
    assert json.loads(json.dumps(answer.result)) == answer.result
    assert answer.context["function_version"] == "$LATEST"
    assert answer.url == "https://localhost/orders?x=1"


@pytest.mark.parametrize(
    ("content_type", "octets", "text"),
    [
        pytest.param("text/plain", "é".encode(), "é", id="UTF-8 if nothing is said"),
        pytest.param("text/plain; charset=latin-1", b"\xe9", "é", id="charset"),
        pytest.param('text/plain; charset="UTF-8"', "é".encode(), "é", id="charset in quotes"),
        pytest.param("text/plain", b"\xe9!", "\ufffd!", id="no UTF-8"),
        pytest.param(None, b"abc", "abc", id="no type"),
    ],
)
def test_text_of_an_answer(content_type: str | None, octets: bytes, text: str) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", content_type)] if content_type else [])
        return [octets]

    assert GatewayClient(app, "aws_alb").get("/").text == text


def test_timing_has_all_phases_of_an_application_and_the_whole_of_a_function() -> None:
    of_application = GatewayClient(echo).get("/").timing
    assert {"decode", "application", "encode"} <= of_application.phases().keys()
    assert of_application.dialect == "aws_http"
    assert sum(of_application.phases().values()) > 0
    of_function = GatewayClient(lambda event, context: {"statusCode": 200}).get("/").timing
    assert of_function.phases() == {}
    assert of_function.total_ms > 0


def test_hooks_of_the_caller_are_told_too() -> None:
    told: list[str] = []
    client = GatewayClient(echo, timing=lambda timing: told.append(timing.path))
    assert client.get("/a").timing.path == "/a"
    several = GatewayClient(echo, timing=[lambda timing: told.append(timing.method)])
    assert several.post("/b").timing.path == "/b"
    assert told == ["/a", "POST"]


def test_application_cannot_change_the_event_that_the_answer_shows() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["serverless.event"]["headers"].clear()
        environ["serverless.event"]["seen"] = True
        start_response("204 No Content", [])
        return []

    client = GatewayClient(app)
    answer = client.get("/", headers={"X-Shop": "1"})
    assert answer.event["headers"]["x-shop"] == "1"
    assert "seen" not in answer.event
    case = load_case(HTTP)["event"]
    client.replay(case)
    assert case == load_case(HTTP)["event"]


def test_context_is_the_platforms_and_its_time_runs_out() -> None:
    contexts: list[Any] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        context = environ["serverless.context"]
        contexts.append(context)
        left_ms = context.get_remaining_time_in_millis()
        while context.get_remaining_time_in_millis() == left_ms:
            pass
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps([left_ms, context.get_remaining_time_in_millis()]).encode()]

    answer = GatewayClient(app, "aws_rest").get("/")
    before_ms, after_ms = answer.json()
    assert 0 < after_ms < before_ms <= 3000
    assert contexts == [answer.context]
    assert answer.context.function_version == "$LATEST"


def test_context_may_be_made_by_the_caller() -> None:
    made: list[object] = []

    def context() -> object:
        made.append(object())
        return made[-1]

    client = GatewayClient(lambda event, context: {"statusCode": 204}, context=context)
    assert client.get("/").context is made[0]
    assert client.replay(load_case(HTTP)["event"]).context is made[1]
    given = object()
    assert client.replay(load_case(HTTP)["event"], given).context is given


def test_each_request_has_an_id_of_its_own() -> None:
    client = GatewayClient(echo, "aws_rest")
    answers = [client.get("/") for _ in range(3)]
    ids = [answer.event["requestContext"]["requestId"] for answer in answers]
    assert len({uuid.UUID(each) for each in ids}) == 3
    assert [answer.headers["X-Request-ID"] for answer in answers] == ids
    # The invocation has another than the request there; Alibaba's has the same.
    invocations = {uuid.UUID(answer.context.aws_request_id) for answer in answers}
    assert len({*invocations, *map(uuid.UUID, ids)}) == 6
    answer = GatewayClient(echo, "alibaba_fc3").get("/")
    assert answer.headers["X-Request-ID"] == answer.context.request_id


# Functions and applications.


def test_plain_function_gets_event_and_context() -> None:
    def main_handler(event: Any, context: Any) -> dict[str, Any]:
        body = {"path": event["path"], "request_id": context["request_id"]}
        return {
            "isBase64Encoded": False,
            "statusCode": 202,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(body),
        }

    answer = GatewayClient(main_handler, "tencent_apigw").get("/orders")
    assert answer.status_code == 202
    assert answer.json() == {"path": "/orders", "request_id": answer.context["request_id"]}


def test_handler_that_wrap_made_keeps_its_options() -> None:
    handler = wrap(echo, exclude_headers=["content-type"])
    answer = GatewayClient(handler, "aws_alb").get("/orders")
    assert answer.json()["path"] == "/orders"
    assert "content-type" not in answer.headers


@pytest.mark.usefixtures("event_loop")
def test_mangum_is_a_function() -> None:
    from mangum import Mangum

    answer = GatewayClient(Mangum(echo_asgi, lifespan="off"), "aws_rest").post("/orders", data="网")
    assert answer.json()["body"].encode("latin-1").decode() == "网"
    with pytest.raises(OptionError, match="Mangum is a function of"):
        GatewayClient(Mangum(echo_asgi, lifespan="off"), debug=True)


@pytest.mark.parametrize("name", ["app", "asgi", "handler", "function", "mangum"])
@pytest.mark.parametrize("separator", [":", "."])
@pytest.mark.usefixtures("event_loop")
def test_target_may_be_an_import_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, separator: str
) -> None:
    module = f"shop_{name}_{'colon' if separator == ':' else 'dot'}"
    (tmp_path / f"{module}.py").write_text(
        "from mangum import Mangum\n"
        "from slsadapt import wrap\n"
        "from tests.testing.apps import echo as app, echo_asgi as asgi\n"
        "handler = wrap(app)\n"
        "mangum = Mangum(asgi, lifespan='off')\n"
        "def function(event, context):\n"
        "    return handler(event, context)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    answer = GatewayClient(f"{module}{separator}{name}").get("/orders")
    assert answer.json()["path"] == "/orders"


def test_fastapi_application() -> None:
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/orders/{shop}", status_code=201)
    def order(shop: str, order: Order, page: int = 1) -> dict[str, Any]:
        return {"shop": shop, "sku": order.sku, "page": page}

    with GatewayClient(app, "aws_http") as client:
        answer = client.post("/orders/网", params={"page": 2}, json={"sku": 7})
        assert (answer.status_code, answer.json()) == (201, {"shop": "网", "sku": 7, "page": 2})
        assert client.post("/orders/a", json={"sku": "x"}).status_code == 422
        assert client.get("/orders/a").status_code == 405


def test_with_runs_start_up_and_shutdown_once() -> None:
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        steps.append("start")
        yield {"database": "open"}
        steps.append("stop")

    async def state(request: Request) -> PlainTextResponse:
        steps.append("request")
        return PlainTextResponse(request.state.database)

    app = Starlette(routes=[Route("/", state)], lifespan=lifespan)
    with GatewayClient(app) as client:
        assert steps == ["start"]
        assert client.get("/").text == "open"
        assert client.get("/").text == "open"
        assert steps == ["start", "request", "request"]
    assert steps == ["start", "request", "request", "stop"]


def test_close_stops_what_the_first_request_started() -> None:
    steps: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
            return
        for kind in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{kind}"
            steps.append(kind)
            await send({"type": f"lifespan.{kind}.complete"})

    client = GatewayClient(app)
    assert steps == []
    assert client.get("/").status_code == 204
    assert steps == ["startup"]
    client.close()
    assert steps == ["startup", "shutdown"]


def test_with_takes_functions_and_wsgi_applications_as_well() -> None:
    for target in (echo, wrap(echo), lambda event, context: {"statusCode": 200}):
        with GatewayClient(target) as client:
            assert client.get("/").status_code == 200


# Recorded events.


@pytest.mark.parametrize(
    ("case", "method", "path"),
    [
        pytest.param(HTTP, "GET", "/capture/space value", id="the client's dialect"),
        pytest.param(
            "aws_rest/live_rest_encoded_path_repeated",
            *("POST", "/capture/space value"),
            id="another dialect",
        ),
        pytest.param("tencent_apigw/get_no_body_minimal", "GET", "/test", id="another cloud"),
    ],
)
@pytest.mark.parametrize("of", ["path", "text path", "event", "cassette"])
def test_recorded_event_is_replayed(case: str, method: str, path: str, of: str) -> None:
    file = EVENTS / f"{case}.json"
    recorded = {
        "path": file,
        "text path": str(file),
        "event": load_case(case)["event"],
        "cassette": load_case(case),
    }[of]
    answer = GatewayClient(echo).replay(recorded)
    assert answer.status_code == 200
    assert (answer.json()["method"], answer.json()["path"]) == (method, path)
    assert answer.event == load_case(case)["event"]
    assert (answer.url, answer.history) == ("", [])
    assert answer.timing.dialect == case.partition("/")[0]


def test_replayed_event_gets_the_context_of_its_own_platform() -> None:
    client = GatewayClient(echo, "tencent_apigw")
    assert isinstance(client.get("/").context, dict)
    aws = client.replay(load_case(HTTP)["event"]).context
    assert aws.get_remaining_time_in_millis() > 0


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        pytest.param("aws_eventbridge/doc_java_scheduled", "timer", id="AWS rule"),
        pytest.param("tencent_timer/timer_doc", "timer", id="Tencent timer"),
        pytest.param("huawei_timer/timer", "timer", id="Huawei timer"),
        pytest.param("aws_websocket/go_connect", "websocket", id="AWS WebSocket"),
        pytest.param("tencent_websocket/connect", "websocket", id="Tencent WebSocket"),
    ],
)
def test_event_that_is_no_request_goes_to_its_route(case: str, kind: str) -> None:
    calls: list[Any] = []

    def route(event: Any, context: Any) -> dict[str, int]:
        calls.append((event, context))
        return {"statusCode": 204}

    client = GatewayClient(echo, events={kind: route})
    answer = client.replay(EVENTS / f"{case}.json")
    assert calls == [(load_case(case)["event"], answer.context)]
    assert answer.result == {"statusCode": 204}
    assert repr(answer) == "<GatewayResponse [no response]>"
    with pytest.raises(AttributeError, match="no HTTP request"):
        _ = answer.status_code


def test_events_that_are_objects_are_replayed() -> None:
    import azure.functions
    import flask

    environ = {
        "REQUEST_METHOD": "PUT",
        "fc.request_uri": "/orders",
        "CONTENT_LENGTH": "1",
        "HTTP_HOST": "shop.example",
        "wsgi.input": io.BytesIO(b"x"),
    }
    url = "https://shop.example/orders"
    for name, event in (
        ("alibaba_fc2", environ),
        ("azure", azure.functions.HttpRequest("PUT", url, body=b"x")),
        ("gcp", flask.Request({**environ, "PATH_INFO": "/orders", "wsgi.input": io.BytesIO(b"x")})),
    ):
        answer = GatewayClient(echo).replay(event)
        arrived = answer.json()
        assert (arrived["method"], arrived["path"], arrived["body"]) == ("PUT", "/orders", "x")
        assert answer.event is event
        assert answer.timing.dialect == name
    with pytest.raises(BadEventError, match="must be a JSON object, got int"):
        GatewayClient(echo).replay(5)


def test_recorded_context_is_in_the_one_of_the_platform() -> None:
    cassette = {
        "slsadapt": 1,
        "event": load_case(HTTP)["event"],
        "context": {"aws_request_id": "of-the-cassette", "function_name": "shop", "extra": 1},
    }
    client = GatewayClient(lambda event, context: {"statusCode": 204})
    context = client.replay(cassette).context
    assert (context.aws_request_id, context.function_name) == ("of-the-cassette", "shop")
    assert context.extra == 1
    assert context.get_remaining_time_in_millis() > 0
    assert client.replay(cassette, "own").context == "own"
    cassette["event"] = load_case("tencent_apigw/get_no_body_minimal")["event"]
    context = client.replay(cassette).context
    assert (context["function_name"], context["memory_limit_in_mb"]) == ("shop", 128)
    client = GatewayClient(lambda event, context: {"statusCode": 204}, context=lambda: "made")
    assert client.replay(cassette).context == "made"


def test_event_of_nobody_is_refused(client: GatewayClient, tmp_path: Path) -> None:
    with pytest.raises(BadEventError, match=r"any dialect claims; it has the keys \['hello'\]"):
        client.replay({"hello": "world"})
    several = tmp_path / "several.jsonl"
    several.write_text(f"{json.dumps(load_case(HTTP)['event'])}\n" * 2)
    with pytest.raises(OptionError, match="several.jsonl holds 2 events; replay takes one"):
        client.replay(several)
    several.write_text("")
    with pytest.raises(OptionError, match="holds 0 events"):
        client.replay(several)
    with pytest.raises(FileNotFoundError):
        client.replay(tmp_path / "none.json")


# All dialects.


@pytest.mark.parametrize("app", [echo, echo_asgi], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("name", gateways.NAMES)
def test_every_dialect_carries_what_it_does_not_say_it_loses(name: str, app: Any) -> None:
    losses = gateways.load(name).LOSES
    interface = "wsgi" if app is echo else "asgi"
    with GatewayClient(app, name, lifespan="off", base_url="https://shop.example") as client:
        arrived = sent(client, url="/网关/a b", params={"word": "价 格", "n": "1"})
        assert arrived["interface"] == interface
        assert arrived["method"] == "GET"
        assert arrived["path"] == "/网关/a b"
        assert arrived["server"] == ["shop.example", 443]
        pairs = sorted(arrived["query"].replace("%20", "+").split("&"))
        assert pairs == ["n=1", "word=%E4%BB%B7+%E6%A0%BC"]

        arrived = sent(client, "POST", "/orders", json={"词": "网关"}, headers={"X-Shop": "1"})
        assert arrived["method"] == "POST"
        assert arrived["headers"]["content-type"] == "application/json"
        assert arrived["headers"]["x-shop"] == "1"
        assert json.loads(arrived["body"].encode("latin-1")) == {"词": "网关"}

        octets = sent(client, "PUT", "/octets/in", data=OCTETS)["body"].encode("latin-1")
        if "binary_body" in losses:
            # Of some types of body they are lost.
            assert octets in (OCTETS, OCTETS.decode("utf-8", "replace").encode())
        else:
            assert octets == OCTETS

        answer = client.get("/octets")
        if "response_binary" in losses:
            assert answer.status_code >= 500
        else:
            assert answer.content == OCTETS
            assert answer.headers["content-type"] == "application/octet-stream"
        assert client.get("/empty").status_code == 204

        assert client.get("/cookies").cookies == {"sid": "1", "lang": "zh"}
        cookie = sent(client, cookies={"once": "1"})["headers"]["cookie"]
        assert cookie == "sid=1; lang=zh; once=1"


@pytest.mark.parametrize(
    ("name", "event", "result"),
    [
        pytest.param("alibaba_fc2", "builtins.dict", "builtins.dict", id="Alibaba FC 2.0"),
        pytest.param(
            "azure",
            *("azure.functions._http.HttpRequest", "azure.functions._http.HttpResponse"),
            id="Azure",
        ),
        pytest.param(
            "gcp",
            *("flask.wrappers.Request", "werkzeug.wrappers.response.Response"),
            id="Google",
        ),
    ],
)
def test_platforms_that_pass_objects_get_objects(name: str, event: str, result: str) -> None:
    answer = GatewayClient(echo, name).post("/orders", data="x")
    assert answer.json()["body"] == "x"
    for value, kind in ((answer.event, event), (answer.result, result)):
        assert f"{type(value).__module__}.{type(value).__qualname__}" == kind


def test_functions_of_platforms_that_pass_objects() -> None:
    import azure.functions
    import flask

    def azure_function(event: azure.functions.HttpRequest, context: Any) -> Any:
        return azure.functions.HttpResponse(f"{event.method} {context.function_name}")

    def gcp_function(event: flask.Request, context: Any) -> Any:
        return {"method": event.method}, 201

    answer = GatewayClient(azure_function, "azure").put("/orders")
    assert answer.text == f"PUT {answer.context.function_name}"
    answer = GatewayClient(gcp_function, "gcp").put("/orders")
    assert (answer.status_code, answer.json()) == (201, {"method": "PUT"})


# What goes wrong.


def test_unknown_dialect_is_an_error() -> None:
    with pytest.raises(OptionError, match="one of aws_http, .*; got 'aws'"):
        GatewayClient(echo, "aws")


def test_options_are_for_applications() -> None:
    with pytest.raises(OptionError, match=r"base_path, debug: options of wrap\(\) are for appl"):
        GatewayClient(wrap(echo), debug=True, base_path="/v1")
    with pytest.raises(TypeError, match="base_pth"):
        GatewayClient(echo, base_pth="/v1")
    client = GatewayClient(echo, "tencent_apigw", base_path="/v1")
    assert sent(client, url="/v1/orders")["path"] == "/orders"


@pytest.mark.parametrize("target", [5, None, pytest.param(object(), id="object")], ids=repr)
def test_target_must_be_an_application_or_a_function(target: object) -> None:
    with pytest.raises(InterfaceError):
        GatewayClient(target)


@pytest.mark.parametrize("app", [echo, echo_asgi], ids=["wsgi", "asgi"])
def test_exception_of_the_application_is_answered_or_raised(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = GatewayClient(app, lifespan="off").get("/fail")
    assert answer.status_code == 500
    assert answer.text == "Internal Server Error"
    assert "the database is gone" in caplog.text
    client = GatewayClient(app, lifespan="off", on_error="raise")
    with pytest.raises(RuntimeError, match="the database is gone"):
        client.get("/fail")
    assert client.get("/").status_code == 200


def test_exception_of_a_function_is_raised() -> None:
    def function(event: Any, context: Any) -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        GatewayClient(function).get("/")


def test_body_over_the_platforms_limit_is_not_carried() -> None:
    client = GatewayClient(echo, "aws_alb")
    limit_bytes = 1024 * 1024
    assert client.post("/empty", data=b"x" * limit_bytes).status_code == 204
    with pytest.raises(NotCarriedError, match="aws_alb carries request bodies of 1,048,576 bytes"):
        client.post("/empty", data=b"x" * (limit_bytes + 1))


def test_streamed_body_is_not_carried(client: GatewayClient) -> None:
    with pytest.raises(NotCarriedError, match="no gateway streams"):
        client.post("/", headers={"Transfer-Encoding": "chunked"})


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        pytest.param({"statusCode": 200, "body": b"x"}, "dict: .* bytes", id="octets inside"),
        pytest.param({1, 2}, "set", id="set"),
        pytest.param(object(), "object", id="object"),
    ],
)
def test_result_that_is_no_json_is_the_functions_fault(result: Any, kind: str) -> None:
    client = GatewayClient(lambda event, context: result)
    with pytest.raises(TypeError, match=f"must return what JSON can hold, got {kind}"):
        client.get("/")


@pytest.mark.parametrize(
    ("name", "result", "status"),
    [
        pytest.param("aws_rest", {"status": 200}, 502, id="REST API without statusCode"),
        pytest.param("aws_rest", "text", 502, id="REST API, text"),
        pytest.param("aws_alb", {"statusCode": "x"}, 502, id="ALB, status that is none"),
        pytest.param("aws_http", {"statusCode": "x"}, 500, id="HTTP API, status that is none"),
        pytest.param("aws_http", {"a": 1}, 200, id="HTTP API infers the rest"),
        pytest.param("azure", 5, 500, id="Azure, no response"),
        pytest.param("gcp", object(), 500, id="Google, no response"),
    ],
)
def test_malformed_result_is_the_gateways_own_answer(name: str, result: Any, status: int) -> None:
    answer = GatewayClient(lambda event, context: result, name).get("/")
    assert answer.status_code == status
