from __future__ import annotations

import base64

import pytest
from google.protobuf import struct_pb2

from mesh.model.node import Node
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.xds.codec.peer import decode_peer, encode_peer, peer_header

REVIEWS = Peer("reviews-v1", "default", "reviews", "v1", "reviews", "v1", "Kubernetes")


@pytest.mark.parametrize("peer", [REVIEWS, UNKNOWN_PEER, Peer(workload="w")])
def test_a_peer_comes_back(peer: Peer) -> None:
    assert decode_peer(encode_peer(peer)) == peer


def test_the_header_is_a_base64_struct_with_istios_keys() -> None:
    fields = struct_pb2.Struct.FromString(base64.b64decode(encode_peer(REVIEWS))).fields
    assert {"WORKLOAD_NAME", "NAMESPACE", "CLUSTER_ID", "LABELS"} == set(fields)
    labels = fields["LABELS"].struct_value.fields
    assert labels["service.istio.io/canonical-name"].string_value == "reviews"


def test_a_node_tells_its_workload() -> None:
    node = Node("reviews-v1-0", "default", "127.64.1.2", "sa", "reviews-v1", labels={"app": "reviews"})
    assert decode_peer(peer_header(node)) == node.peer()


@pytest.mark.parametrize("header", ["", "not base64!", "AAAA", "é", "QUJD" * 5000])
def test_a_header_that_cannot_be_read_is_an_unknown_peer(header: str) -> None:
    assert decode_peer(header) == UNKNOWN_PEER
