"""A request's biography: its methods stand in the order in which they happen.

    begin -> filter_request -> act
          -> forward -> attempt -> connected -> request_arrived ...
          -> response_arrived -> start_response -> continue_response -> finish

Driven by the callbacks of its two connections; the common path makes no task, no timer and no closure. What
really waits (a dial, a delay, a back-off) comes back through ``connected``, ``hold`` and ``Attempts``.
Decisions are pure functions elsewhere (route, balance, retry, reply); here they are only asked and obeyed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.http.fields import HOP_BY_HOP, remove_hop_by_hop
from mesh.http.message import Framing, Response
from mesh.http.upgrade import CONNECT
from mesh.proxy import failure as failures
from mesh.proxy.attempts import Attempts, further_attempts
from mesh.proxy.exchange_state import ExchangeState
from mesh.proxy.failure import Failure, Stage
from mesh.proxy.filters.chain import RequestStep
from mesh.proxy.flags import join_flags
from mesh.proxy.grpc import grpc_reply
from mesh.proxy.hash_policy import find_key, pick_by_key
from mesh.proxy.heads import clean_request
from mesh.proxy.mirror import begin_mirrors
from mesh.proxy.mutation import Mutation
from mesh.proxy.overload import overloaded
from mesh.proxy.reply import RETRY_LIMIT_EXCEEDED, UPGRADE_FAILED, Reply, details_of, flag_of, reply_for
from mesh.proxy.rewrite import redirect_reply, rewrite
from mesh.proxy.route import CompiledRoute, match_route, pick_destination
from mesh.proxy.stream_idle import watch_idle
from mesh.proxy.timeout import begin_timeouts
from mesh.proxy.tunnel import open_tunnel, pool_for_connect
from mesh.proxy.wishes import heed

if TYPE_CHECKING:
    from mesh.proxy.ends import Upstream

_clock = time.monotonic
_NO_BODY, _TUNNEL = Framing.NONE, Framing.TUNNEL


class Exchange(ExchangeState):
    """One request and its response."""

    __slots__ = ()

    # the request arrives

    def begin(self) -> None:
        if self.worker.overload.sheds_requests:
            self.reply(overloaded(self))
            return
        clean_request(self)
        if self.manager.stream_idle_timeout_s:
            watch_idle(self, self.manager.stream_idle_timeout_s)
        table = self.manager.table
        if table is not None:
            self.route = match_route(table, self.request)
        self.filter_request(self.manager.request_steps)

    def filter_request(self, steps: tuple[RequestStep, ...]) -> None:
        for step in steps:
            if step(self):
                return
        self.act()

    def hold(self, delay_s: float, then: Callable[[], None]) -> None:
        """A step stopped the request; ``then`` will take it further, unless the client leaves before."""
        self._hold = self.worker.timers.after(delay_s, then)

    def act(self) -> None:
        """Do what the route says."""
        route = self.route
        if route is None:
            self.reply(reply_for(failures.NO_ROUTE))
        elif route.forward is not None:
            self.forward(route)
        elif route.redirect is not None:
            reply = redirect_reply(self.request, route.model, route.redirect)
            self.reply(reply, route.response_mutations)
        elif route.direct is not None:
            self.reply(Reply(route.direct.status, route.direct.body), route.response_mutations)

    # the request is sent

    def forward(self, route: CompiledRoute) -> None:
        """Choose the cluster, and make of the request what will be sent to it."""
        worker, request, forward = self.worker, self.request, route.forward
        assert forward is not None
        if route.is_sticky:
            destination = pick_by_key(route, request, self.downstream.info, worker.rng)
        else:
            destination = pick_destination(route, worker.rng)
        self.destination = destination
        cluster = self.cluster = worker.clusters.get(destination.cluster)
        if cluster is None:
            self.reply(reply_for(failures.NO_CLUSTER), destination.response_mutations)
            return
        if route.rewrites:
            rewrite(request, route.model, forward, route.regex)
        for mutation in destination.request_mutations:
            mutation.apply_to_request(request, self)
        for step in self.manager.upstream_steps:
            step(self)
        if self.has_wishes:
            forward = heed(forward, request)
            self._attempts = Attempts(self, forward.retry)
        self.timeouts = begin_timeouts(self, forward)
        if request.expects_continue and (request.chunks or not request.complete):
            self.downstream.send_continue()
        if request.framing is not _NO_BODY:
            if request.method == CONNECT and not self.manager.makes_tunnels:
                self.reply(UPGRADE_FAILED)
                return
            self.body = self.manager.make_body(request, keep=forward.retry is not None)
        if route.mirrors and request.framing is not _TUNNEL:
            begin_mirrors(self, route.mirrors)
        if route.hash_policies:
            find_key(self, destination, route.hash_policies)
        self.attempt()

    def attempt(self) -> None:
        """Choose an endpoint; go on at once when a connection to it is idle."""
        cluster = self.cluster
        assert cluster is not None
        again = self._attempts
        tried = again.tried if again is not None else None
        host = cluster.pick(self.downstream.info.original_dst, tried, self.hash_key)
        if host is None:
            cluster.stats.no_healthy.value += 1
            self.upstream_failed(failures.NO_HEALTHY_UPSTREAM)
            return
        breaker, stats = cluster.breaker, cluster.stats
        if not breaker.can_request():
            stats.pending_overflow.value += 1
            self.upstream_failed(failures.OVERFLOW)
            return
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        host.active += 1
        self.host = host
        self._in_attempt = True
        pool = host.pool if self.request.path else pool_for_connect(self, host, cluster)
        connection = None if again is not None and again.needs_fresh else pool.take(self)
        if connection is not None:
            self.connected(connection)
        elif breaker.can_wait():
            self._waiting_in = pool
            pool.wait(self)
        else:
            stats.pending_overflow.value += 1
            self.upstream_failed(failures.OVERFLOW)

    def connected(self, connection: Upstream) -> None:
        """Send the head, and of the body what has arrived, in one write."""
        self._waiting_in = None
        self.upstream = connection
        self.upstream_local = connection.local_address
        self.upstream_principal = connection.principal
        route, fields = self.route, self.request.fields
        if route is not None and route.counts_attempts:
            again = self._attempts
            fields[b"x-envoy-attempt-count"] = b"1" if again is None else b"%d" % (again.retries + 1)
        self.sent_at = _clock()
        if self.timeouts is not None:
            self.timeouts.attempt_begins()
        if self.body is not None:
            self.downstream.resume_reading()
        connection.send_request(self)

    def request_arrived(self) -> None:
        """More of the request's body."""
        connection, body = self.upstream, self.body
        if connection is not None and body is not None and body.is_open:
            connection.send_body(self, body)
            self.sent_at = _clock()
        elif body is not None and body.is_full():
            self.downstream.pause_reading()
        if self.request.complete and self.timeouts is not None:
            self.timeouts.request_complete()

    # the upstream does not answer

    def abandon(self, failure: Failure) -> None:
        """Time is up: we give up on the upstream, not it on us."""
        if self.host is not None:
            self.host.timeouts += 1
        self._leave_upstream()
        if self.response is not None:
            failure = Failure(failure.kind, Stage.RESPONSE, False)
        self.upstream_failed(failure)

    def _leave_upstream(self) -> None:
        """Want nothing more of this attempt: its connection cannot be used again."""
        connection, self.upstream = self.upstream, None
        if connection is not None:
            connection.close()
        if self._waiting_in is not None:
            self._waiting_in.forget(self)
            self._waiting_in = None
        if self._attempts is not None:
            self._attempts.stop()

    def upstream_failed(self, failure: Failure) -> None:
        """Try again, or tell the client."""
        if self.host is not None and self.host.monitor is not None:
            self.host.monitor.failed(failure)
        self.upstream = self._waiting_in = None
        self._end_attempt(ok=False)
        self.transport_reason = failure.transport_reason
        if self.response is not None:
            self._break_response(flag_of(failure), details_of(failure))
            return
        attempts = further_attempts(self)
        if attempts.after_failure(failure):
            return
        reply = reply_for(failure, attempts.exhausted, attempts.retries)
        if self.cluster is not None:
            self.cluster.stats.rq_classes[reply.status // 100].value += 1
        self.reply(reply, self.destination.response_mutations if self.destination is not None else ())

    # the response arrives

    def response_arrived(self, response: Response) -> None:
        """The head, or more of the body."""
        if self.response is not None:
            self.continue_response(response)
            return
        if self.host is not None and self.host.is_watched:
            self.host.answered(self.request, response)
        is_good = response.status < 400 and self._attempts is None and b"grpc-status" not in response.fields
        if is_good or not self._is_retried(response):
            self.start_response(response)

    def _is_retried(self, response: Response) -> bool:
        """Whether this response is worth another attempt instead of being passed on."""
        attempts = further_attempts(self)
        if not attempts.after_response(response):
            if attempts.exhausted:
                self.add_flag(RETRY_LIMIT_EXCEEDED)
            return False
        connection = self.upstream
        if connection is not None and response.complete and self.request.complete:
            self.upstream = None
            connection.release(_clock(), response.keep_alive)
        self._leave_upstream()
        self._end_attempt(ok=False)
        attempts.begin()
        return True

    def start_response(self, response: Response) -> None:
        """Make of the head what the client gets, and send it with what there is of the body."""
        self.response = response
        self.status = response.status
        self.details = "via_upstream"
        if self.timeouts is not None:
            self.timeouts.attempt_ends()
        fields = response.fields
        if not HOP_BY_HOP.isdisjoint(fields):
            remove_hop_by_hop(response)
        if self.request.complete:
            self.service_time_s = _clock() - self.sent_at
            fields[b"x-envoy-upstream-service-time"] = b"%d" % (self.service_time_s * 1000)
        destination = self.destination
        if destination is not None:
            for mutation in destination.response_mutations:
                mutation.apply(response, self)
        if response.complete and not self.request.complete:
            self.keep_alive = False  # the rest of the request has nobody to go to
        self.downstream.send_head(self, response)
        if response.complete:
            self._response_complete(response)
        elif response.framing is _TUNNEL:
            open_tunnel(self)

    def continue_response(self, response: Response) -> None:
        """More of the body, or its end."""
        self.downstream.send_body(self, response)
        if response.complete:
            self._response_complete(response)

    def _response_complete(self, response: Response) -> None:
        connection, self.upstream = self.upstream, None
        if connection is not None:
            connection.release(_clock(), response.keep_alive and self.request.complete)
        self._end_attempt(ok=response.status < 500)
        cluster = self.cluster
        if cluster is not None:
            cluster.stats.rq_classes[response.status // 100].value += 1
        self.finish()

    def _end_attempt(self, ok: bool) -> None:
        """Give back what the attempt took of cluster and endpoint. The host stays, to be named."""
        if self.timeouts is not None:
            self.timeouts.attempt_ends()
        host, cluster = self.host, self.cluster
        if host is None or cluster is None or not self._in_attempt:
            return
        self._in_attempt = False
        host.active -= 1
        if ok:
            host.successes += 1
        else:
            host.errors += 1
        cluster.stats.rq_active.value -= 1

    def hold_response(self) -> None:
        """The client does not take more for now: the upstream has to wait."""
        if self.upstream is not None:
            self.upstream.pause_reading()

    def resume_response(self) -> None:
        if self.upstream is not None:
            self.upstream.resume_reading()

    # the response is ours, or there is none

    def add_flag(self, flag: str) -> None:
        self.flags = join_flags(self.flags, flag)

    def reply(self, reply: Reply, mutations: tuple[Mutation, ...] = ()) -> None:
        """Answer without an upstream."""
        request = self.request
        if b"content-type" in request.fields:
            reply = grpc_reply(reply, request)
        self.add_flag(reply.flags)
        self.details = reply.details
        self.status = reply.status
        if not request.complete:
            self.keep_alive = False
        made = self.replied = reply.make_response(request.method)
        for mutation in mutations:
            mutation.apply(made, self)
        self.downstream.send_head(self, made)
        self.finish()

    def _break_response(self, flag: str, details: str) -> None:
        """The response had begun and cannot be completed: the client must see that it is broken."""
        self.add_flag(flag)
        self.details = details
        self.keep_alive = False
        response = self.response
        if response is not None and response.framing is _TUNNEL:
            response.complete = True  # a tunnel's end is nothing to be told apart from
            self.downstream.send_body(self, response)
        else:
            self.downstream.abort_after_write()
        self.finish()

    def break_off(self, reply: Reply) -> None:
        """Nothing good comes of it any more: the upstream must not take the request for complete."""
        self._leave_upstream()
        self._end_attempt(ok=False)
        if self.response is None:
            self.reply(reply)
        else:
            self._break_response(reply.flags, reply.details)

    def client_gone(self, flag: str = "DC", details: str = "downstream_remote_disconnect") -> None:
        """The client closed, gave up or broke the rules before it had its answer."""
        self._leave_upstream()
        self._end_attempt(ok=False)
        self.add_flag(flag)
        self.details = details
        self.finish()

    def finish(self) -> None:
        """Count it, log it, hand the connection to the next."""
        if self.is_finished:
            return
        self.is_finished = True
        # what knows us is let go of: no cycle is left to the garbage collector
        if self.timeouts is not None:
            self.timeouts.stop()
            self.timeouts = None
        if self._hold is not None:
            self._hold.callback = None
        if self._attempts is not None:
            self._attempts.over()
            self._attempts = None
        if self.body is not None:
            self.body.end_copies()
        manager = self.manager
        manager.stats.rq_active.value -= 1
        manager.stats.rq_classes[self.status // 100].value += 1
        now = _clock()
        if manager.sinks:
            report = self.worker.access_records.make(self, now - self.started)
            for sink in manager.sinks:
                sink(report)
        self.downstream.exchange_done(self, now)
