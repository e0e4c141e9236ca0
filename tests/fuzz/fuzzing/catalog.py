"""All targets, by name."""

from __future__ import annotations

from fuzzing.target import Target
from fuzzing.targets import (
    documents,
    hpack,
    http1_request,
    http1_response,
    http2,
    messages,
    peer,
    sniffing,
    xds,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        http1_request.TARGET,
        http1_response.TARGET,
        http2.SERVER,
        http2.CLIENT,
        http2.FRAMES,
        hpack.TARGET,
        sniffing.TLS,
        sniffing.HTTP,
        messages.TARGET,
        peer.TARGET,
        xds.BYTES,
        xds.MESSAGES,
        documents.TARGET,
    )
}
