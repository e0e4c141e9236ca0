"""What redirects and rewrites make of a request's address. Pure."""

from __future__ import annotations

from collections.abc import Callable

import re2

from mesh.http.message import Request
from mesh.model.route import Forward, Redirect, RegexRewrite, Route, RouteMatch
from mesh.proxy.reply import Reply
from mesh.xds.errors import Rejected

# what a host that requires TLS answers in plaintext: the same address, but for the scheme
TO_HTTPS = Route(RouteMatch(), Redirect(301, scheme="https"))

Substitute = Callable[[bytes], bytes]  # a path, without its query


def rewrite(request: Request, route: Route, forward: Forward, regex: Substitute | None = None) -> None:
    """Change path and authority as the route says; the originals go into Envoy's headers for it."""
    if forward.prefix_rewrite is not None:
        request.fields[b"x-envoy-original-path"] = request.path
        request.path = replace_prefix(request.path, route, forward.prefix_rewrite)
    elif regex is not None:
        path, mark, query = request.path.partition(b"?")
        request.fields[b"x-envoy-original-path"] = request.path
        request.path = regex(path) + mark + query
    if forward.host_rewrite is not None:
        set_authority(request, forward.host_rewrite.encode())


def compile_regex_rewrite(rewrite: RegexRewrite) -> Substitute:
    """RE2's GlobalReplace. Raises Rejected for what is no RE2 or names a group that is not there."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # the wire's bytes are no particular text
    options.log_errors = False
    try:
        pattern = re2.compile(rewrite.pattern.encode(), options)
    except re2.error:
        raise Rejected(f"regex_rewrite: {rewrite.pattern!r} is no RE2") from None
    parts = _parts(rewrite.substitution.encode())
    if any(isinstance(part, int) and part > pattern.groups for part in parts):
        raise Rejected(f"regex_rewrite: {rewrite.substitution!r} names a group that is not there")

    def substitute(path: bytes) -> bytes:
        out, end = [], 0
        for match in pattern.finditer(path):
            start, stop = match.span()
            if start == stop == end and end:
                continue  # an empty match where the last one ended counts for nothing
            out.append(path[end:start])
            out += [(match.group(part) or b"") if isinstance(part, int) else part for part in parts]
            end = stop
        return b"".join((*out, path[end:]))

    return substitute


def _parts(substitution: bytes) -> list[bytes | int]:
    """Texts and numbers of groups; two backslashes are one."""
    parts: list[bytes | int] = []
    rest = substitution
    while rest:
        text, backslash, rest = rest.partition(b"\\")
        parts.append(text)
        if backslash:
            escaped, rest = rest[:1], rest[1:]
            if escaped not in b"\\0123456789" or not escaped:
                raise Rejected(
                    f"regex_rewrite: {substitution!r}: a backslash before neither digit nor backslash"
                )
            parts.append(escaped if escaped == b"\\" else int(escaped))
    return parts


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


def redirect_reply(request: Request, route: Route, redirect: Redirect) -> Reply:
    """The Location of a redirect: each part from the rule, else from the request (RFC 9110, 10.2.2)."""
    if route is TO_HTTPS:
        location = b"https://" + request.authority + request.path
        return Reply(redirect.code, fields=((b"location", location),))
    scheme = request.fields[b"x-forwarded-proto"]
    new_scheme = redirect.scheme.encode() if redirect.scheme else scheme
    host, colon, port = _split_port(request.authority)
    if redirect.host is not None:
        host = redirect.host.encode()
    if redirect.port is not None:
        colon, port = b":", str(redirect.port).encode()
    elif redirect.scheme and (scheme, port) in ((b"http", b"80"), (b"https", b"443")):
        colon = port = b""  # the old scheme's default port means nothing to the new one
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
