"""What both engines let through of the headers."""

from __future__ import annotations

import pytest

from slsadapt import ApplicationError
from slsadapt.engines.headers import check_response_headers, is_dropped


@pytest.mark.parametrize("name", ["proxy", "x_real_ip", "content_length", "_", "x-a_b"])
def test_header_that_would_pass_for_another_is_dropped(name: str) -> None:
    assert is_dropped(name)


@pytest.mark.parametrize("name", ["proxy-connection", "x-proxy", "proxy-authorization", "host"])
def test_other_header_is_kept(name: str) -> None:
    assert not is_dropped(name)


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\nset-cookie: a=b"])
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("x-{}", "value"), id="name"),
        pytest.param(("x-tag", "{}value"), id="start of value"),
        pytest.param(("x-tag", "value{}"), id="end of value"),
    ],
)
def test_control_character_in_a_header_is_refused(pair: tuple[str, str], character: str) -> None:
    name, value = (part.format(character) for part in pair)
    with pytest.raises(ApplicationError, match="CR, LF or NUL"):
        check_response_headers([("content-type", "text/plain"), (name, value)])


def test_refusal_names_the_header_and_not_its_value() -> None:
    with pytest.raises(ApplicationError, match="x-token") as caught:
        check_response_headers([("x-token", "secret\r\n")])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "a\tb", "caf\xe9", "\x85", "\x0b\x0c\x1c"])
def test_other_characters_pass(value: str) -> None:
    check_response_headers([("x-tag", value)])
