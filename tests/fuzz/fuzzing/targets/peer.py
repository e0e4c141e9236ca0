"""The header x-envoy-peer-metadata: whatever it holds, it is a peer that can be written down again."""

from __future__ import annotations

from fuzzing.target import Target, expect
from mesh.model.peer import Peer
from mesh.xds.codec.peer import decode_peer, encode_peer


def check(data: bytes) -> None:
    peer = decode_peer(data.decode("latin-1"))
    again = decode_peer(encode_peer(peer))
    expect(again == peer, "written and read, it differs", peer, again)


_KNOWN = encode_peer(
    Peer(
        workload="reviews-v1",
        namespace="default",
        canonical_service="reviews",
        canonical_revision="v1",
        app="reviews",
        version="v1",
        cluster="Kubernetes",
    )
).encode()

TARGET = Target(
    "peer-metadata", check, (_KNOWN, b"", b"AAAA"), (b"=", b"==", b"\xff", b" ", b"\n", _KNOWN[:24])
)
