"""The gateway between octets on the wire and a pool."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import Request, Response
from slsadapt.local import objects
from slsadapt.local.clouds import Cloud
from slsadapt.local.gateway import Gateway
from slsadapt.local.outcome import Failure, Outcome
from tests.local.wire import HELLO, KeepingPool, Wire, function, read_reply, write_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slsadapt.local.clouds import Arrival
    from slsadapt.local.notices import Answered

pytestmark = pytest.mark.once

STATUSES = {
    "not_found": 404,
    "url_too_long": 414,
    "headers_too_large": 431,
    "request_too_large": 413,
    "result_headers_too_large": 502,
    "gateway_timeout": 504,
    "init": 502,
    "error": 500,
}


class Served:
    """A gateway behind a server, and what it was passed and told."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.pool = KeepingPool()
        self.told: queue.Queue[Any] = queue.Queue()
        self.requests: list[Request] = []
        self.arrivals: list[Arrival] = []

    def open(
        self,
        dialect: str = "aws_http",
        *,
        result: Any = HELLO,
        outcome: Outcome | None = None,
        pool: Any = None,
        respond: Callable[[Response, Arrival], Response] = lambda response, arrival: response,
        cloud: dict[str, Any] | None = None,
        **options: Any,
    ) -> Served:
        def receive(request: Request, arrival: Arrival) -> Request:
            self.requests.append(request)
            self.arrivals.append(arrival)
            return request

        def fail(failure: Failure) -> Response:
            return Response(STATUSES[failure.kind], (("X-Kind", failure.kind),), b"no answer")

        fields: dict[str, Any] = {
            "dialect": dialect,
            "platform": "Cloud",
            "timeout_s": 3.0,
            "timeout_limit_s": 900.0,
            "memory_mb": 128,
            "request_id": lambda: "request-7",
            "receive": receive,
            "respond": respond,
            "fail": fail,
            "error": lambda failure: {},
            "environment": lambda function, instance: {},
        }
        self.pool = pool or KeepingPool(result, outcome)
        self.wire.app = Gateway(
            function(dialect),
            Cloud(**fields | (cloud or {})),
            self.pool,
            self.told.put,
            **options,
        )
        self.send = self.wire.send
        return self

    @property
    def request(self) -> Request:
        (request,) = self.requests
        return request

    def answered(self) -> Answered:
        """Wait for what is told of the one request."""
        notice: Answered = self.told.get(timeout=30)
        assert self.told.empty()
        return notice


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    serving = Wire()
    yield serving
    serving.close()


@pytest.fixture
def served(wire: Wire) -> Served:
    return Served(wire)


class TestRequest:
    def test_arrives_as_the_client_sent_it(self, served: Served) -> None:
        served.open(clock=lambda: 1_700_000_000.25)
        headers = [("X-One", "1"), ("x-one", "2"), ("X-Name", "caf\xe9"), ("X-Empty", "")]
        target = "/a%2Fb//c%20d/%e9?b=%20+&a=2&a=1&flag&utf=%C3%A9"
        served.send(write_request("POST", target, headers, b"\x00\xff", "shop.example:8080"))
        assert served.request.replace(client=None) == Request(
            "POST",
            "/a%2Fb//c%20d/%e9",
            "b=%20+&a=2&a=1&flag&utf=%C3%A9",
            [
                ("host", "shop.example:8080"),
                ("x-one", "1"),
                ("x-one", "2"),
                ("x-name", "caf\xe9"),
                ("x-empty", ""),
                ("content-length", "2"),
            ],
            b"\x00\xff",
            "http",
            None,
            ("shop.example", 8080),
            "",
            "",
            "request-7",
        )
        assert served.request.client is not None
        assert served.request.client[0] == "127.0.0.1"
        (arrival,) = served.arrivals
        assert arrival.client == served.request.client
        assert arrival.server == ("shop.example", 8080)
        assert arrival.received_ms == 1_700_000_000_250
        assert arrival.trace_id.startswith("6553f100")
        assert len(arrival.trace_id) == 32
        assert served.pool.event["requestContext"]["timeEpoch"] == 1_700_000_000_250

    @pytest.mark.parametrize("target", ["/", "//", "//a//b/", "/a/../b/./c", "/;p=1/@:!$&'()*,=~"])
    def test_path_is_not_touched(self, served: Served, target: str) -> None:
        served.open().send(write_request("GET", target))
        assert served.request.path == target

    @pytest.mark.parametrize("target", [b"/\xc3\xa9", b"/?a=\xff"])
    def test_target_of_other_octets_than_ascii_is_refused(
        self, served: Served, target: bytes
    ) -> None:
        reply = served.open().send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert reply.status == 400
        assert not served.requests

    @pytest.mark.parametrize(
        ("host", "server"),
        [
            pytest.param("shop.example", ("shop.example", 80), id="no port"),
            pytest.param("[::1]:9000", ("::1", 9000), id="ipv6 host, port"),
            pytest.param("127.0.0.1:1", ("127.0.0.1", 1), id="address, port"),
            pytest.param("shop.example:http", ("shop.example:http", 80), id="no number"),
        ],
    )
    def test_server_is_what_host_names(
        self, served: Served, host: str, server: tuple[str, int]
    ) -> None:
        served.open().send(write_request("GET", "/", host=host))
        assert served.request.server == server

    def test_server_is_the_listening_one_without_a_host(self, served: Served) -> None:
        reply = served.open().send(b"GET / HTTP/1.0\r\n\r\n")
        assert served.request.server == ("127.0.0.1", served.wire.port)
        assert reply.values("connection") == ["close"]

    def test_chunked_body_becomes_whole(self, served: Served) -> None:
        chunks = b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"
        headers = [("Transfer-Encoding", "chunked"), ("X-Last", "1")]
        served.open().send(write_request("POST", "/", headers), chunks)
        assert served.request.body == b"abcde"
        assert served.request.headers[1:] == (("x-last", "1"), ("content-length", "5"))

    def test_large_body_arrives_whole(self, served: Served) -> None:
        body = bytes(range(256)) * 8192
        served.open().send(write_request("PUT", "/", body=body))
        assert served.request.body == body

    def test_client_that_leaves_in_the_middle_of_its_body_invokes_nothing(
        self, served: Served
    ) -> None:
        served.open()
        with served.wire.connected() as connection:
            connection.sendall(write_request("POST", "/", [("Content-Length", "10")]) + b"half")
        served.send(write_request("GET", "/next"))
        assert served.request.path == "/next"
        assert served.answered().line == "GET /next"


class TestMount:
    @pytest.mark.parametrize(
        ("target", "path"),
        [
            ("/release/x%20y", "/x%20y"),
            ("/release", "/"),
            ("/release/", "/"),
            ("/release?a=1", "/"),
            ("/release//x", "//x"),
        ],
    )
    def test_stage_begins_the_url(self, served: Served, target: str, path: str) -> None:
        served.open("aws_rest", cloud={"is_stage_in_url": True}, stage="release")
        assert served.send(write_request("GET", target)).status == 200
        assert served.request.path == path
        assert served.request.root_path == "/release"
        assert served.request.stage == "release"

    @pytest.mark.parametrize(
        "target", ["/", "/released/x", "/Release/x", "/x/release", "//release"]
    )
    def test_url_outside_of_the_stage_is_not_found(self, served: Served, target: str) -> None:
        served.open("aws_rest", cloud={"is_stage_in_url": True}, stage="release")
        assert served.send(write_request("GET", target)).status == 404
        failure = served.answered().failure
        assert failure is not None
        assert failure.message == "the URL is outside of /release, with which all begin here"
        assert not served.pool.payloads

    def test_stage_that_no_url_shows_only_names_itself(self, served: Served) -> None:
        served.open("huawei_apig", stage="BETA").send(write_request("GET", "/x"))
        assert served.request.path == "/x"
        assert served.request.root_path == ""
        assert served.request.stage == "BETA"

    def test_stage_is_the_clouds_where_none_is_given(self, served: Served) -> None:
        served.open("tencent_apigw", cloud={"is_stage_in_url": True, "stage": "release"})
        served.send(write_request("GET", "/x"))
        assert served.request.path == "/x"
        assert served.request.root_path == ""
        assert served.request.stage == "release"

    @pytest.mark.parametrize(
        ("dialect", "path", "root_path"),
        [
            pytest.param("aws_rest", "/x", "/my shop", id="mapped"),
            pytest.param("aws_alb", "/my%20shop/x", "", id="no mapping: whole"),
        ],
    )
    def test_base_path_begins_the_url(
        self, served: Served, dialect: str, path: str, root_path: str
    ) -> None:
        served.open(dialect, base_path="/my shop")
        assert served.send(write_request("GET", "/my%20shop/x")).status == 200
        assert served.request.path == path
        assert served.request.root_path == root_path
        assert served.send(write_request("GET", "/my%20shops/x")).status == 404

    def test_base_path_hides_the_stage(self, served: Served) -> None:
        served.open("aws_rest", cloud={"is_stage_in_url": True}, stage="live", base_path="/a/b/")
        assert served.wire.app.mount == "/a/b"
        served.send(write_request("GET", "/a/b/x"))
        assert served.request.root_path == "/a/b"
        assert served.request.stage == "live"


class TestLimits:
    @pytest.mark.parametrize(
        ("target", "status"),
        [("/23456789?b", 200), ("/23456789?bc", 414), ("/2345678901", 200), ("/23456789012", 414)],
    )
    def test_url(self, served: Served, target: str, status: int) -> None:
        served.open(cloud={"url_limit_bytes": 11})
        assert served.send(write_request("GET", target)).status == status

    @pytest.mark.parametrize(("value", "status"), [("x" * 11, 200), ("x" * 12, 431)])
    def test_headers(self, served: Served, value: str, status: int) -> None:
        # "Host: shop.example" and its line end are 20 octets, "X-A: " and its line end 7.
        served.open(cloud={"headers_limit_bytes": 38})
        assert served.send(write_request("GET", "/", [("X-A", value)])).status == status
        if status == 431:
            failure = served.answered().failure
            assert failure is not None
            assert failure.message == "aws_http takes 38 bytes of headers at most, got 39"

    def test_announced_body_is_refused_before_it_is_sent(self, served: Served) -> None:
        served.open()
        headers = [("Content-Length", "6291457"), ("Expect", "100-continue")]
        with served.wire.connected() as connection:
            connection.sendall(write_request("POST", "/", headers))
            reply = read_reply(connection)
            assert reply.status == 413
            assert reply.values("connection") == ["close"]
            assert reply.body == b"no answer"
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        failure = served.answered().failure
        assert failure is not None
        assert failure.request_id == "request-7"
        assert failure.message == "aws_http takes 6,291,456 bytes of body at most, got 6,291,457"

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_client_that_sends_a_body_too_large_still_gets_the_answer(
        self, served: Served, is_chunked: bool
    ) -> None:
        served.open()
        body = b"x" * 9_000_000
        if is_chunked:
            octets = write_request("POST", "/", [("Transfer-Encoding", "chunked")])
            octets += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            octets = write_request("POST", "/", body=body)
        reply = served.send(octets)
        assert reply.status == 413
        assert reply.body == b"no answer"
        assert not served.pool.payloads

    def test_chunked_body_is_refused_with_its_last_octet(self, served: Served) -> None:
        body = b"x" * (1024 * 1024 + 1)
        headers = [("Transfer-Encoding", "chunked")]
        octets = write_request("POST", "/", headers) + b"%x\r\n%b\r\n" % (len(body), body)
        reply = served.open("aws_alb").send(octets + b"0\r\n\r\n")
        assert reply.status == 413

    def test_limit_of_the_event_counts_base64(self, served: Served) -> None:
        served.open()
        reply = served.send(write_request("POST", "/", body=b"\xff" * 5_000_000))
        assert reply.status == 413
        failure = served.answered().failure
        assert failure is not None
        assert failure.message.startswith(
            "aws_http takes 6,291,456 bytes of event at most, got 6,66"
        )
        assert reply.values("connection") == []

    def test_limit_of_the_body_does_not_count_base64(self, served: Served) -> None:
        served.open("aws_alb")
        reply = served.send(write_request("POST", "/", body=b"\xff" * 1024 * 1024))
        assert reply.status == 200

    def test_octets_count_as_utf8_not_as_escapes(self, served: Served) -> None:
        served.open()
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        body = "\u4e2d".encode() * 2_000_000
        assert served.send(write_request("POST", "/", headers, body)).status == 200
        assert served.pool.event["body"] == "\u4e2d" * 2_000_000

    def test_edge_truncates_what_is_too_large(self, served: Served) -> None:
        served.open("aws_edge", result={"status": "200"})
        body = b"x" * (1024 * 1024 + 70_000)
        assert served.send(write_request("POST", "/", body=body)).status == 200
        sent = served.pool.event["Records"][0]["cf"]["request"]["body"]
        assert sent["inputTruncated"] is True
        assert len(sent["data"]) == 1_398_104

    @pytest.mark.parametrize(("value", "status"), [("x" * 7, 200), ("x" * 8, 502)])
    def test_response_headers(self, served: Served, value: str, status: int) -> None:
        # "content-type: text/html" and its line end are 25 octets, "x-a: " and its line end 7.
        served.open(
            result={"statusCode": 200, "headers": {"content-type": "text/html", "x-a": value}},
            cloud={"result_headers_limit_bytes": 39},
        )
        assert served.send(write_request("GET", "/")).status == status


class TestInvocation:
    def test_event_is_compact_json(self, served: Served) -> None:
        served.open().send(write_request("GET", "/caf%C3%A9"))
        (payload,) = served.pool.payloads
        assert payload.startswith(
            '{"version":"2.0","routeKey":"$default","rawPath":"/café"'.encode()
        )

    def test_invocation_has_an_id_of_its_own(self, served: Served) -> None:
        served.open().send(write_request("GET", "/"))
        (request_id,) = served.pool.request_ids
        assert len(request_id) == 36
        assert served.pool.event["requestContext"]["requestId"] == "request-7"
        assert served.answered().request_id == request_id

    def test_function_compute_has_one_id_for_both(self, served: Served) -> None:
        served.open("alibaba_fc3").send(write_request("GET", "/"))
        assert served.pool.request_ids == ["request-7"]

    @pytest.mark.parametrize(
        ("dialect", "headers", "expected"),
        [
            pytest.param(
                "kong", [("X-Amzn-Trace-Id", "Root=1-a;Sampled=1")], "Root=1-a;Sampled=1", id="own"
            ),
            pytest.param("tencent_apigw", [], None, id="another platform"),
        ],
    )
    def test_trace_id_goes_to_lambda(
        self, served: Served, dialect: str, headers: list[tuple[str, str]], expected: str | None
    ) -> None:
        served.open(dialect).send(write_request("GET", "/", headers))
        assert served.pool.headers[0].get("Lambda-Runtime-Trace-Id") == expected

    def test_new_trace_id_goes_to_lambda(self, served: Served) -> None:
        served.open(clock=lambda: 1_700_000_000.0).send(write_request("GET", "/"))
        trace_id = served.pool.headers[0]["Lambda-Runtime-Trace-Id"]
        assert trace_id.startswith("Root=1-6553f100-")
        assert len(trace_id) == 40

    def test_object_dialect_gets_a_packed_request(self, served: Served) -> None:
        packed = objects.pack_response(Response(201, (("X-A", "1"), ("X-A", "2")), b"\xff"))
        served.open("gcp", result=packed)
        reply = served.send(write_request("POST", "/x?a=1", body=b"\x00"))
        assert (reply.status, reply.values("x-a"), reply.body) == (201, ["1", "2"], b"\xff")
        (payload,) = served.pool.payloads
        assert objects.unpack_request(payload) == served.request

    def test_record_gets_each_invocation(self, served: Served) -> None:
        kept: queue.Queue[Any] = queue.Queue()
        served.open(record=lambda *values: kept.put(values))
        served.send(write_request("GET", "/x"))
        event, request_id, outcome, took_ms, dialect = kept.get(timeout=30)
        assert event == served.pool.event
        assert [request_id] == served.pool.request_ids
        assert outcome is served.pool.outcome
        assert took_ms > 0
        assert dialect == "aws_http"


def failed(kind: Any) -> Outcome:
    return Outcome(
        request_id="7", failure=Failure(kind=kind, request_id="7", error={}, message="no")
    )


class TestFailure:
    def test_client_gets_what_the_cloud_answers(self, served: Served) -> None:
        outcome = failed("error")
        reply = served.open(outcome=outcome).send(write_request("GET", "/x?a=1"))
        assert (reply.status, reply.values("x-kind"), reply.body) == (500, ["error"], b"no answer")
        answered = served.answered()
        assert answered.failure is outcome.failure
        assert answered.line == "GET /x?a=1"
        assert answered.status == 500
        assert answered.body_bytes == 9
        assert answered.note == ""

    @pytest.mark.parametrize(
        ("kind", "accept", "is_page"),
        [
            pytest.param("init", "text/html,application/xml;q=0.9,*/*;q=0.8", True, id="browser"),
            pytest.param("init", "*/*", False, id="curl"),
            pytest.param("init", "application/json, text/html;q=0.5", False, id="fetch"),
            pytest.param("init", None, False, id="nothing accepted"),
            pytest.param("error", "text/html", False, id="not at the start"),
        ],
    )
    def test_browser_gets_a_page_of_what_does_not_start(
        self, served: Served, kind: str, accept: str | None, is_page: bool
    ) -> None:
        served.open(outcome=failed(kind), failure_page=lambda failure: failure.message.encode())
        reply = served.send(write_request("GET", "/", [("Accept", accept)] if accept else []))
        assert reply.status == STATUSES[kind]
        assert reply.body == (b"no" if is_page else b"no answer")
        assert reply.values("content-type") == ["text/html; charset=utf-8"] * is_page

    def test_gateway_does_not_wait_longer_than_its_time(self, served: Served) -> None:
        kept: queue.Queue[Any] = queue.Queue()
        outcome = Outcome(request_id="7", payload=b'{"statusCode":200}')
        ends: queue.Queue[Callable[[], None]] = queue.Queue()

        class SlowPool:
            async def invoke(self, payload: bytes, **_: Any) -> Outcome:
                end = asyncio.Event()
                ends.put(
                    partial(asyncio.get_running_loop().call_soon_threadsafe, end.set)  # type: ignore[arg-type]
                )
                await end.wait()
                return outcome

        served.open(
            pool=SlowPool(), cloud={"gateway_timeout_s": 0.01}, record=lambda *v: kept.put(v)
        )
        with served.wire.connected() as connection:
            connection.sendall(write_request("GET", "/slow"))
            assert read_reply(connection).status == 504
            failure = served.answered().failure
            assert failure is not None
            assert failure.kind == "gateway_timeout"
            assert failure.message == (
                "aws_http waits 0.01 s for a function; this one goes on without its client"
            )
            # The invocation goes on, and so does the connection.
            assert kept.empty()
            connection.sendall(write_request("GET", "/slow"))
            assert read_reply(connection).status == 504
        for _ in range(2):
            ends.get(timeout=30)()
            assert kept.get(timeout=30)[2] is outcome
        served.answered()


class TestMalformed:
    @pytest.mark.parametrize(
        ("dialect", "result", "status", "note"),
        [
            pytest.param(
                "aws_rest",
                {"statusCode": 200, "body": {"a": 1}},
                502,
                "aws_rest does not take the result's 'body': it is an object",
                id="body",
            ),
            pytest.param(
                "aws_rest",
                {"statusCode": 200, "cookies": []},
                502,
                "aws_rest does not take the result's 'cookies': it is a list",
                id="unknown key",
            ),
            pytest.param(
                "aws_rest",
                {"statusCode": 200, "headers": {"X-A": "1", "X-B": ["2"]}},
                502,
                "aws_rest does not take 'X-B' in the result's 'headers': it is a list",
                id="one header",
            ),
            pytest.param(
                "aws_http",
                {"statusCode": "two hundred"},
                500,
                "aws_http does not take the result's 'statusCode': it is a text",
                id="status",
            ),
            pytest.param(
                "aws_alb",
                {"body": "hello"},
                502,
                "the function's result has no 'statusCode'",
                id="no status",
            ),
            pytest.param(
                "aws_edge",
                {"statusCode": 200},
                502,
                "the function's result has no 'status'",
                id="another cloud's status",
            ),
            pytest.param(
                "tencent_apigw",
                ["hello"],
                403,
                "the function returned a list, and tencent_apigw takes an object",
                id="list",
            ),
            pytest.param(
                "kong",
                None,
                502,
                "the function returned null, and kong takes an object",
                id="null",
            ),
            pytest.param(
                "aws_rest",
                {"a": 1, "b": 2},
                502,
                "aws_rest does not take the function's result, for more than one reason; its keys "
                "are 'a', 'b'",
                id="two reasons",
            ),
            pytest.param(
                "aws_http", b"no JSON", 500, "the function's result is no JSON", id="no JSON"
            ),
            pytest.param(
                "aws_http",
                {"statusCode": 101},
                500,
                "the result's status is 101, no final one",
                id="interim status",
            ),
            pytest.param(
                "aws_http",
                {"statusCode": 200, "headers": {"X-A": "1\r\nSet-Cookie: a=b"}},
                500,
                "the result's header 'x-a' has a line break or another control character",
                id="line break",
            ),
            pytest.param(
                "tencent_apigw",
                {
                    "isBase64Encoded": False,
                    "statusCode": 200,
                    "headers": {"X A": "1"},
                    "body": "",
                },
                403,
                "the result has a header 'X A', which is no name of HTTP's",
                id="header name",
            ),
        ],
    )
    def test_result_gets_the_clouds_own_answer(
        self, served: Served, dialect: str, result: Any, status: int, note: str
    ) -> None:
        reply = served.open(dialect, result=result).send(write_request("GET", "/"))
        assert reply.status == status
        assert not reply.values("set-cookie")
        answered = served.answered()
        assert answered.failure is None
        assert answered.note == note

    def test_good_result_has_no_note(self, served: Served) -> None:
        reply = served.open().send(write_request("GET", "/"))
        assert (reply.status, reply.body) == (200, b"hello")
        assert served.answered().note == ""

    def test_function_compute_takes_octets_for_a_body(self, served: Served) -> None:
        reply = served.open("alibaba_fc3", result=b"\xff\x00").send(write_request("GET", "/"))
        assert (reply.status, reply.body) == (200, b"\xff\x00")


def answer(*headers: tuple[str, str], status: int = 200, body: bytes = b"hello") -> Any:
    """Let the cloud answer this, whatever the function's result."""
    return lambda response, arrival: Response(status, headers, body)


class TestResponse:
    def test_headers_go_out_in_order_with_repeats_and_octets(self, served: Served) -> None:
        headers = (("X-B", "1"), ("Set-Cookie", "a=1"), ("X-A", "caf\xe9"), ("Set-Cookie", "b=2"))
        reply = served.open(respond=answer(*headers)).send(write_request("GET", "/"))
        assert [pair for pair in reply.headers if pair[0] not in ("date", "content-length")] == [
            ("x-b", "1"),
            ("set-cookie", "a=1"),
            ("x-a", "caf\xe9"),
            ("set-cookie", "b=2"),
        ]
        assert reply.values("content-length") == ["5"]
        assert reply.body == b"hello"

    def test_what_latin1_does_not_hold_goes_out_as_utf8(self, served: Served) -> None:
        reply = served.open(respond=answer(("X-A", "\u4e2d"))).send(write_request("GET", "/"))
        assert reply.values("x-a") == ["\u4e2d".encode().decode("latin-1")]

    @pytest.mark.parametrize("status", [200, 201, 299, 404, 418, 500, 599])
    def test_status_is_exact(self, served: Served, status: int) -> None:
        reply = served.open(respond=answer(status=status)).send(write_request("GET", "/"))
        assert reply.status == status

    def test_nothing_of_the_servers_own_comes_twice(self, served: Served) -> None:
        headers = (
            ("Content-Length", "99"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Connection", "close"),
            ("Keep-Alive", "timeout=5"),
            ("Transfer-Encoding", "chunked"),
            ("Server", "cloud"),
        )
        with served.open(respond=answer(*headers)).wire.connected() as connection:
            for _ in range(2):
                connection.sendall(write_request("GET", "/"))
                reply = read_reply(connection)
                assert reply.body == b"hello"
                assert reply.values("content-length") == ["5"]
                assert reply.values("server") == ["cloud"]
                assert len(reply.values("date")) == 1
                assert "1970" not in reply.values("date")[0]
                for name in ("connection", "keep-alive", "transfer-encoding"):
                    assert reply.values(name) == []

    @pytest.mark.parametrize(
        ("headers", "body", "length"),
        [
            pytest.param((), b"hello", "5", id="body of the function"),
            pytest.param((("Content-Length", "42"),), b"", "42", id="length of the function"),
            pytest.param((("Content-Length", "many"),), b"", "0", id="no length"),
            pytest.param((("Content-Length", "42"),), b"hello", "5", id="both"),
        ],
    )
    def test_head_has_the_length_and_no_body(
        self, served: Served, headers: tuple[tuple[str, str], ...], body: bytes, length: str
    ) -> None:
        served.open(respond=answer(*headers, body=body))
        with served.wire.connected() as connection:
            for _ in range(2):
                connection.sendall(write_request("HEAD", "/"))
                reply = read_reply(connection, "HEAD")
                assert reply.status == 200
                assert reply.values("content-length") == [length]
        assert served.told.get(timeout=30).body_bytes == 0

    @pytest.mark.parametrize("status", [204, 304])
    def test_no_content_has_neither_body_nor_length(self, served: Served, status: int) -> None:
        served.open(respond=answer(("ETag", '"1"'), status=status))
        with served.wire.connected() as connection:
            for _ in range(2):
                connection.sendall(write_request("GET", "/"))
                reply = read_reply(connection)
                assert reply.status == status
                assert reply.values("etag") == ['"1"']
                assert reply.values("content-length") == []
                assert reply.values("transfer-encoding") == []

    def test_empty_body_has_its_length(self, served: Served) -> None:
        reply = served.open(respond=answer(body=b"")).send(write_request("GET", "/"))
        assert reply.values("content-length") == ["0"]

    def test_pipelined_requests_are_answered_in_order(self, served: Served) -> None:
        served.open(result={"statusCode": 200, "body": json.dumps("x" * 9)})
        octets = b"".join([write_request("POST", f"/{each}", body=b"b") for each in range(5)])
        with served.wire.connected() as connection:
            connection.sendall(octets)
            answers = b""
            while answers.count(b'"xxxxxxxxx"') < 5:
                answers += connection.recv(65536)
        assert [request.path for request in served.requests] == ["/0", "/1", "/2", "/3", "/4"]
