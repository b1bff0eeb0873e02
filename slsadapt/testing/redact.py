"""Take secrets out of what is recorded, and leave its shape.

What is a secret shows in its name, wherever a name is: a key of an object, a parameter of a query
or form, a variable of an environment, in JSON that stands in a text as well. Upper case and
punctuation do not count: ``X-Api-Key``, ``x_api_key`` and ``xApiKey`` are one name. Some secrets
show by themselves, in any text: keys of clouds, JSON Web Tokens, bearer tokens, private keys,
passwords within URLs.

Nothing tells what stands under an innocent name and looks like any other text, such as a token
within a path: name such fields, or leave them out of what is recorded.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache
from urllib.parse import quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    JSON = dict[str, Any]

__all__ = ["REDACTED", "redacted"]

# Stands where a secret was, alone or as part of a text: ``"sid=[redacted]; theme=[redacted]"``.
REDACTED = "[redacted]"

# Names, of which letters and digits alone are left. Whatever has one of these in its name is a
# secret, all of it where it is an object;
_PARTS = (
    "accesskey",
    "apikey",
    "authorization",
    "credential",
    "csrf",
    "jsessionid",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "sessionid",
    "sessid",
    "signature",
    "token",
    "xsrf",
)
# texts and numbers whose name ends so,
_ENDS = (
    "accountkey",
    "auth",
    "encryptionkey",
    "functionskey",
    "masterkey",
    "pass",
    "pwd",
    "session",
    "sharedkey",
    "signingkey",
    "subscriptionkey",
)
# or is one of these.
_WHOLE = frozenset({"connectsid", "jwt", "otp", "pin", "sid", "sig"})
# What says something about a secret: apiKeyId, token_use, token_endpoint, SignatureVersion.
_ABOUT = (
    "algorithm",
    "apikeyid",
    "endpoint",
    "expiresat",
    "expiresin",
    "method",
    "type",
    "use",
    "version",
)
# A value that is none: "Access-Control-Allow-Credentials: true".
_NO_SECRETS = frozenset({"", "true", "false", "null", "none", REDACTED})

# What a name says of its value: nothing; all of it is secret; it is unless it is an object, whose
# own names tell; it is a text that is secret in part.
_OPEN, _SECRET, _SECRET_TEXT = "", "secret", "secret text"
_COOKIE, _SET_COOKIE, _ENVIRON = "cookie", "set-cookie", "environ"

# RFC 6265 5.2, and what browsers added.
_COOKIE_ATTRIBUTES = frozenset(
    {
        "domain",
        "expires",
        "httponly",
        "max-age",
        "partitioned",
        "path",
        "priority",
        "samesite",
        "secure",
    }
)

# A name and what it is given, in a query, a form or a sentence. A semicolon ends the value if a
# name follows. Each run of characters is looked at once: the texts are anybody's.
_PAIR = re.compile(r"(?<![^\s&;=?#])([^\s&;=?#]+)=([^\s&;#]*(?:;(?![^\s&;=?#]*=)[^\s&;#]*)*)")
# The same of an environment as one text, NAME=value;NAME=value, where values hold anything.
_VARIABLE = re.compile(r"(?:^|(?<=;))([A-Za-z_][A-Za-z0-9_]*)=((?:[^;]|;(?![A-Za-z_]\w*=))*)")
# A name and its value in what is nearly JSON: JSON Lines, Python, JSON that was cut off.
_QUOTED = re.compile(
    r"""(?P<start>(["'])(?P<name>[^"'\\]{1,64})\2\s*[:=]\s*)"""
    r"""(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|-?[0-9][0-9.eE+-]*)""",
    re.DOTALL,
)
# The name of a field in its part of a multipart form (RFC 7578 4.2).
_FIELD_NAME = re.compile(r"""\bname="?([^"\r\n;]*)""", re.IGNORECASE)

# Texts that are secrets whatever their name: one of the marks stands in each, and what ``start``
# and ``end`` match stays.
_PATTERNS: tuple[tuple[list[str], re.Pattern[str]], ...] = tuple(
    (marks.split(), re.compile(pattern, re.DOTALL))
    for marks, pattern in (
        # JSON Web Tokens, signed (three parts) or encrypted (five): RFC 7515, RFC 7516. Load
        # balancers of AWS pad the parts. With something in front of it all parts must be there,
        # for HeyJoanna.mp3 is a name.
        (
            "eyJ",
            r"(?<![\w-])(?:eyJ[\w-]{4,}=*(?:\.[\w-]*=*){1,4}"
            r"|(?=[\w-]*eyJ[\w-]{4})[\w-]+=*(?:\.[\w-]*=*){2,4})",
        ),
        # Keys: AWS, Tencent, Alibaba, Google, GitHub, GitLab, Slack, Stripe, OpenAI.
        ("AKIA ASIA ABIA ACCA", r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12,}"),
        ("AKID", r"(?<![A-Za-z0-9])AKID[A-Za-z0-9]{16,}"),
        ("LTAI STS.", r"(?<![A-Za-z0-9])(?:LTAI|STS\.)[A-Za-z0-9]{12,}"),
        ("AIza ya29.", r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|ya29\.[\w-]{16,})"),
        (
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat-",
            r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,})",
        ),
        ("xox xapp-", r"(?<![A-Za-z0-9])(?:xox[a-z]|xapp)-[\w-]{10,}"),
        ("sk_ rk_ sk-", r"(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)_\w{10,}|sk-[\w-]{16,})"),
        ("hooks.slack.com", r"(?P<start>hooks\.slack\.com/services/)[\w/-]+"),
        (
            "PRIVATE",
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        ),
        # RFC 6750. A word behind "bearer" is no token.
        (
            "earer EARER",
            r"(?P<start>(?i:\bbearer)\s+)(?=[\w.~+/=-]*[0-9]|[\w.~+/=-]{20})[\w.~+/=-]{8,}",
        ),
        # RFC 3986 3.2.1.
        ("://", r"(?P<start>://[^\s/?#:@]*:)[^\s/?#]+(?P<end>@)"),
    )
)
# RFC 7617, where what follows is base64 of a name and a password.
_BASIC = re.compile(r"(?P<start>(?i:\bbasic)\s+)([A-Za-z0-9+/]{4,}={0,2})")
# The shortest of them, "a://b:c@d"; and keys shorter than this are names.
_LEAST_PATTERN, _LEAST_KEY = 9, 16
# A name is known by its end; longer ones are not kept in the cache.
_MOST_NAME = 64


def redacted(value: Any, names: Iterable[str] = (), at: str = "") -> tuple[Any, list[str]]:
    """Copy JSON without its secrets.

    Args:
        value: anything that JSON can hold, also with other objects in it, which stay.
        names: of further fields, headers and parameters that are secret.
        at: where the value stands, for the paths.

    Returns:
        (the copy, the dotted paths of what was changed, in which a number stands for a member of
        a list). Secrets are ``REDACTED``, whatever they were; true, false and null stay.
    """
    redaction = _Redaction(frozenset(map(_letters, names)))
    copy = redaction.walk(value, at, _OPEN)
    return copy, redaction.paths


class _Redaction:
    """One call of ``redacted``."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.paths: list[str] = []

    def walk(self, value: Any, at: str, kind: str) -> Any:
        """Copy a value, which is of a kind by the name of what it is in."""
        if isinstance(value, str):
            return self.text(value, at, kind)
        if isinstance(value, dict):
            return self.object(value, at, kind)
        if isinstance(value, (list, tuple)):
            return [self.walk(each, f"{at}.{index}", kind) for index, each in enumerate(value)]
        if (
            kind
            and kind != _ENVIRON
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
        ):
            self.paths.append(at)
            return REDACTED
        return value

    def object(self, fields: dict[Any, Any], at: str, kind: str) -> JSON:
        """Copy an object, whose names tell what is secret unless all of it is."""
        # {"key": "Cookie", "value": "..."}, as some write headers and fields.
        name = fields.get("key", fields.get("name"))
        pair = _kind(name, self.names) if isinstance(name, str) and "value" in fields else _OPEN
        if pair or kind in (_SECRET_TEXT, _ENVIRON):
            kind = _OPEN
        elif kind:
            kind = _SECRET
        copy: JSON = {}
        for key, value in fields.items():
            key = key if isinstance(key, str) else str(key)
            if len(key) >= _LEAST_KEY:
                key = _without_patterns(key)
            own = kind or (pair if key == "value" and pair else _kind(key, self.names))
            if type(value) in (int, float) and _letters(key).endswith("tokens"):
                # Counts them.
                own = _OPEN
            copy[key] = self.walk(value, f"{at}.{key}" if at else key, own)
        return copy

    def text(self, text: str, at: str, kind: str) -> str:
        """Copy a text, all of which is secret or what is found in it."""
        if kind in (_OPEN, _ENVIRON):
            found = self.json(text, at)
            if found is not None:
                return found
            changed = self.pairs(text, _VARIABLE if kind else _PAIR)
        elif text.lower() in _NO_SECRETS:
            return text
        elif kind == _COOKIE:
            cookies = [cookie for cookie in text.split(";") if cookie.strip()]
            changed = "; ".join(map(_without_value, cookies))
        elif kind == _SET_COOKIE:
            changed = _set_cookie(text)
        else:
            changed = REDACTED
        if changed != text:
            self.paths.append(at)
        return changed

    def json(self, text: str, at: str) -> str | None:
        """Copy a text that is JSON, or give None."""
        if text.lstrip()[:1] not in ("{", "[", '"'):
            return None
        try:
            value = json.loads(text)
            known = len(self.paths)
            copy = self.walk(value, at, _OPEN)
            # As it was, with its own spaces, unless it has to be written anew.
            return text if len(self.paths) == known else json.dumps(copy, ensure_ascii=False)
        except (ValueError, RecursionError):
            return None

    def pairs(self, text: str, pattern: re.Pattern[str]) -> str:
        """Copy a text in which names are given values, or which is a secret by itself."""
        if "=" in text:
            text = pattern.sub(self._pair, text)
        if '"' in text or "'" in text:
            text = _QUOTED.sub(self._quoted, text)
        if text.startswith("--"):
            boundary = text.partition("\n")[0].rstrip("\r")
            text = boundary.join(map(self._form_part, text.split(boundary)))
        return _without_patterns(text)

    def _pair(self, found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        kind = _kind(unquote(name) if "%" in name else name, self.names)
        if kind and value.strip("=") and value.lower() not in _NO_SECRETS:
            return f"{name}={REDACTED}"
        if "%" in value and "%3" in value:
            # A URL in a query.
            inner = unquote(value)
            if (changed := self.pairs(inner, _PAIR)) != inner:
                return f"{name}={quote(changed, safe='')}"
        return found[0]

    def _quoted(self, found: re.Match[str]) -> str:
        if not _kind(found["name"], self.names):
            return found[0]
        return f'{found["start"]}"{REDACTED}"'

    def _form_part(self, part: str) -> str:
        """Copy one part of a multipart form, without its value if that is secret."""
        end = "\r\n" if "\r\n" in part else "\n"
        head, blank, value = part.partition(end * 2)
        found = _FIELD_NAME.search(head)
        if not value or found is None or not _kind(found[1], self.names):
            return part
        return f"{head}{blank}{REDACTED}{end}"


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _kind(name: str, names: frozenset[str]) -> str:
    """Tell what a field of this name holds."""
    return _kind_of_end(name[-_MOST_NAME:], names)


@lru_cache(maxsize=1024)
def _kind_of_end(name: str, names: frozenset[str]) -> str:
    letters = _letters(name)
    if letters in names:
        return _SECRET
    # A list of cookies holds one in each member: of a request its pair, of a response its line.
    if letters.endswith(("setcookie", "cookies")):
        return _SET_COOKIE
    if letters.endswith("cookie"):
        return _COOKIE
    if letters == "environ":
        return _ENVIRON
    # What CORS says of headers and credentials is for everybody.
    if letters.startswith("accesscontrol") or letters.endswith(_ABOUT):
        return _OPEN
    if any(part in letters for part in _PARTS):
        return _SECRET
    return _SECRET_TEXT if letters in _WHOLE or letters.endswith(_ENDS) else _OPEN


def _without_value(cookie: str) -> str:
    """Leave of ``name=value`` the name; a cookie without either is a value."""
    name, _, value = cookie.strip().partition("=")
    return f"{name}={REDACTED}" if name and value.strip("=") else REDACTED


def _set_cookie(line: str) -> str:
    """Leave of ``Set-Cookie`` the cookie's name and its attributes."""
    cookie, *attributes = line.split(";")
    kept = [_without_value(cookie)]
    for attribute in attributes:
        name, _, value = attribute.strip().partition("=")
        # An equals sign belongs to the next cookie, where several were joined.
        known = name.lower() in _COOKIE_ATTRIBUTES and "=" not in value
        kept.append(attribute.strip() if known else _without_value(attribute))
    return "; ".join(kept)


def _without_patterns(text: str) -> str:
    """Replace what is a secret whatever its name."""
    if len(text) < _LEAST_PATTERN:
        return text
    for marks, pattern in _PATTERNS:
        for mark in marks:
            if mark in text:
                text = pattern.sub(_kept, text)
                break
    if "asic " in text or "ASIC " in text:
        text = _BASIC.sub(_without_basic, text)
    return text


def _kept(found: re.Match[str]) -> str:
    around = found.groupdict()
    return f"{around.get('start') or ''}{REDACTED}{around.get('end') or ''}"


def _without_basic(found: re.Match[str]) -> str:
    try:
        is_password = b":" in a2b_base64(found[2])
    except (Base64Error, ValueError):
        is_password = False
    return f"{found['start']}{REDACTED}" if is_password else found[0]
