"""Whether an answer says that all is well. Pure.

Sources: Envoy's ``http/health_checker_impl.cc``, ``PayloadMatcher``; gRPC's "Health checking protocol" (its
two messages are so small that they are read and written here).
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.http.message import Fields
from mesh.model.health_check import HttpHealthCheck
from mesh.proxy.health_check.state import Outcome

USER_AGENT = b"Envoy/HC"  # by which servers know health checks
GRPC_PATH = b"/grpc.health.v1.Health/Check"
MAX_BODY_BYTES = 1024  # of an answer, as far as it is looked at: Envoy's default
_SERVING = 1
_FRAME_HEAD = 5  # a flag and the length of a gRPC message
_VARINT, _BYTES_8, _TEXT, _BYTES_4 = 0, 1, 2, 5


def http_outcome(rules: HttpHealthCheck, status: int, body: bytes) -> Outcome:
    if rules.receive and not holds(body, rules.receive):
        return Outcome.FAILED
    if _in(status, rules.expected_statuses or ((200, 201),)):
        return Outcome.PASSED
    return Outcome.RETRIABLE if _in(status, rules.retriable_statuses) else Outcome.FAILED


def holds(data: bytes, parts: Sequence[bytes]) -> bool:
    """Whether the parts are in the data, one after the other."""
    place = 0
    for part in parts:
        place = data.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


def _in(status: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= status < end for start, end in ranges)


def grpc_request(service_name: str) -> bytes:
    """A ``HealthCheckRequest``, framed."""
    name = service_name.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def grpc_outcome(status: int, fields: Fields, body: bytes, trailers: Fields) -> Outcome:
    """It serves when the call went well and its one message says so."""
    said = trailers.get(b"grpc-status", fields.get(b"grpc-status"))
    is_grpc = fields.get(b"content-type", b"").startswith(b"application/grpc")
    well = status == 200 and is_grpc and said is not None and said.strip() == b"0"
    return Outcome.PASSED if well and _serves(body) else Outcome.FAILED


def _serves(body: bytes) -> bool:
    """Whether the body is exactly one ``HealthCheckResponse``, uncompressed, whose status is SERVING."""
    length = int.from_bytes(body[1:_FRAME_HEAD], "big")
    if len(body) != _FRAME_HEAD + length or length == 0 or body[0]:
        return False
    try:
        return _status(body[_FRAME_HEAD:]) == _SERVING
    except (ValueError, IndexError):
        return False


def _status(message: bytes) -> int:
    """Field 1 of a protobuf message; others are passed over. ValueError, IndexError: it is none."""
    status = place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _read_varint(message, place)
            status = value if tag >> 3 == 1 else status
        elif kind == _TEXT:
            size, place = _read_varint(message, place)
            place += size
        elif kind in (_BYTES_8, _BYTES_4):
            place += 8 if kind == _BYTES_8 else 4
        else:
            raise ValueError(f"wire type {kind}")
    if place != len(message):
        raise ValueError("cut off")
    return status


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
