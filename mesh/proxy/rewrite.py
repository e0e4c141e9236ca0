"""What redirects and rewrites make of a request's address. Pure."""

from __future__ import annotations

from mesh.http.message import Request
from mesh.model.route import Forward, Redirect, Route
from mesh.proxy.reply import Reply


def rewrite(request: Request, route: Route, forward: Forward) -> None:
    """Change path and authority as the route says; the originals go into Envoy's headers for it."""
    if forward.prefix_rewrite is not None:
        request.fields[b"x-envoy-original-path"] = request.path
        request.path = replace_prefix(request.path, route, forward.prefix_rewrite)
    if forward.host_rewrite is not None:
        set_authority(request, forward.host_rewrite.encode())


def set_authority(request: Request, authority: bytes) -> None:
    if authority != request.authority:
        request.fields[b"x-envoy-original-host"] = request.authority
    request.authority = request.fields[b"host"] = authority


def replace_prefix(path: bytes, route: Route, replacement: str) -> bytes:
    """The matched prefix (or the whole of an exactly matched path) gives way; the query stays."""
    match = route.match.path
    if match.kind in ("prefix", "exact"):
        return replacement.encode() + path[len(match.value.encode()) :]
    _, mark, query = path.partition(b"?")
    return replacement.encode() + mark + query


def redirect_reply(request: Request, route: Route, redirect: Redirect, scheme: bytes) -> Reply:
    """The Location of a redirect: each part from the rule, else from the request (RFC 9110, 10.2.2)."""
    new_scheme = redirect.scheme.encode() if redirect.scheme else scheme
    host, colon, port = _split_port(request.authority)
    if redirect.host is not None:
        host = redirect.host.encode()
    if redirect.port is not None:
        colon, port = b":", str(redirect.port).encode()
    elif redirect.scheme and (scheme, port) in ((b"http", b"80"), (b"https", b"443")):
        colon = port = b""  # the old scheme's default port means nothing to the new one
    if (new_scheme, port) in ((b"http", b"80"), (b"https", b"443")):
        colon = port = b""
    path = request.path
    if redirect.path is not None:
        path = redirect.path.encode()
        if "?" not in redirect.path:
            path += b"".join(request.path.partition(b"?")[1:])
    elif redirect.prefix_rewrite is not None:
        path = replace_prefix(request.path, route, redirect.prefix_rewrite)
    location = new_scheme + b"://" + host + colon + port + path
    return Reply(redirect.code, fields=((b"location", location),))


def _split_port(authority: bytes) -> tuple[bytes, bytes, bytes]:
    host, colon, port = authority.rpartition(b":")
    if colon and port.isdigit():
        return host, colon, port
    return authority, b"", b""
