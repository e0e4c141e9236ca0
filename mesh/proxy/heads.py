"""The heads an exchange passes on: what is taken off, what is put on, in both directions.

Rules: RFC 9110 section 7.6 (hop-by-hop), Envoy's "HTTP header manipulation" page (the x-envoy- and
x-forwarded- fields). Bytes of a head are joined once, in ``serialize``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.fields import HOP_BY_HOP, remove_hop_by_hop
from mesh.http.message import Fields, Framing, Response
from mesh.http.serialize import response_head
from mesh.http.status import NO_BODY
from mesh.proxy import internal
from mesh.proxy.edge import admit

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

CLIENT_CERT = b"x-forwarded-client-cert"
_NOTABLE = HOP_BY_HOP | internal.NOTABLE  # most requests have none of them: one look for all
# Others say that they have none (RFC 9110 section 8.6): some servers wait for a body otherwise
_WITHOUT_BODY = frozenset((b"GET", b"HEAD", b"DELETE", b"CONNECT", b"TRACE"))


def clean_request(exchange: Exchange) -> None:
    """Take off what is the connection's or nobody's business, put on what every request has."""
    request, info = exchange.request, exchange.downstream.info
    fields = request.fields
    if exchange.manager.use_remote_address:
        remove_hop_by_hop(request)
        exchange.has_wishes = admit(request, info.remote_ip, info.scheme, exchange.manager.internal_networks)
    elif not _NOTABLE.isdisjoint(fields):
        remove_hop_by_hop(request)
        exchange.has_wishes = internal.sanitize(request, exchange.manager.internal_networks)
    if b"expect" in fields and fields[b"expect"].strip().lower() == b"100-continue":
        del fields[b"expect"]
        request.expects_continue = True
    if request.framing is Framing.NONE and request.method not in _WITHOUT_BODY:
        fields[b"content-length"] = b"0"
    if not fields.get(b"x-forwarded-proto"):
        fields[b"x-forwarded-proto"] = info.scheme
    if not fields.get(b"x-request-id") and exchange.manager.generate_request_id:
        fields[b"x-request-id"] = exchange.worker.request_id()
    if info.client_cert or CLIENT_CERT in fields:
        _forward_client_cert(exchange, info.client_cert)


def _forward_client_cert(exchange: Exchange, own: bytes) -> None:
    """Who the client is, is ours to say; what others said is believed only from a verified client."""
    mode, request = exchange.manager.forward_client_cert, exchange.request
    if mode == "ALWAYS_FORWARD_ONLY":
        return
    said = request.get(CLIENT_CERT)
    if mode == "SANITIZE" or not own:
        request.remove(CLIENT_CERT)
    elif mode != "FORWARD_ONLY":
        request.remove(CLIENT_CERT)
        keep_said = said is not None and mode == "APPEND_FORWARD"
        request.fields[CLIENT_CERT] = b"%b,%b" % (said or b"", own) if keep_said else own


def frame_response(exchange: Exchange, response: Response) -> None:
    """How the client will know the end: its length, chunks, or (HTTP/1.0, tunnels) the connection's end."""
    framing = response.framing
    if framing is Framing.TUNNEL:
        return
    if framing is Framing.NONE:
        if exchange.request.method != b"HEAD":  # 204 and 304: RFC 9110 section 8.6, RFC 9112 section 6.1
            response.remove(b"transfer-encoding")
            if response.status == 204:
                response.remove(b"content-length")
            elif response.status not in NO_BODY and b"content-length" not in response.fields:
                response.fields[b"content-length"] = b"0"  # it came over HTTP/2, with the end in its head
    elif exchange.request.http10:
        response.remove(b"transfer-encoding")
        exchange.keep_alive = False
    else:
        response.fields[b"transfer-encoding"] = b"chunked"
        exchange.is_chunked = True


def complete_response(exchange: Exchange, fields: Fields, response: Response) -> None:
    """What every response of this listener has, whatever the protocol."""
    manager = exchange.manager
    if manager.server_name:
        fields[b"server"] = manager.server_name
    if b"date" not in fields:
        fields[b"date"] = exchange.worker.date(exchange.start_time)
    for step in manager.response_steps:
        step(exchange, fields, response)


def make_response_head(exchange: Exchange, fields: Fields, response: Response) -> bytes:
    """The head as HTTP/1.1 sends it."""
    complete_response(exchange, fields, response)
    if not exchange.keep_alive or exchange.downstream.draining:
        exchange.keep_alive = False
        if response.framing is not Framing.TUNNEL:
            fields[b"connection"] = b"close"
    elif exchange.request.http10:
        fields[b"connection"] = b"keep-alive"
    return response_head(exchange.status, fields, response.repeats)
