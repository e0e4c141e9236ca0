"""What a port speaks, as Istio derives it ("Protocol Selection"): from appProtocol, or else from its name.

HTTP, HTTP2 and GRPC are routed by request, TCP by connection, TLS and HTTPS (which stay closed) by SNI.
AUTO is a port that does not say: each of its connections is looked at.
"""

from __future__ import annotations

AUTO = "AUTO"
HTTP = ("HTTP", "HTTP2", "GRPC")
HTTP2 = ("HTTP2", "GRPC")
TLS = ("TLS", "HTTPS")

# MeshConfig.protocolDetectionTimeout: how long a client may be silent where its first bytes decide. Istio's
# own default, 0 s, leaves clients of a server that speaks first waiting for ever; too short a one takes slow
# HTTP clients for bytes.
DETECTION_TIMEOUT_S = 5.0

_PROTOCOLS = {
    "http": "HTTP",
    "http2": "HTTP2",
    "grpc": "GRPC",
    "tcp": "TCP",
    "tls": "TLS",
    "https": "HTTPS",
    "mongo": "TCP",
    "mysql": "TCP",
    "redis": "TCP",
    # Kubernetes' own appProtocols
    "kubernetes.io/h2c": "HTTP2",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "HTTPS",
}
# SMTP, DNS, MySQL, MongoDB: their servers speak first, so looking at the client would only lose time
_TCP_NUMBERS = (25, 53, 3306, 27017)


def protocol_of(name: str, number: int, app_protocol: str = "") -> str:
    """``app_protocol`` decides alone when there is one, else the name up to its first dash."""
    word = app_protocol or name.partition("-")[0]
    return _PROTOCOLS.get(word.lower()) or ("TCP" if number in _TCP_NUMBERS else AUTO)
