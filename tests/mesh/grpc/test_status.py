from __future__ import annotations

import grpc
import pytest

from mesh.grpc.status import NAMES, RpcError, error_in, error_of_reset


def test_the_names_are_grpcs() -> None:
    assert {name: code for code, name in enumerate(NAMES)} == {
        code.name: code.value[0] for code in grpc.StatusCode
    }


@pytest.mark.parametrize(
    ("fields", "http_status", "expected"),
    [
        ({b"grpc-status": b"0"}, 200, None),
        ({b"grpc-status": b"0", b"grpc-message": b"ignored"}, 200, None),
        (
            {b"grpc-status": b"14", b"grpc-message": b"try%20later%3A %C3%B1"},
            200,
            "UNAVAILABLE: try later: ñ",
        ),
        ({b"grpc-status": b"7"}, 403, "PERMISSION_DENIED: "),
        ({b"grpc-status": b"99"}, 200, "99: "),
        ({}, 200, "UNKNOWN: the server ended the call without a status"),
        ({}, 503, "UNAVAILABLE: HTTP status 503"),
        ({}, 404, "UNIMPLEMENTED: HTTP status 404"),
        ({}, 418, "UNKNOWN: HTTP status 418"),
        ({b"grpc-status": b"nonsense"}, 200, "UNKNOWN: the server ended the call without a status"),
    ],
)
def test_what_the_end_of_a_call_says(
    fields: dict[bytes, bytes], http_status: int, expected: str | None
) -> None:
    error = error_in(fields, http_status)
    assert (None if error is None else str(error)) == expected


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (7, "UNAVAILABLE"),
        (8, "CANCELLED"),
        (11, "RESOURCE_EXHAUSTED"),
        (12, "PERMISSION_DENIED"),
        (2, "INTERNAL"),
        (4711, "INTERNAL"),
    ],
)
def test_a_reset_has_the_status_that_grpc_gives_it(code: int, name: str) -> None:
    assert error_of_reset(code).name == name


def test_an_error_is_told_by_its_name_and_the_servers_words() -> None:
    error = RpcError(16, "no token")
    assert (str(error), error.code, error.details) == ("UNAUTHENTICATED: no token", 16, "no token")
