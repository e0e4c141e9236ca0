"""Istio's metadata exchange: both sides of a request learn which workload the other one is.

Inbound, the caller's headers are read and taken off the request, and a caller that gave its id gets ours on
the response. Outbound, our metadata goes onto requests to services of the mesh (never to strangers); our id
too when the endpoint does not say who the callee is, and then the answer comes off the response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Fields, Message

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

METADATA = b"x-envoy-peer-metadata"
METADATA_ID = b"x-envoy-peer-metadata-id"


def learn_caller(exchange: Exchange) -> bool:
    fields = exchange.request.fields
    metadata = fields.pop(METADATA, None)
    if fields.pop(METADATA_ID, None) is not None:
        exchange.peer_asked = True
    if metadata is not None:
        exchange.peer = exchange.worker.peer(metadata)
    return False


def tell_caller(exchange: Exchange, fields: Fields, response: Message) -> None:
    if exchange.peer_asked:
        fields[METADATA_ID] = exchange.worker.peer_metadata_id
        fields[METADATA] = exchange.worker.peer_metadata


def tell_callee(exchange: Exchange) -> None:
    cluster = exchange.cluster
    if cluster is not None and cluster.model.host:
        fields = exchange.request.fields
        fields[METADATA] = exchange.worker.peer_metadata
        if not cluster.names_peers:
            fields[METADATA_ID] = exchange.worker.peer_metadata_id


def learn_callee(exchange: Exchange, fields: Fields, response: Message) -> None:
    if METADATA in fields:
        exchange.peer = exchange.worker.peer(fields.pop(METADATA))
        fields.pop(METADATA_ID, None)
