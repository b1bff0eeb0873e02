"""bind, context and the IDs: what is known of the invocation that runs here."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from slsadapt import OptionError, logs
from slsadapt.logs.invocation import BOUND, CURRENT, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def invocation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Invocation]:
    """Run each test in an invocation of its own, on no platform, and take it away again."""
    for name in (
        "AWS_LAMBDA_FUNCTION_NAME",
        "SCF_FUNCTIONNAME",
        "FC_FUNCTION_NAME",
        "K_SERVICE",
        "__OW_ACTION_NAME",
        "__OW_ACTIVATION_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    current = Invocation()
    token, bound = CURRENT.set(current), BOUND.set({})
    yield current
    BOUND.reset(bound)
    CURRENT.reset(token)


class Lambda:
    """AWS's context, as far as it is asked for, which counts that."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def aws_request_id(self) -> str:
        self.asked.append("id")
        return "inv-1"

    @property
    def function_name(self) -> str:
        self.asked.append("name")
        return "shop"


def test_outside_of_invocations_nothing_is_known() -> None:
    CURRENT.set(None)
    assert logs.request_id() == logs.invocation_id() == logs.function_name() == ""
    assert logs.context() == {}
    assert logs.outgoing_headers() == {}


def test_invocation_that_nobody_told_of_anything_is_unknown() -> None:
    assert logs.request_id() == logs.invocation_id() == logs.function_name() == ""
    assert logs.context() == {}


def test_context_has_ids_function_and_what_was_bound(invocation: Invocation) -> None:
    invocation.request_id = "req-1"
    invocation.platform_context = Lambda()
    logs.bind(user="ada", basket=[1, 2])
    assert [*logs.context().items()] == [
        ("request_id", "req-1"),
        ("invocation_id", "inv-1"),
        ("function", "shop"),
        ("user", "ada"),
        ("basket", [1, 2]),
    ]
    assert (logs.request_id(), logs.invocation_id(), logs.function_name()) == (
        "req-1",
        "inv-1",
        "shop",
    )


def test_context_leaves_out_what_is_not_known(invocation: Invocation) -> None:
    invocation.request_id = "req-1"
    assert logs.context() == {"request_id": "req-1"}


def test_context_is_a_copy() -> None:
    logs.bind(user="ada")
    logs.context()["user"] = "bob"
    assert logs.context() == {"user": "ada"}


def test_platform_is_asked_once_and_only_when_needed(invocation: Invocation) -> None:
    platform = Lambda()
    invocation.platform_context = platform
    invocation.request_id = "req-1"
    logs.bind(user="ada")
    assert logs.request_id() == "req-1"
    assert logs.outgoing_headers() == {"X-Request-ID": "req-1"}
    assert platform.asked == []
    for _ in range(3):
        assert logs.invocation_id() == "inv-1"
    assert platform.asked == ["id"]
    for _ in range(3):
        assert logs.context()["function"] == "shop"
    assert platform.asked == ["id", "name"]


def test_platform_without_names_is_asked_once(
    invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (logs.invocation_id(), logs.function_name()) == ("", "")
    monkeypatch.setenv("K_SERVICE", "later")
    monkeypatch.setenv("__OW_ACTIVATION_ID", "later")
    assert (invocation.invocation_id, invocation.function) == ("", "")
    assert (Invocation().invocation_id, Invocation().function) == ("later", "later")


def test_ids_of_ones_own_replace_the_platforms(invocation: Invocation) -> None:
    invocation.platform_context = Lambda()
    invocation.invocation_id = "task-1"
    invocation.function = ""
    assert logs.context() == {"invocation_id": "task-1"}
    assert invocation.platform_context.asked == []


def test_invocations_share_nothing(invocation: Invocation) -> None:
    invocation.request_id = "req-1"
    invocation.invocation_id = "inv-1"
    invocation.function = "shop"
    other = Invocation()
    assert (other.request_id, other.invocation_id, other.function) == ("", "", "")


def test_bind_adds_and_replaces() -> None:
    logs.bind(user="ada")
    logs.bind(tenant="x", user="bob")
    logs.bind()
    assert logs.context() == {"user": "bob", "tenant": "x"}


def test_bind_outside_of_invocations_works() -> None:
    CURRENT.set(None)
    logs.bind(user="ada")
    assert logs.context() == {"user": "ada"}


def test_unbind_takes_away_what_is_there() -> None:
    logs.bind(user="ada", tenant="x", item=5)
    logs.unbind("user", "item", "never bound")
    logs.unbind()
    assert logs.context() == {"tenant": "x"}


def test_bind_and_unbind_reach_no_other_context() -> None:
    logs.bind(user="ada")
    before = copy_context()
    logs.bind(user="bob", tenant="x")
    assert before.run(logs.context) == {"user": "ada"}
    before.run(logs.unbind, "user")
    assert before.run(logs.context) == {}
    assert logs.context() == {"user": "bob", "tenant": "x"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"request_id": "x"}, "request_id", id="request"),
        pytest.param({"invocation_id": "x"}, "invocation_id", id="invocation"),
        pytest.param({"function": "x"}, "function", id="function"),
        pytest.param(
            {"user": "ada", "request_id": "secret", "function": "x"},
            "function, request_id",
            id="two of three",
        ),
    ],
)
def test_bind_refuses_what_is_there_by_itself(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=f"any name but {named}, which slsadapt sets") as error:
        logs.bind(**fields)
    assert "secret" not in str(error.value)
    assert logs.context() == {}


def test_outgoing_headers_tell_of_the_request(invocation: Invocation) -> None:
    assert logs.outgoing_headers() == {}
    invocation.request_id = "req-1"
    assert logs.outgoing_headers() == {"X-Request-ID": "req-1"}
