"""gRPC's status codes by name (the gRPC core documentation, "Status codes and their use in gRPC")."""

from __future__ import annotations

GRPC_STATUS = {
    name: code
    for code, name in enumerate(
        (
            "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
            "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
            "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
            "UNAUTHENTICATED",
        )
    )
}  # fmt: skip

UNKNOWN = GRPC_STATUS["UNKNOWN"]
# what an HTTP status means to a gRPC client that finds no gRPC status; any other is UNKNOWN
# (the gRPC core documentation, "HTTP to gRPC Status Code Mapping")
STATUS_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


def grpc_status(text: str) -> int | None:
    """The code of "UNAVAILABLE" or "14", None for what is neither."""
    if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) < len(GRPC_STATUS):
        return int(text)
    return GRPC_STATUS.get(text)


def is_grpc_type(content_type: str) -> bool:
    return content_type == "application/grpc" or content_type.startswith("application/grpc+")


def status_of_call(said: str, http_status: int) -> str:
    """A call's status for logs and metrics: the one that was said, else what HTTP's means; "": no answer."""
    said = said.strip()
    if said.isascii() and said.isdigit():
        return said
    return str(STATUS_OF_HTTP.get(http_status, UNKNOWN)) if http_status else ""
