"""HTTP on the wire, without any I/O: bytes in, messages out, and back.

errors           what a peer did wrong, and the status it gets for it
upgrade          tunnels: Upgrade and CONNECT
status           reason phrases and ready-made status lines
target           the request target: its forms, its authority, its path
message          requests and responses as the proxy handles them
request_parser   bytes of a client connection -> requests
response_parser  bytes of a server connection -> responses
serialize        heads and chunks -> bytes
h2/              HTTP/2
fields           hop-by-hop fields, and edits of a head
"""
