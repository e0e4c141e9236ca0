"""gRPC statuses by name and by number."""

from __future__ import annotations

import pytest

from mesh.model.grpc_status import GRPC_STATUS, grpc_status


def test_the_seventeen_have_their_numbers():
    assert (GRPC_STATUS["OK"], GRPC_STATUS["UNAVAILABLE"], GRPC_STATUS["UNAUTHENTICATED"]) == (0, 14, 16)


@pytest.mark.parametrize(
    ("text", "code"),
    [("UNAVAILABLE", 14), ("14", 14), ("0", 0), ("17", None), ("unavailable", None)],
)
def test_both_spellings_are_read(text: str, code: int | None):
    assert grpc_status(text) == code
