"""Active health checks of a cluster's endpoints (Envoy's ``health_checkers``).

state        what is known of an endpoint, what a check makes of it, when the next is due (pure)
verdict      whether an answer says that all is well (pure)
checker      a cluster's checks, one session an endpoint
probe        asking, over a connection that is kept
http1_probe  ... in HTTP/1.1
http2_probe  ... in HTTP/2, and gRPC
tcp_probe    ... in bytes
"""
