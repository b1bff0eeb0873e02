"""Secrets go, their places stay, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slsadapt.testing.redact import REDACTED, redacted
from tests.conftest import EVENTS, load_case

# Nobody's, but of the vendors' form.
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLWl0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "HTTP_AUTHORIZATION",
        "X-Api-Key",
        "apiKey",
        "access_token",
        "X-Amz-Security-Token",
        "Postman-Token",
        "X-CSRFToken",
        "_csrf",
        "XSRF-TOKEN",
        "client_secret",
        "accessKeySecret",
        "X-Scf-Secret-Id",
        "access_key_id",
        "password",
        "new_passwd",
        "PGPASSWORD",
        "db_pwd",
        "smtp-pass",
        "X-Amz-Signature",
        "X-Hub-Signature-256",
        "X-Amz-Credential",
        "private_key",
        "Ocp-Apim-Subscription-Key",
        "X-Functions-Key",
        "X-Require-Whisk-Auth",
        "sessionid",
        "PHPSESSID",
        "session",
        "sig",
        "otp",
        "user[password]",
    ],
)
def test_secret_is_told_by_its_name(name: str) -> None:
    assert redacted({name: "hunter2"}) == ({name: REDACTED}, [name])
    assert redacted({"map": {name: ["a b", "c"]}}, at="event") == (
        {"map": {name: [REDACTED, REDACTED]}},
        [f"event.map.{name}.0", f"event.map.{name}.1"],
    )
    assert redacted(f"page=2&{name}=hunter2&last=1") == (f"page=2&{name}={REDACTED}&last=1", [""])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amzn-trace-id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
        ("requestId", "JKJaXmPLvHcESHA="),
        ("apiKeyId", "abc123"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Headers", "Authorization, X-Api-Key"),
        ("token_use", "access"),
        ("token_type", "Bearer"),
        ("token_endpoint", "https://login.example.com/token"),
        ("expires_in", 3600),
        ("SignatureVersion", "1"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("max_tokens", 4096),
        ("hasPassword", True),
        ("password", None),
        ("password", ""),
        ("routeKey", "GET /items"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("principalId", "AIDACKCEVSQ6C2EXAMPLE"),
        ("author", "Ann"),
        ("bypassed", "no"),
        ("cookiePolicy", "strict"),
        ("text", "a bearer of news, a basic thing; the key: 5 = five"),
        ("url", "https://example.com:8443/a@b?page=2&sort=name#top"),
        ("text", '{"name": "Ann",  "tags": ["a", "b"]}'),
        ("text", "{not JSON at all}"),
        ("style", "a{color:red;margin=3}"),
    ],
)
def test_what_is_no_secret_stays(name: str, value: object) -> None:
    assert redacted({name: value}) == ({name: value}, [])


def test_claims_of_an_authorizer_stay() -> None:
    claims = {"sub": "7f3e", "email": "ann@example.com", "scope": "read", "token_use": "id"}
    event = {"requestContext": {"authorizer": {"jwt": {"claims": {**claims, "sid": "55e2"}}}}}
    copy, paths = redacted(event, at="event")
    assert copy["requestContext"]["authorizer"]["jwt"]["claims"] == {**claims, "sid": REDACTED}
    assert paths == ["event.requestContext.authorizer.jwt.claims.sid"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            {"credentials": {"id": "a", "keys": ["b"], "expires": 5, "ok": True}},
            {"credentials": {"id": REDACTED, "keys": [REDACTED], "expires": REDACTED, "ok": True}},
            id="all of an object",
        ),
        pytest.param({"password": 1234}, {"password": REDACTED}, id="a number"),
        pytest.param({"pin": 12.5}, {"pin": REDACTED}, id="a number of a weak name"),
        pytest.param(
            {"session": {"theme": "dark", "csrf": "x"}},
            {"session": {"theme": "dark", "csrf": REDACTED}},
            id="a session by its names",
        ),
        pytest.param(
            {"headers": [{"key": "Authorization", "value": "a"}, {"key": "Via", "value": "b"}]},
            {
                "headers": [
                    {"key": "Authorization", "value": REDACTED},
                    {"key": "Via", "value": "b"},
                ]
            },
            id="key and value",
        ),
        pytest.param(
            {"authorization": [{"key": "Authorization", "value": "a"}]},
            {"authorization": [{"key": "Authorization", "value": REDACTED}]},
            id="key and value below their name",
        ),
        pytest.param(
            {"fields": [{"name": "token", "value": "a"}]},
            {"fields": [{"name": "token", "value": REDACTED}]},
            id="name and value",
        ),
        pytest.param(
            {"credentials": {"key": "not a name", "value": "b"}},
            {"credentials": {"key": REDACTED, "value": REDACTED}},
            id="key that is no name",
        ),
        pytest.param(("a", {"token": "b"}), ["a", {"token": REDACTED}], id="tuple"),
        pytest.param({1: {"token": "b"}}, {"1": {"token": REDACTED}}, id="key that is no text"),
        pytest.param({"x-eyJust-a-name": 1}, {"x-eyJust-a-name": 1}, id="key"),
        pytest.param({JWT: 1}, {REDACTED: 1}, id="key that is a secret"),
    ],
)
def test_shape_stays(value: object, expected: object) -> None:
    assert redacted(value)[0] == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Cookie", "sid=abc; theme=dark", "sid=[redacted]; theme=[redacted]"),
        ("cookie", "sid=a=b; last;", "sid=[redacted]; [redacted]"),
        ("cookie", "bm9uYW1l=", "[redacted]"),
        ("HTTP_COOKIE", "a=1", "a=[redacted]"),
        (
            "Set-Cookie",
            "sid=abc; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly",
            "sid=[redacted]; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly",
        ),
        ("sEt-cookie", "a=1; samesite=lax; odd=5", "a=[redacted]; samesite=lax; odd=[redacted]"),
        ("set-cookie", "a=1; Path=/, b=2; Secure", "a=[redacted]; Path=[redacted]; Secure"),
        ("cookies", ["a=1", "b=2"], ["a=[redacted]", "b=[redacted]"]),
        ("cookies", ["a=1; Path=/; Secure"], ["a=[redacted]; Path=/; Secure"]),
        ("cookies", {"a": "1=2"}, {"a": "[redacted]"}),
        (
            "cookie",
            [{"key": "Cookie", "value": "a=1"}],
            [{"key": "Cookie", "value": "a=[redacted]"}],
        ),
    ],
)
def test_cookies_keep_their_names(name: str, value: object, expected: object) -> None:
    assert redacted({name: value})[0] == {name: expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("token=a&b=1", "token=[redacted]&b=1", id="query"),
        pytest.param("b=1&flag&token=a,b;c+d%20", "b=1&flag&token=[redacted]", id="last, with ;"),
        pytest.param("token=a;b=1", "token=[redacted];b=1", id="semicolons"),
        pytest.param("%74oken=a&b", "%74oken=[redacted]&b", id="encoded name"),
        pytest.param("access%5Ftoken=a", "access%5Ftoken=[redacted]", id="encoded underscore"),
        pytest.param("token=&b=", "token=&b=", id="empty"),
        pytest.param(
            "https://a.example/b?token=x#id_token=y",
            "https://a.example/b?token=[redacted]#id_token=[redacted]",
            id="URL",
        ),
        pytest.param(
            "next=https%3A%2F%2Fa.example%2Fb%3Ftoken%3Dabc%26page%3D2&x=1",
            "next=https%3A%2F%2Fa.example%2Fb%3Ftoken%3D%5Bredacted%5D%26page%3D2&x=1",
            id="URL in a query",
        ),
        pytest.param("sent token=abc to it", "sent token=[redacted] to it", id="sentence"),
        pytest.param(
            "Credential=x/y/aws4_request, SignedHeaders=host, Signature=ab12",
            "Credential=[redacted] SignedHeaders=host, Signature=[redacted]",
            id="signed request",
        ),
        pytest.param(
            '{"a": 1, "secret": {"b": "c"}}',
            '{"a": 1, "secret": {"b": "[redacted]"}}',
            id="JSON",
        ),
        pytest.param(
            '"{\\"pin\\": \\"1\\"}"', '"{\\"pin\\": \\"[redacted]\\"}"', id="JSON in JSON"
        ),
        pytest.param(
            '{"token": "a", "b": 1}\n{"token": 5}\n',
            '{"token": "[redacted]", "b": 1}\n{"token": "[redacted]"}\n',
            id="JSON Lines",
        ),
        pytest.param(
            "{'token': 'it\\'s', 'b': 1}", "{'token': \"[redacted]\", 'b': 1}", id="Python"
        ),
        pytest.param('{"a": {"token": "abc', '{"a": {"token": "[redacted]"', id="JSON, cut off"),
        pytest.param(
            '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nhun\r\nter2\r\n'
            '--x\r\nContent-Disposition: form-data; name="n"; filename="token"\r\n\r\nv\r\n'
            "--x--\r\n",
            '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n[redacted]\r\n'
            '--x\r\nContent-Disposition: form-data; name="n"; filename="token"\r\n\r\nv\r\n'
            "--x--\r\n",
            id="multipart form",
        ),
        pytest.param(f"got {JWT}.", "got [redacted]", id="JSON Web Token"),
        pytest.param(f"sid_{JWT}", "[redacted]", id="JSON Web Token behind something"),
        pytest.param("/verify/HeyJoanna.mp3", "/verify/HeyJoanna.mp3", id="no JSON Web Token"),
        pytest.param(JWT[:40], "[redacted]", id="JSON Web Token, cut off"),
        pytest.param(f"/verify/{JWT}/now", "/verify/[redacted]/now", id="within a path"),
        pytest.param("Bearer abcdef12345", "Bearer [redacted]", id="bearer"),
        pytest.param("bearer abcdefghijklmnopqrstuv", "bearer [redacted]", id="bearer, letters"),
        pytest.param("Basic dXNlcjpwYXNz", "Basic [redacted]", id="name and password"),
        pytest.param("id AKIAIOSFODNN7EXAMPLE", "id [redacted]", id="AWS"),
        pytest.param("ASIAIOSFODNN7EXAMPLE", "[redacted]", id="AWS, for a time"),
        pytest.param("AKIDz8krbsJ5yKBZQpn74WFkmLPx3", "[redacted]", id="Tencent"),
        pytest.param("LTAI4FoDfakeFakeFakeFake", "[redacted]", id="Alibaba"),
        pytest.param("STS.NUdfakeFakeFakeFakeFake", "[redacted]", id="Alibaba, for a time"),
        pytest.param("AIzaSyA-fake_fake_fake_fake_fake_fake_9", "[redacted]", id="Google"),
        pytest.param("a_ghp_fakefakefakefakefakefakefakefake", "a_[redacted]", id="GitHub"),
        pytest.param("github_pat_11FAKE_fakefakefakefake", "[redacted]", id="GitHub, new"),
        pytest.param("glpat-fakefakefakefakefake", "[redacted]", id="GitLab"),
        pytest.param("xoxb-1234-5678-fake", "[redacted]", id="Slack"),
        pytest.param(
            "https://hooks.slack.com/services/T0/B0/fake",
            "https://hooks.slack.com/services/[redacted]",
            id="Slack hook",
        ),
        pytest.param("sk_live_fakefakefake", "[redacted]", id="Stripe"),
        pytest.param("sk-fakefakefakefakefake", "[redacted]", id="OpenAI"),
        pytest.param("desk-with-two-long-drawers", "desk-with-two-long-drawers", id="desk"),
        pytest.param(f"a\n{PEM}\nb", "a\n[redacted]\nb", id="private key"),
        pytest.param(PEM[:40], "[redacted]", id="private key, cut off"),
        pytest.param(
            "redis://:p%40ss@host/0", "redis://:[redacted]@host/0", id="password in a URL"
        ),
        pytest.param("a://b:c@d", "a://b:[redacted]@d", id="shortest URL with a password"),
    ],
)
def test_secret_in_a_text(text: str, expected: str) -> None:
    assert redacted(text)[0] == expected
    assert redacted({"note": text})[0] == {"note": expected}


def test_environment_as_one_text() -> None:
    environ = "REGION=ap-guangzhou;DB_PASSWORD=a b&c;d;SCF_X=1;TENCENTCLOUD_SECRETKEY=xyz"
    expected = (
        "REGION=ap-guangzhou;DB_PASSWORD=[redacted];SCF_X=1;TENCENTCLOUD_SECRETKEY=[redacted]"
    )
    assert redacted({"environ": environ}) == ({"environ": expected}, ["environ"])
    assert redacted({"environ": {"A": "1", "A_TOKEN": "2", "N": 5}}) == (
        {"environ": {"A": "1", "A_TOKEN": REDACTED, "N": 5}},
        ["environ.A_TOKEN"],
    )


def test_json_in_a_text_tells_the_inner_path() -> None:
    environment = '{"SCF_NAMESPACE": "默认", "TENCENTCLOUD_SESSIONTOKEN": "x"}'
    assert redacted({"environment": environment}, at="context") == (
        {
            "environment": '{"SCF_NAMESPACE": "默认", "TENCENTCLOUD_SESSIONTOKEN": "[redacted]"}',
        },
        ["context.environment.TENCENTCLOUD_SESSIONTOKEN"],
    )


def test_further_names_are_secret() -> None:
    value = {"X-My-Secret-Id": "a", "iban": "b", "query": "IBAN=b&x=1", "ibans": "c"}
    assert redacted(value, ["IBAN"])[0] == {
        "X-My-Secret-Id": REDACTED,
        "iban": REDACTED,
        "query": "IBAN=[redacted]&x=1",
        "ibans": "c",
    }


def test_argument_is_not_changed() -> None:
    value = {"headers": {"Authorization": "a", "list": [{"token": "b"}]}}
    before = json.dumps(value)
    redacted(value)
    assert json.dumps(value) == before


def test_too_deep_json_in_a_text_is_a_text() -> None:
    text = "[" * 100_000
    assert redacted(text) == (text, [])


RECORDED = sorted(
    str(path.relative_to(EVENTS).with_suffix(""))
    for path in EVENTS.glob("*/*.json")
    if not path.name.endswith(".request.json")
)
# Every name in the recorded events whose value is taken for a secret.
SECRETS = {
    "Authorization",
    "authorization",
    "authorizationToken",
    "accessKey",
    "apiKey",
    "cookie",
    "cookies",
    "Cookie",
    "Postman-Token",
    "secretId",
    "Signature",
    "X-Scf-Secret-Id",
    "X-Scf-Secret-Key",
    "X-Scf-Session-Token",
    "x-fc-access-key-id",
    "x-fc-access-key-secret",
    "x-fc-security-token",
}


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_events_lose_their_secrets_alone(case: str) -> None:
    event: Any = load_case(case).get("event")
    copy, paths = redacted(event)
    assert [path for path in paths if not SECRETS & {*path.split(".")}] == []
    assert redacted(copy) == (copy, [])
