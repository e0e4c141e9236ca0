"""The header ``x-envoy-peer-metadata``: a base64 protobuf Struct, with Istio's keys.

It comes from other proxies, so it is never trusted to be well formed: what cannot be read is an unknown
peer. Few peers send many requests, so both directions are remembered.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import Any, Final

from google.protobuf import struct_pb2
from google.protobuf.message import DecodeError

from mesh.model.node import Node
from mesh.model.peer import LATEST, UNKNOWN, UNKNOWN_PEER, Peer
from mesh.xds.codec.wire import struct

_MAX_HEADER: Final = 4096  # bytes; ours are about 300. Also bounds what remembering can cost (x 256)
_CANONICAL_NAME: Final = "service.istio.io/canonical-name"
_CANONICAL_REVISION: Final = "service.istio.io/canonical-revision"


@lru_cache(maxsize=256)
def encode_peer(peer: Peer) -> str:
    """The header's value. Unknown parts are left out; equal peers have equal values."""
    labels = {
        _CANONICAL_NAME: peer.canonical_service,
        _CANONICAL_REVISION: peer.canonical_revision,
        "app": peer.app,
        "version": peer.version,
    }
    told = {"WORKLOAD_NAME": peer.workload, "NAMESPACE": peer.namespace, "CLUSTER_ID": peer.cluster}
    message = struct({**_known(told), "LABELS": _known(labels)})
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode("ascii")


def _known(texts: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text != UNKNOWN}


def peer_header(node: Node) -> str:
    """What a proxy tells others about its own workload."""
    return encode_peer(node.peer())


def decode_peer(header: str) -> Peer:
    """What the header says; ``UNKNOWN_PEER`` when it says nothing that can be read."""
    return _decode(header) if len(header) <= _MAX_HEADER else UNKNOWN_PEER


@lru_cache(maxsize=256)
def _decode(header: str) -> Peer:
    try:
        message = struct_pb2.Struct.FromString(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError, DecodeError):
        return UNKNOWN_PEER
    fields = dict(message.fields)
    labels = dict(fields["LABELS"].struct_value.fields) if "LABELS" in fields else {}
    return Peer(
        workload=_text(fields, "WORKLOAD_NAME"),
        namespace=_text(fields, "NAMESPACE"),
        canonical_service=_text(labels, _CANONICAL_NAME),
        canonical_revision=_text(labels, _CANONICAL_REVISION, LATEST),
        app=_text(labels, "app"),
        version=_text(labels, "version"),
        cluster=_text(fields, "CLUSTER_ID"),
    )


def _text(fields: dict[str, Any], key: str, default: str = UNKNOWN) -> str:
    return (str(fields[key].string_value) if key in fields else "") or default
