"""The differential harness: the same configuration, the same bytes and the same origin for two proxies.

case         what a case is: bytes of a client, a script of the origin
wire         HTTP/1.1 as the harness itself reads it: strictly, and without a line of either proxy
origin       a server that writes down what it gets and answers with scripted bytes
client       a raw client: sends a case's bytes, reads what comes, finds out whether the connection lives
resources    an area's routes and clusters as the resources both proxies get
engine       what both proxies are to the harness
envoy        the real Envoy, started on the encoded resources
ours         our data plane, fed with the same resources decoded
observation  what was seen of one proxy in one case, and how two of them differ
differs      how a difference is written down that is meant
intended     all of them, each by name and with its reason
intended_http2
             ... in HTTP/2
pair         both proxies, and one case run on both
workload     whose sidecars they are

For HTTP/2, where a case is frames, and the origin is spoken to in it where the authority says so:

http2_wire   frames, written at will and read strictly, without a line of either proxy
http2_case   the words that cases are written in
http2_area   routes and clusters of an area
http2_client a client that sends frames
http2_origin the origin's connections in HTTP/2

For connections that are only bytes:

stream_case  what a case is: what both ends of a connection do
stream_end   an end, played by a script
stream_pair  both proxies, and one case run on both
"""
