"""Ask a function as its clients do, through the gateway of a cloud."""

from __future__ import annotations

import json as json_module
from contextvars import ContextVar
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlencode, urljoin, urlsplit

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.http import dump_cookie, parse_cookie, parse_options_header
from werkzeug.test import Client, ClientRedirectError

from .. import __version__
from ..errors import OptionError
from ..percent import encode_path
from .cassettes import Cassette, read
from .gateway import Gateway
from .roundtrip import request_of_environ, respond

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Self

    from ..message import Response
    from ..timing import Timing
    from .gateway import Delivery

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
    # Octets, a text, an open file, or (file name, any of these[, content type]).
    File = Any

__all__ = ["GatewayClient", "GatewayResponse"]

# Of a call's headers, what its environ has of its own.
_OF_ENVIRON = {"host", "content-type", "content-length"}
_REDIRECTS = 20


class _Call:
    """What one call sends and gets beside its environ, redirects included."""

    def __init__(self, headers: list[tuple[str, str]], cookies: list[str]) -> None:
        # No environ can hold a name twice, or tell X_Y from X-Y.
        self.headers = headers
        self.cookies = cookies
        self.answers: list[GatewayResponse] = []


_CALL: ContextVar[_Call] = ContextVar("slsadapt_testing_call")


class GatewayClient:
    """Send requests to a function through one cloud's gateway.

    >>> client = GatewayClient(app, "tencent_apigw")
    >>> answer = client.post("/orders", json={"sku": 7})
    >>> answer.status_code, answer.json(), answer.event["requestContext"]

    Each request becomes the gateway's event, goes through JSON, and the function is called with
    a context as its platform passes one; what it returns is read as the gateway reads it. What
    the function raises is raised here. Cookies that answers set are sent again.

    Args:
        target: an application, a function of (event, context) such as ``wrap`` gives, or an
            import string of either, ``"shop:app"``.
        dialect: whose gateway it is, one of ``slsadapt.gateways.NAMES``.
        base_url: scheme, host and port of the requests, and what is in front of the application.
        stage: the gateway's deployment stage.
        user: who the gateway has authorized.
        client_address: where the requests come from.
        headers: sent with every request.
        options: ``context`` and ``told`` of ``Gateway``, and those of ``wrap`` for an application.

    Raises:
        OptionError: there is no such dialect, or a wrong option.
        InterfaceError: ``target`` is neither.
    """

    def __init__(
        self,
        target: Any,
        dialect: str = "aws_http",
        *,
        base_url: str = "https://localhost",
        stage: str = "",
        user: str | None = None,
        client_address: str = "127.0.0.1",
        headers: Pairs = (),
        **options: Any,
    ) -> None:
        if urlsplit(base_url).scheme not in ("http", "https"):
            raise OptionError(f"base_url begins with https:// or http://, got {base_url!r}")
        self.gateway = Gateway(target, dialect, **options)
        self.base_url = base_url
        own = Headers([("User-Agent", f"slsadapt/{__version__}"), ("Accept", "*/*")])
        self.headers = _joined(own, headers)
        self._stage = stage
        self._user = user
        self._client_address = client_address
        self._client = Client(self._answer)

    def __enter__(self) -> Self:
        """Start the function up."""
        getattr(self.gateway.function, "initialize", bool)()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self.close()

    def close(self) -> None:
        """Stop the function as the platform does: an application's shutdown runs."""
        self.gateway.close()

    def get(self, url: str, **request: Any) -> GatewayResponse:
        """Send a GET; see ``request``."""
        return self.request("GET", url, **request)

    def post(self, url: str, **request: Any) -> GatewayResponse:
        """Send a POST; see ``request``."""
        return self.request("POST", url, **request)

    def put(self, url: str, **request: Any) -> GatewayResponse:
        """Send a PUT; see ``request``."""
        return self.request("PUT", url, **request)

    def patch(self, url: str, **request: Any) -> GatewayResponse:
        """Send a PATCH; see ``request``."""
        return self.request("PATCH", url, **request)

    def delete(self, url: str, **request: Any) -> GatewayResponse:
        """Send a DELETE; see ``request``."""
        return self.request("DELETE", url, **request)

    def head(self, url: str, **request: Any) -> GatewayResponse:
        """Send a HEAD; see ``request``."""
        return self.request("HEAD", url, **request)

    def options(self, url: str, **request: Any) -> GatewayResponse:
        """Send an OPTIONS; see ``request``."""
        return self.request("OPTIONS", url, **request)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Pairs | str | None = None,
        headers: Pairs | None = None,
        cookies: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | bytes | str | None = None,
        json: Any = None,
        files: Mapping[str, File] | Sequence[tuple[str, File]] | None = None,
        follow_redirects: bool = False,
    ) -> GatewayResponse:
        """Send a request and return what the client receives.

        Args:
            method: ``"GET"``.
            url: a path below ``base_url``, or a whole URL; percent-encoded, or to be. ``//`` at
                its start is the path's.
            params: added to the query; a list as value repeats its key.
            headers: added to the client's own; one of the same name takes its place.
            cookies: sent this once, beside those kept; one of the same name takes its place.
            data: a form's fields, or the body itself.
            json: the body as a JSON value.
            files: uploaded by a multipart form: octets, a text or a file, or a tuple of file
                name, one of these and, if not by the name, the content type.
            follow_redirects: whether to ask on, as browsers do; ``history`` then has the rest.

        Raises:
            NotCarriedError: the gateway does not carry such a request.
            werkzeug.test.ClientRedirectError: redirects without an end.
            RuntimeError: a redirect to another host, which the function is not.
            Exception: what the function raises.
        """
        form = None if isinstance(data, (bytes, str)) else data
        if (json is not None and (data is not None or files)) or (files and form is not data):
            raise OptionError("a request has one body: data, or a form's data and files, or json")
        # urlsplit would take the path's // for a host's.
        parts = urlsplit(f"//_{url}" if url.startswith("//") else url)
        path, query = f"/{parts.path.removeprefix('/')}", parts.query
        if isinstance(params, str):
            query = "&".join(filter(None, (query, params)))
        elif params:
            query = "&".join(filter(None, (query, urlencode(_pairs(params), doseq=True))))
        sent = _joined(self.headers, headers) if headers else self.headers
        own: list[tuple[str, str]] = []
        beside: list[tuple[str, str]] = []
        once: list[str] = []
        for name, value in sent:
            if (lower := name.lower()) == "cookie":
                once += _cookie_pairs([value])
            else:
                (own if lower in _OF_ENVIRON else beside).append((name, value))
        once += [dump_cookie(name, each, path=None) for name, each in (cookies or {}).items()]
        body: dict[str, Any] = {}
        if files or form is not None:
            body["data"] = fields = _fields(form or {})
            for name, file in _pairs(files or {}):
                fields.add(name, _upload(name, file))
        elif data is not None:
            body["data"] = data
        elif json is not None:
            body["data"] = json_module.dumps(json, ensure_ascii=False).encode()
            if "content-type" not in sent:
                body["content_type"] = "application/json"
        call = _Call(beside, once)
        token = _CALL.set(call)
        try:
            self._client.open(
                path,
                method=method.upper(),
                base_url=f"{parts.scheme}://{parts.netloc}" if parts.scheme else self.base_url,
                query_string=query,
                headers=own,
                # Octets that are no UTF-8, or a second / at the start, werkzeug would lose.
                environ_overrides={"PATH_INFO": unquote_to_bytes(path).decode("latin-1")},
                follow_redirects=follow_redirects,
                **body,
            )
        finally:
            _CALL.reset(token)
        *history, answer = call.answers
        answer.history = history
        return answer

    def replay(self, case: Any, context: Any = None) -> GatewayResponse:
        """Send an event as it was recorded, whichever gateway it is of.

        Args:
            case: the event, an object too, a cassette, or the path of a file that holds one of
                them.
            context: as the function gets it; None makes one, with what was recorded of it.

        Raises:
            BadEventError: neither a cassette nor an event of a gateway or a trigger.
            OptionError: a file of none or several.
        """
        if isinstance(case, (str, Path)):
            cassettes = read(case)
            if len(cassettes) != 1:
                raise OptionError(f"{case} holds {len(cassettes)} events; replay takes one")
            (cassette,) = cassettes
        else:
            cassette = Cassette.of(case) if isinstance(case, dict) else Cassette(case)
        delivery = self.gateway.replay(cassette.event, context, fields=cassette.context)
        return GatewayResponse(delivery)

    def get_cookie(self, name: str, domain: str | None = None, path: str = "/") -> str | None:
        """Give the value of a cookie that is kept, None where there is none."""
        cookie = self._client.get_cookie(name, domain or self._host, path)
        return None if cookie is None else cookie.decoded_value

    def set_cookie(self, name: str, value: str, domain: str | None = None, path: str = "/") -> None:
        """Keep a cookie as if an answer had set it."""
        self._client.set_cookie(name, value, domain=domain or self._host, path=path)

    def delete_cookie(self, name: str, domain: str | None = None, path: str = "/") -> None:
        """Keep a cookie no longer."""
        self._client.delete_cookie(name, domain=domain or self._host, path=path)

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).hostname or "localhost"

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Do as a server on the other side of the gateway would."""
        call = _CALL.get()
        if len(call.answers) > _REDIRECTS:
            raise ClientRedirectError(f"more than {_REDIRECTS} redirects")
        environ["REMOTE_ADDR"] = self._client_address
        if self._user is not None:
            environ["REMOTE_USER"] = self._user
        if call.cookies:
            kept = _cookie_pairs([environ.get("HTTP_COOKIE", "")])
            once = {_cookie_name(pair) for pair in call.cookies}
            kept = [pair for pair in kept if _cookie_name(pair) not in once]
            environ["HTTP_COOKIE"] = "; ".join([*kept, *call.cookies])
        request = request_of_environ(environ, call.headers, self._stage)
        answer = GatewayResponse(self.gateway.deliver(request))
        call.answers.append(answer)

        def start_resolved(status: str, headers: list[tuple[str, str]]) -> None:
            # werkzeug's client asks on at the server's root, whatever the page.
            resolved = [
                (name, urljoin(answer.url, value) if name.lower() == "location" else value)
                for name, value in headers
            ]
            start_response(status, resolved)

        moved = 300 <= answer.status_code < 400
        return respond(answer.delivery, start_resolved if moved else start_response)


class GatewayResponse:
    """What a client receives, and how it came about.

    Attributes:
        delivery: the event and its way.
        history: the answers that led here by redirects.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.history: list[GatewayResponse] = []

    def __repr__(self) -> str:
        status = self.delivery.response.status if self.delivery.response else "no response"
        return f"<{type(self).__name__} [{status}]>"

    @property
    def url(self) -> str:
        """Give what was asked for, ``""`` where an event was replayed."""
        if (request := self.delivery.request) is None:
            return ""
        host = next(value for name, value in request.headers if name == "host")
        query = f"?{request.query}" if request.query else ""
        return f"{request.scheme}://{host}{encode_path(request.root_path)}{request.path}{query}"

    @property
    def status_code(self) -> int:
        """Give the status, ``200``."""
        return self._response.status

    @cached_property
    def headers(self) -> Headers:
        """Give the headers, by name in any case; ``getlist`` gives all of one name."""
        return Headers(self._response.headers)

    @property
    def content(self) -> bytes:
        """Give the body's octets."""
        return self._response.body

    @property
    def text(self) -> str:
        """Give the body as text, in the charset that the content type names, or UTF-8."""
        _, options = parse_options_header(self.headers.get("content-type"))
        return self.content.decode(options.get("charset", "utf-8"), "replace")

    def json(self) -> Any:
        """Give the value of a JSON body.

        Raises:
            ValueError: the body is no JSON.
        """
        return json_module.loads(self.content)

    @property
    def cookies(self) -> dict[str, str]:
        """Give the cookies that this answer sets, values by name, the last of each."""
        pairs = [line.partition(";")[0] for line in self.headers.getlist("set-cookie")]
        return dict(parse_cookie("; ".join(pairs)).items(multi=True))

    @property
    def event(self) -> Any:
        """Give the event, as the function got it."""
        return self.delivery.event

    @property
    def context(self) -> Any:
        """Give the context, as the function got it."""
        return self.delivery.context

    @property
    def result(self) -> Any:
        """Give what the function returned, as it came through JSON."""
        return self.delivery.result

    @property
    def timing(self) -> Timing:
        """Tell how long it took: all phases where an application was given, else the whole."""
        return self.delivery.timing

    @property
    def _response(self) -> Response:
        if self.delivery.response is None:
            raise AttributeError("the event is no HTTP request, so there is a result alone")
        return self.delivery.response


def _pairs(fields: Any) -> list[tuple[str, Any]]:
    return [*(fields.items() if hasattr(fields, "items") else fields)]


def _joined(own: Headers, more: Pairs) -> Headers:
    """Put headers of one call in the place of the client's own."""
    joined = own.copy()
    joined.update(Headers(more))
    return joined


def _cookie_pairs(lines: Iterable[str]) -> list[str]:
    """Take Cookie headers apart, as written: ``["sid=1", "lang=zh"]``."""
    pairs = [pair.strip() for line in lines for pair in line.split(";")]
    return [pair for pair in pairs if pair]


def _cookie_name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _fields(data: Pairs) -> MultiDict[str, Any]:
    """Write form fields as werkzeug takes them, a list as several of one name."""
    fields: MultiDict[str, Any] = MultiDict()
    for name, value in _pairs(data):
        for each in value if isinstance(value, (list, tuple)) else [value]:
            fields.add(name, each.decode() if isinstance(each, bytes) else str(each))
    return fields


def _upload(name: str, file: File) -> tuple[Any, ...]:
    """Write a file to upload as werkzeug takes it: (stream, file name[, content type])."""
    file_name, content, *content_type = file if isinstance(file, tuple) else (None, file)
    if file_name is None:
        file_name = Path(getattr(content, "name", name)).name
    if isinstance(content, str):
        content = content.encode()
    return (BytesIO(content) if isinstance(content, bytes) else content, file_name, *content_type)
