"""Cross-origin calls: Envoy's cors filter. Preflights are answered here, other answers get the fields.

    request   Origin allowed?  preflight -> 200 with all the fields, never forwarded
    response  of a call whose origin is allowed: Allow-Origin, Allow-Credentials, Expose-Headers

A call whose origin is not allowed passes, and its answer gets no fields: the browser then keeps it from the
page. A preflight of such an origin passes too, unless the policy says otherwise.
Source: Envoy's ``cors_filter.cc``; Fetch standard, section 3.3 (HTTP extensions of the CORS protocol).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Fields, Message, Request
from mesh.model.route import CorsPolicy
from mesh.proxy.matching import Test, compile_match
from mesh.proxy.reply import Reply

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

_REQUEST_METHOD = b"access-control-request-method"
_REQUEST_HEADERS = b"access-control-request-headers"
_ALLOW_ORIGIN = b"access-control-allow-origin"


class Cors:
    """A route's policy, compiled. Raises Rejected for an origin pattern that is no RE2."""

    __slots__ = ("_allow_headers", "_allow_methods", "_any", "_origins", "_preflight", "answers", "forwards")

    def __init__(self, policy: CorsPolicy) -> None:
        self._origins: tuple[Test, ...] = tuple(map(compile_match, policy.allow_origins))
        self._any = any(test(b"*") for test in self._origins)
        self._allow_methods = policy.allow_methods.encode()
        self._allow_headers = policy.allow_headers.encode()
        credentials = (
            ((b"access-control-allow-credentials", b"true"),) if policy.allow_credentials is True else ()
        )
        expose, max_age = policy.expose_headers.encode(), policy.max_age.encode()
        self.answers = credentials + (((b"access-control-expose-headers", expose),) if expose else ())
        self._preflight = credentials + (((b"access-control-max-age", max_age),) if max_age else ())
        self.forwards = policy.forward_unmatched_preflights is not False

    def allows(self, origin: bytes) -> bool:
        return self._any or any(test(origin) for test in self._origins)

    def preflight_reply(self, request: Request, allowed: bool) -> Reply:
        """``*`` allows whatever was asked for, by its name: with credentials browsers take no ``*``."""
        fields = list(self._preflight)
        if allowed:
            fields.append((_ALLOW_ORIGIN, request.get(b"origin") or b""))
        for name, value, asked in (
            (b"access-control-allow-methods", self._allow_methods, _REQUEST_METHOD),
            (b"access-control-allow-headers", self._allow_headers, _REQUEST_HEADERS),
        ):
            if value:
                fields.append((name, (request.get(asked) or b"") if value == b"*" else value))
        return Reply(200, details="cors_response", fields=tuple(fields))


def check(exchange: Exchange) -> bool:
    """Answer a preflight; True when it was one."""
    route, request = exchange.route, exchange.request
    if route is None or route.cors is None:
        return False
    origin = request.get(b"origin")
    if not origin or request.method != b"OPTIONS" or not request.get(_REQUEST_METHOD):
        return False
    allowed = route.cors.allows(origin)
    if not allowed and route.cors.forwards:
        return False
    exchange.reply(route.cors.preflight_reply(request, allowed))
    return True


def answer(exchange: Exchange, fields: Fields, response: Message) -> None:
    """Tell the browser that the page may read this answer."""
    route = exchange.route
    if route is None or route.cors is None:
        return
    origin = exchange.request.get(b"origin")
    if origin and route.cors.allows(origin):
        for name, value in ((_ALLOW_ORIGIN, origin), *route.cors.answers):
            response.remove(name)
            fields[name] = value
