"""Istio's metadata exchange: both sides of a request learn which workload the other one is.

Inbound, the caller's headers are read and taken off the request, and a caller that sent them gets ours on the
response. Outbound, ours go onto requests to services of the mesh (never to strangers), and the callee's come
off the response. Before a response comes, the endpoint's own metadata says who the callee is.
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
    fields.pop(METADATA_ID, None)
    if metadata is not None:
        exchange.peer = exchange.worker.peer(metadata)
        exchange.peer_asked = True
    return False


def tell_caller(exchange: Exchange, fields: Fields, response: Message) -> None:
    if exchange.peer_asked:
        fields[METADATA_ID] = exchange.worker.peer_metadata_id
        fields[METADATA] = exchange.worker.peer_metadata


def tell_callee(exchange: Exchange) -> None:
    cluster = exchange.cluster
    if cluster is not None and cluster.model.host:
        fields = exchange.request.fields
        fields[METADATA_ID] = exchange.worker.peer_metadata_id
        fields[METADATA] = exchange.worker.peer_metadata


def learn_callee(exchange: Exchange, fields: Fields, response: Message) -> None:
    if METADATA in fields:
        exchange.peer = exchange.worker.peer(fields.pop(METADATA))
    fields.pop(METADATA_ID, None)
