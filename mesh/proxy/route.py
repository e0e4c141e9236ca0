"""Which route a request takes: virtual host by authority, first matching route, cluster by weight. Pure.

Compiled once when a route configuration arrives; after that a request costs one lookup of its authority and a
walk over the routes of one virtual host, most of which are a comparison each.
Source: Envoy's ``config.route.v3`` and ``source/common/router/config_impl.cc``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

from mesh.http.message import Request
from mesh.model.route import (
    DirectResponse,
    Forward,
    HeaderMatch,
    QueryMatch,
    Redirect,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from mesh.proxy.filters.cors import Cors
from mesh.proxy.matching import compile_match
from mesh.proxy.mutation import Mutation, compile_mutations
from mesh.proxy.rewrite import TO_HTTPS, Substitute, compile_regex_rewrite
from mesh.remember import remember
from mesh.xds.errors import Rejected

if TYPE_CHECKING:
    from mesh.proxy.filters.local_rate_limit import Limiter

Matcher = Callable[[Request], bool]

MAX_KNOWN_AUTHORITIES = 4096  # lookups a table remembers; clients choose authorities, so it is bounded


class Destination:
    """One weighted cluster of a route, with the mutations of all levels, most specific first."""

    __slots__ = ("cluster", "request_mutations", "response_mutations")

    def __init__(self, cluster: str, request: tuple[Mutation, ...], response: tuple[Mutation, ...]) -> None:
        self.cluster = cluster
        self.request_mutations = request
        self.response_mutations = response


class CompiledRoute:
    """``matcher`` None matches everything; exactly one of forward, redirect and direct is set."""

    __slots__ = (
        "cors",
        "counts_attempts",
        "destinations",
        "direct",
        "fault",
        "forward",
        "hash_policies",
        "is_faulty",
        "is_sticky",
        "limiter",
        "matcher",
        "mirrors",
        "model",
        "name",
        "redirect",
        "regex",
        "response_mutations",
        "rewrites",
        "script",
        "shares",
        "total",
    )

    def __init__(self, route: Route, host: VirtualHost, config: RouteConfiguration) -> None:
        self.model = route
        self.counts_attempts = host.include_attempt_count
        self.name = route.name
        self.matcher = _compile_route_match(route.match)
        self.fault = route.fault
        self.script = route.script
        self.is_faulty = route.fault is not None or bool(route.script)
        self.cors = Cors(route.cors) if route.cors is not None else None
        self.limiter: Limiter | None = None  # made by the first request
        action = route.action
        self.forward = action if isinstance(action, Forward) else None
        self.redirect = action if isinstance(action, Redirect) else None
        self.direct = action if isinstance(action, DirectResponse) else None
        self.response_mutations = compile_mutations(route.response_headers, config.response_headers)
        clusters = self.forward.clusters if self.forward else ()
        self.destinations = tuple(
            Destination(
                cluster.name,
                compile_mutations(cluster.request_headers, route.request_headers, config.request_headers),
                compile_mutations(cluster.response_headers, route.response_headers, config.response_headers),
            )
            for cluster in clusters
        )
        self.shares = list(accumulate(cluster.weight for cluster in clusters))
        self.total = self.shares[-1] if self.shares else 0
        if self.forward and self.total <= 0:
            raise Rejected(f"route {route.name!r}: the weights of its clusters sum to {self.total}")
        self.mirrors = self.forward.mirrors if self.forward else ()
        self.hash_policies = self.forward.hash_policies if self.forward else ()
        self.is_sticky = self.forward is not None and self.forward.sticky
        self._compile_rewrites()

    def _compile_rewrites(self) -> None:
        """``rewrites``: whether anything of the address changes."""
        forward = self.forward
        pattern = forward.regex_rewrite if forward is not None else None
        self.regex: Substitute | None = None if pattern is None else compile_regex_rewrite(pattern)
        self.rewrites = pattern is not None or (
            forward is not None and (forward.prefix_rewrite, forward.host_rewrite) != (None, None)
        )


class CompiledHost:
    """A virtual host's routes, in order; those for CONNECT apart, which only they match."""

    __slots__ = ("connect_routes", "model", "require_tls", "routes")

    def __init__(self, host: VirtualHost, config: RouteConfiguration) -> None:
        self.model = host
        self.require_tls = host.require_tls
        compiled = [CompiledRoute(route, host, config) for route in host.routes]
        self.routes = tuple(route for route in compiled if not route.model.match.connect)
        self.connect_routes = tuple(route for route in compiled if route.model.match.connect)


class RouteTable:
    """A route configuration, ready to be asked."""

    __slots__ = ("_any", "_exact", "_known", "_prefixes", "_suffixes", "model")

    def __init__(self, config: RouteConfiguration) -> None:
        """Raises Rejected naming what cannot be honoured."""
        self.model = config
        self._exact: dict[bytes, CompiledHost] = {}
        self._suffixes: list[tuple[bytes, CompiledHost]] = []
        self._prefixes: list[tuple[bytes, CompiledHost]] = []
        self._any: CompiledHost | None = None
        self._known: dict[bytes, CompiledHost | None] = {}
        for virtual_host in config.virtual_hosts:
            try:
                host = CompiledHost(virtual_host, config)
                for domain in virtual_host.domains:
                    self._add(domain.lower().encode(), host)
            except Rejected as rejected:
                raise Rejected(f"{config.name}: {virtual_host.name}: {rejected}") from None
        self._suffixes.sort(key=_longest_first)
        self._prefixes.sort(key=_longest_first)

    def _add(self, domain: bytes, host: CompiledHost) -> None:
        if domain == b"*":
            self._any = host
        elif domain.startswith(b"*"):
            self._suffixes.append((domain[1:], host))
        elif domain.endswith(b"*"):
            self._prefixes.append((domain[:-1], host))
        elif domain in self._exact:
            raise Rejected(f"domain {domain.decode()!r} is in two virtual hosts")
        else:
            self._exact[domain] = host

    def find_host(self, authority: bytes) -> CompiledHost | None:
        """Exact, then the longest suffix, then the longest prefix, then ``*``."""
        try:
            return self._known[authority]
        except KeyError:
            pass
        return remember(self._known, authority, self._search(authority.lower()), MAX_KNOWN_AUTHORITIES)

    def _search(self, authority: bytes) -> CompiledHost | None:
        found = self._exact.get(authority)
        if found is not None:
            return found
        for suffix, host in self._suffixes:
            if authority.endswith(suffix) and len(authority) > len(suffix):
                return host
        for prefix, host in self._prefixes:
            if authority.startswith(prefix) and len(authority) > len(prefix):
                return host
        return self._any


def _longest_first(entry: tuple[bytes, CompiledHost]) -> int:
    return -len(entry[0])


def match_route(table: RouteTable, request: Request) -> CompiledRoute | None:
    """The first route that matches; None is Envoy's route_not_found."""
    host = table.find_host(request.authority)
    if host is not None:
        if host.require_tls and request.fields.get(b"x-forwarded-proto") != b"https":
            return _SSL_REDIRECT
        for route in host.routes if request.path else host.connect_routes:
            if route.matcher is None or route.matcher(request):
                return route
    return None


def pick_destination(route: CompiledRoute, rng: Random) -> Destination:
    """One of the weighted clusters of a forwarding route, each with its share of the draws."""
    destinations = route.destinations
    if len(destinations) == 1:
        return destinations[0]
    return destinations[bisect_right(route.shares, rng.random() * route.total)]


# compiling matches


def _compile_route_match(match: RouteMatch) -> Matcher | None:
    tests: list[Matcher] = []
    if (match.path.kind, match.path.value) != ("prefix", "/"):
        tests.append(_path_matcher(match))
    tests += [_header_matcher(header) for header in match.headers]
    tests += [_query_matcher(query) for query in match.query]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda request: all(test(request) for test in tests)


def _path_matcher(match: RouteMatch) -> Matcher:
    test = compile_match(match.path)
    if match.path.kind == "prefix" and "?" not in match.path.value:
        return lambda request: test(request.path)
    return lambda request: test(request.path.partition(b"?")[0])


_PSEUDO: dict[str, Callable[[Request], bytes]] = {
    ":method": lambda request: request.method,
    ":authority": lambda request: request.authority,
    ":path": lambda request: request.path,
    ":scheme": lambda request: request.scheme or request.fields.get(b"x-forwarded-proto", b"http"),
}


def _header_matcher(header: HeaderMatch) -> Matcher:
    wanted = not header.invert
    name = header.name.encode()
    pseudo = _PSEUDO.get(header.name)
    if header.match is None:
        return lambda request: (name in request.fields or pseudo is not None) is wanted
    test = compile_match(header.match)
    if pseudo is not None:
        read = pseudo
        return lambda request: test(read(request)) is wanted

    def match(request: Request) -> bool:
        """Of several values any may match, as in Envoy: joined they would slip past a rule for one."""
        value = request.fields.get(name)
        found = value is not None and test(value.strip())
        if not found and request.repeats:
            found = any(test(other.strip()) for known, other in request.repeats if known == name)
        return found is wanted

    return match


def _query_matcher(query: QueryMatch) -> Matcher:
    """Compared without decoding, the first of several values, as Envoy does."""
    name = query.name.encode()
    test = compile_match(query.match) if query.match is not None else None

    def match(request: Request) -> bool:
        for pair in request.path.partition(b"?")[2].split(b"&"):
            key, _, value = pair.partition(b"=")
            if key == name:
                return test is None or test(value)
        return False

    return match


_SSL_REDIRECT: Final = CompiledRoute(TO_HTTPS, VirtualHost("", (), ()), RouteConfiguration("", ()))
