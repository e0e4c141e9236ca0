"""gRPC's client side over the proxy's own HTTP/2, for the calls of a sidecar to the control plane.

A sidecar makes three calls (ADS, access logs, certificates); grpcio would cost it 20 MB of memory and, for
each batch of access log entries, as much CPU as encoding them.

status   how a call ended, from what HTTP/2 said (pure)
message  length-prefixed messages <-> bytes (pure)
stream   one call as a stream of HTTP/2: what came, what may be sent (pure)
call     ... as a task uses it: write, read, await the end
channel  the connection the calls share: TLS, metadata, keep-alive
"""
