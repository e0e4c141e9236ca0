"""The properties of each parser.

http1_request   requests of a client: splits, limits, and one reading for all who come after
http1_response  responses of a server
http2           both sides of HTTP/2, frames as they come and frames that are whole
hpack           header blocks
sniffing        what a connection begins with: TLS or HTTP
messages        gRPC's length-prefixed messages, and their count
peer            what another proxy says of itself in a header
xds             resources of a control plane, as bytes and as changed messages
documents       galley's YAML
"""
