"""The request target (RFC 9112 section 3.2) and what is in it.

origin-form      GET /where?q=now          what servers get
absolute-form    GET http://host/where     what proxies get (HTTP_PROXY)
asterisk-form    OPTIONS *
authority-form   CONNECT host:port         where a tunnel goes: it has no path
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mesh.http.errors import RequestError

# reg-name, IPv4 or [IPv6], with an optional port; no userinfo: nobody needs it and proxies disagree on it
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

MAX_KNOWN_AUTHORITIES = 4096  # cache of authorities found valid, emptied when full
_known: set[bytes] = set()


class Target(NamedTuple):
    """``authority`` None: not in the target, so the Host field says it."""

    path: bytes  # with the query
    authority: bytes | None = None
    scheme: bytes | None = None


def split_target(target: bytes, method: bytes) -> Target:
    """Take a target that is not plain origin-form apart. Raises RequestError (400)."""
    if method == b"CONNECT":
        return _split_authority_form(target)
    if b"#" in target:
        raise RequestError("path_with_fragment")
    if target.startswith(b"/"):
        return Target(target)
    if target == b"*":
        if method != b"OPTIONS":
            raise RequestError("invalid_path")
        return Target(target)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RequestError("invalid_url")
    scheme, authority, path = absolute.groups()
    if not path.startswith(b"/"):
        path = b"/" + path
    return Target(path, authority, scheme.lower())


def _split_authority_form(target: bytes) -> Target:
    """RFC 9112 section 3.2.3: a host with a port, nothing else."""
    if not target.rpartition(b":")[2].isdigit() or target.endswith(b"]"):
        raise RequestError("invalid_connect_target")
    return Target(b"", target)


def check_authority(authority: bytes) -> None:
    """Raises RequestError (400) when the Host field or the target's authority is not host[:port]."""
    if authority in _known:
        return
    if _AUTHORITY.fullmatch(authority) is None:
        raise RequestError("invalid_authority" if authority else "missing_host_header")
    if len(_known) >= MAX_KNOWN_AUTHORITIES:
        _known.clear()
    _known.add(authority)
