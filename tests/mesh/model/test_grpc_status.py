"""gRPC statuses by name and by number."""

from __future__ import annotations

import pytest

from mesh.model.grpc_status import GRPC_STATUS, grpc_status, is_grpc_type, status_of_call


def test_the_seventeen_have_their_numbers():
    assert (GRPC_STATUS["OK"], GRPC_STATUS["UNAVAILABLE"], GRPC_STATUS["UNAUTHENTICATED"]) == (0, 14, 16)


@pytest.mark.parametrize(
    ("text", "code"),
    [("UNAVAILABLE", 14), ("14", 14), ("0", 0), ("17", None), ("unavailable", None)],
)
def test_both_spellings_are_read(text: str, code: int | None):
    assert grpc_status(text) == code


@pytest.mark.parametrize(
    ("said", "http_status", "status"),
    [
        ("5", 200, "5"),
        (" 0 ", 200, "0"),
        ("", 200, "2"),
        ("", 503, "14"),
        ("abc", 200, "2"),
        ("-1", 404, "12"),
        ("", 0, ""),
    ],
)
def test_a_call_has_the_status_it_was_told_or_that_of_http(said: str, http_status: int, status: str):
    assert status_of_call(said, http_status) == status


def test_grpc_is_a_type_with_any_encoding_of_messages():
    types = ("application/grpc", "application/grpc+proto", "application/grpc-web", "application/json", "")
    assert [is_grpc_type(one) for one in types] == [True, True, False, False, False]
