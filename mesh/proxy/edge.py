"""The edge of the mesh: what is made of a request whose client is not one of ours. Pure.

Only the connection says who asks: its address goes to the end of x-forwarded-for, and what it came over is
x-forwarded-proto, whatever the client says. A client inside that names nobody else is one of ours still.
Source: Envoy's ``conn_manager_utility.cc`` (mutateRequestHeaders, with use_remote_address on).
"""

from __future__ import annotations

from mesh.http.message import Request
from mesh.proxy.internal import FORWARDED_FOR, Networks, is_inside, sanitize_as

_EXTERNAL_ADDRESS = b"x-envoy-external-address"
# only for those inside to say, and here nobody vouches for them
_OF_INSIDERS = (
    b"x-envoy-decorator-operation",
    b"x-envoy-downstream-service-cluster",
    b"x-envoy-downstream-service-node",
    b"x-request-id",
)


def admit(request: Request, remote: bytes, scheme: bytes, inside: Networks) -> bool:
    """Answers whether there are wishes to be heeded, as ``internal.sanitize``. ``remote`` has no port."""
    said = request.fields.get(FORWARDED_FOR)
    if said is None:
        request.fields[FORWARDED_FOR] = remote
    else:
        others = [value for name, value in request.repeats if name == FORWARDED_FOR]
        request.remove(FORWARDED_FOR)
        request.fields[FORWARDED_FOR] = b",".join((said.strip(), *others, remote))
    request.remove(b"x-forwarded-proto")
    request.fields[b"x-forwarded-proto"] = scheme
    is_ours = said is None and is_inside(remote, inside)
    if not is_ours:
        for name in _OF_INSIDERS:
            request.remove(name)
        request.remove(_EXTERNAL_ADDRESS)
        request.fields[_EXTERNAL_ADDRESS] = remote
    return sanitize_as(request, internal=is_ours)
