"""So many requests and no more: Envoy's local_ratelimit filter. The buckets are the routes'.

    enabled for it? -> a token? -> ok
                                -> rate_limited -> enforced? -> 429, flag RL

It stands before the router, so its refusals are never retried here. Source: ``local_ratelimit.cc``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.model.rate_limit import LocalRateLimit
from mesh.proxy.reply import Reply
from mesh.proxy.token_bucket import TokenBucket

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.worker import Worker

_WORDS = "local_rate_limited"
_RESOURCE_EXHAUSTED = 8  # gRPC's


class Limiter:
    """A route's limit at run time."""

    __slots__ = ("_bucket", "_enabled", "_enforced", "_limited", "_ok", "_reply", "_rules")

    def __init__(self, rules: LocalRateLimit, worker: Worker) -> None:
        self._rules = rules
        self._bucket = TokenBucket(rules.bucket, worker.loop.time(), worker.workers)
        prefix = f"{rules.stat_prefix}.http_local_rate_limit."
        self._enabled = worker.stats.counter(prefix + "enabled")
        self._ok = worker.stats.counter(prefix + "ok")
        self._limited = worker.stats.counter(prefix + "rate_limited")
        self._enforced = worker.stats.counter(prefix + "enforced")
        fields = tuple((name.encode(), value.encode()) for name, value in rules.response_headers)
        grpc_status = _RESOURCE_EXHAUSTED if rules.resource_exhausted else None
        status = rules.status if rules.status >= 400 else 429  # Envoy refuses with nothing less
        self._reply = Reply(status, _WORDS.encode(), "RL", _WORDS, fields, grpc_status)

    def refuse(self, worker: Worker) -> Reply | None:
        """What a request is told that may not pass; None: it may."""
        rules, random = self._rules, worker.rng.random
        if rules.enabled < 100 and random() * 100 >= rules.enabled:
            return None
        self._enabled.value += 1
        if self._bucket.take(worker.loop.time()):
            self._ok.value += 1
            return None
        self._limited.value += 1
        if rules.enforced < 100 and random() * 100 >= rules.enforced:
            return None
        self._enforced.value += 1
        return self._reply


def limit(exchange: Exchange) -> bool:
    """True when the request was refused."""
    route = exchange.route
    if route is None or route.model.rate_limit is None:
        return False
    if route.limiter is None:
        route.limiter = Limiter(route.model.rate_limit, exchange.worker)
    reply = route.limiter.refuse(exchange.worker)
    if reply is None:
        return False
    exchange.reply(reply)
    return True
