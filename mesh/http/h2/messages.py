"""Field lists <-> requests, responses and trailers: RFC 9113 sections 8.1 to 8.3.

Inside, messages look as HTTP/1.1 has them (``host`` among the fields, ``transfer-encoding: chunked`` on a
request of unknown length), so everything between the two sides of the proxy is one for all versions. What is
malformed is a StreamFault; what is a request, but none we take, a RequestError with its status.
"""

from __future__ import annotations

import re

from mesh.http.errors import RequestError
from mesh.http.fields import is_trailer
from mesh.http.h2.errors import Code, StreamFault
from mesh.http.h2.hpack import FieldBytes, Triples, encode_field
from mesh.http.h2.settings import Limits
from mesh.http.message import MAX_FIELDS, Fields, Framing, Repeats, Request, Response, Trailers
from mesh.http.status import NO_BODY
from mesh.http.target import check_authority
from mesh.http.upgrade import CONNECT, from_extended_connect

MAX_KNOWN_NAMES = 4096  # cache of names found valid, emptied when full

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PATH = re.compile(rb"[/*][\x21-\x22\x24-\x7e\x80-\xff]*")  # no space, no control, no fragment
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*")  # RFC 3986 section 3.1
_SCHEMES = (b"http", b"https")  # others are taken and, as Envoy has it, not passed on
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 section 5.5
# section 8.2.2; "te" and "host" have rules of their own
_FORBIDDEN = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"http2-settings")
)
_REQUEST_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_RESPONSE_PSEUDO = frozenset((b":status",))
_NO_PSEUDO: frozenset[bytes] = frozenset()
_known: set[bytes] = set()
GRPC = b"application/grpc"
_TE_TRAILERS = (b"te", b"trailers")


def read_request(triples: Triples, end: bool, limits: Limits) -> Request:
    """Raises StreamFault and RequestError."""
    pseudo, fields, repeats = _sort(triples, _REQUEST_PSEUDO)
    try:
        method, scheme, path = pseudo[b":method"], pseudo[b":scheme"], pseudo[b":path"]
    except KeyError:
        method, scheme, path = _read_connect(pseudo), b"http", b""
    if _METHOD.fullmatch(method) is None or _SCHEME.fullmatch(scheme) is None:
        raise _malformed("invalid_pseudo_header")
    authority = _authority(pseudo, fields)
    if repeats:
        repeats = _join_cookies(fields, repeats)
    request = Request(method, path, authority, fields, repeats, Framing.NONE, True)
    request.scheme = scheme if (scheme := scheme.lower()) in _SCHEMES else None
    request.header_bytes = sum(map(len, fields)) + sum(map(len, fields.values())) + len(method) + len(path)
    if (
        repeats
        or len(fields) > MAX_FIELDS
        or request.header_bytes + 32 * len(fields) > limits.max_header_bytes
    ):
        _check_size(request, limits.max_header_bytes)
    if method == CONNECT or b":protocol" in pseudo:
        _make_tunnel(request, pseudo.get(b":protocol"), limits.protocols)
    elif _PATH.fullmatch(path) is None or (path[0] == 0x2A and (path != b"*" or method != b"OPTIONS")):
        raise (
            RequestError("path_with_fragment" if b"#" in path else "invalid_path")
            if path
            else _malformed("empty_path")
        )
    else:
        _frame_request(request, end)
    request.complete = end
    return request


def _read_connect(pseudo: dict[bytes, bytes]) -> bytes:
    """Section 8.5: CONNECT, and it alone, has neither scheme nor path, and has an authority."""
    if pseudo.get(b":method") != CONNECT or pseudo.keys() != {b":method", b":authority"}:
        raise _malformed("missing_pseudo_header")
    return CONNECT


def _make_tunnel(request: Request, protocol: bytes | None, protocols: frozenset[bytes]) -> None:
    """RFC 8441 section 4: with a protocol CONNECT has scheme and path as any request; without, neither."""
    if request.method != CONNECT or (protocol is None and request.path):
        raise _malformed("invalid_connect")
    if b"content-length" in request.fields:
        raise _malformed("connect_with_content_length")
    if protocol is None:
        request.framing = Framing.TUNNEL
    elif _PATH.fullmatch(request.path) is None:
        raise _malformed("invalid_path")
    elif protocol.lower() not in protocols:
        raise RequestError("upgrade_failed", 403)
    else:
        from_extended_connect(request, protocol)


def _frame_request(request: Request, end: bool) -> None:
    """How the body's end is known to an HTTP/1.1 server."""
    fields = request.fields
    length = fields.get(b"content-length")
    if length is not None:
        request.framing = Framing.LENGTH
        if end and int(length):
            raise _malformed("content_length_mismatch")
    elif not end:
        request.framing = Framing.CHUNKED
        fields[b"transfer-encoding"] = b"chunked"


def _authority(pseudo: dict[bytes, bytes], fields: Fields) -> bytes:
    """Section 8.3.1: :authority, or Host; both must not differ."""
    authority, host = pseudo.get(b":authority"), fields.get(b"host")
    if authority is None:
        authority = host or b""
    elif host is not None and host != authority:
        raise _malformed("host_differs_from_authority")
    check_authority(authority)
    fields[b"host"] = authority
    return authority


def read_response(triples: Triples, end: bool, method: bytes) -> Response | None:
    """None: an interim response (1xx). Raises StreamFault."""
    pseudo, fields, repeats = _sort(triples, _RESPONSE_PSEUDO)
    text = pseudo.get(b":status", b"")
    if len(text) != 3 or not text.isdigit() or not b"100" <= text < b"600":
        raise _malformed("invalid_status")
    status = int(text)
    if status < 200:
        if end or status == 101:
            raise _malformed("invalid_interim_response")
        return None
    framing = Framing.EOF
    if end or method == b"HEAD" or status in NO_BODY:
        framing = Framing.NONE
        length = fields.get(b"content-length", b"0")
        if end and method != b"HEAD" and status not in NO_BODY and int(length):
            raise _malformed("content_length_mismatch")
    elif method == CONNECT and status < 300:
        framing = Framing.TUNNEL
        fields.pop(b"content-length", None)  # RFC 9110 section 9.3.6: to be ignored
    elif b"content-length" in fields:
        framing = Framing.LENGTH
    response = Response(status, fields, repeats, framing, True)
    response.header_bytes = sum(map(len, fields)) + sum(map(len, fields.values())) + 10
    response.complete = end
    if len(fields) + len(repeats) > MAX_FIELDS:
        raise _malformed("response_headers_too_many")
    return response


def read_trailers(triples: Triples) -> Trailers:
    """Raises StreamFault."""
    _, fields, repeats = _sort(triples, _NO_PSEUDO)
    if len(fields) + len(repeats) > MAX_FIELDS:
        raise _malformed("too_many_trailers")
    return [field for field in (*fields.items(), *repeats) if is_trailer(field[0])]


def _sort(triples: Triples, allowed: frozenset[bytes]) -> tuple[dict[bytes, bytes], Fields, Repeats]:
    """Pseudo-fields, fields, and those that came again; each name and value is checked."""
    pseudo: dict[bytes, bytes] = {}
    fields: Fields = {}
    repeats: Repeats = []
    for name, value, _ in triples:
        if name in _known:
            if name in fields:
                repeats.append((name, value))
            else:
                fields[name] = value
        elif name in allowed:
            if fields or name in pseudo:
                raise _malformed("misplaced_pseudo_header")
            pseudo[name] = value
        else:
            _learn(name)
            if name in fields:
                repeats.append((name, value))
            else:
                fields[name] = value
    values = b"".join((*fields.values(), *pseudo.values()))
    if repeats:
        values += b"".join([value for _, value in repeats])
    if _BAD_VALUE.search(values):  # section 8.2.1
        raise _malformed("invalid_header_value")
    _check_special(fields, repeats)
    return pseudo, fields, repeats


def _learn(name: bytes) -> None:
    """A name that is not known yet is checked once."""
    if _NAME.fullmatch(name) is None:
        raise _malformed("unknown_pseudo_header" if name.startswith(b":") else "invalid_header_name")
    if name in _FORBIDDEN:
        raise _malformed("connection_specific_header")
    if len(_known) >= MAX_KNOWN_NAMES:
        _known.clear()
    _known.add(name)


def _check_special(fields: Fields, repeats: Repeats) -> None:
    length = fields.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 19):
        raise _malformed("invalid_content_length")
    if b"te" in fields and fields[b"te"].lower() != b"trailers":
        raise _malformed("invalid_te")
    for name, _ in repeats:
        if name in (b"content-length", b"host", b"te"):
            raise _malformed("duplicate_header")


def _join_cookies(fields: Fields, repeats: Repeats) -> Repeats:
    """Section 8.2.3: cookie crumbs become one field again."""
    crumbs = [value for name, value in repeats if name == b"cookie"]
    if crumbs:
        fields[b"cookie"] = b"; ".join([fields[b"cookie"], *crumbs])
        repeats = [field for field in repeats if field[0] != b"cookie"]
    return repeats


def _check_size(request: Request, max_bytes: int) -> None:
    count = len(request.fields) + len(request.repeats)
    request.header_bytes += sum(len(name) + len(value) for name, value in request.repeats)
    if count > MAX_FIELDS:
        raise RequestError("request_headers_too_many", 431)
    if request.header_bytes + 32 * count > max_bytes:
        raise RequestError("request_headers_too_large", 431)


def _malformed(detail: str) -> StreamFault:
    return StreamFault(Code.PROTOCOL_ERROR, f"http2.{detail}")


# what we send


# a head's fields without those that HTTP/2 says otherwise, or has not
_request_field = FieldBytes(left_out=_FORBIDDEN | {b"host"}).__getitem__
_response_field = FieldBytes(left_out=_FORBIDDEN).__getitem__


def request_block(request: Request) -> bytes:
    """The header block of a request."""
    fields = request.fields
    scheme = request.scheme or (b"https" if fields.get(b"x-forwarded-proto") == b"https" else b"http")
    if request.framing is Framing.TUNNEL:
        parts = _connect_block(request, scheme)
    else:
        parts = [
            encode_field((b":method", request.method)),
            encode_field((b":scheme", scheme)),
            encode_field((b":path", request.path)),
            encode_field((b":authority", fields[b"host"])),
        ]
        if request.framing is Framing.NONE and b"content-length" in fields:
            # that of 0 which HTTP/1.1 wants to have said
            fields = {name: value for name, value in fields.items() if name != b"content-length"}
    parts += map(_request_field, fields.items())
    if b"te" not in fields and fields.get(b"content-type", b"").startswith(GRPC):
        parts.append(encode_field(_TE_TRAILERS))
    if request.repeats:
        parts += map(_request_field, request.repeats)
    return b"".join(parts)


def _connect_block(request: Request, scheme: bytes) -> list[bytes]:
    """The pseudo-fields of CONNECT: with those of RFC 8441, when it is for a protocol."""
    parts = [encode_field((b":method", CONNECT)), encode_field((b":authority", request.fields[b"host"]))]
    protocol = request.fields.get(b"upgrade")
    if protocol is not None:
        parts += [
            encode_field((b":scheme", scheme)),
            encode_field((b":path", request.path)),
            encode_field((b":protocol", protocol)),
        ]
    return parts


def response_block(status: int, fields: Fields, repeats: Repeats) -> bytes:
    parts = [encode_field((b":status", b"%d" % status)), *map(_response_field, fields.items())]
    if repeats:
        parts += map(_response_field, repeats)
    return b"".join(parts)


def trailers_block(trailers: Trailers) -> bytes:
    return b"".join(map(encode_field, trailers))
