"""A request's biography: its methods stand in the order in which they happen.

    begin -> find_route -> filter_request -> act
          -> forward -> attempt -> connected -> request_arrived ...
          -> response_arrived -> start_response -> continue_response -> finish

Driven by the callbacks of its two connections; the common path makes no task, no timer and no closure. What
really waits (a dial, a delay, a back-off) comes back through ``connected``, ``hold_for`` and ``retry``.
Decisions are pure functions elsewhere (route, balance, retry, reply); here they are only asked and obeyed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.http.fields import HOP_BY_HOP, remove_hop_by_hop
from mesh.http.message import Framing, Request, Response
from mesh.http.serialize import CONTINUE, LAST_CHUNK, chunk, request_head
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.proxy import failure as failures
from mesh.proxy.access_record import make_entry
from mesh.proxy.failure import Failure, Stage
from mesh.proxy.filters.chain import RequestStep
from mesh.proxy.flags import join_flags
from mesh.proxy.heads import clean_request, frame_response, make_response_head
from mesh.proxy.mutation import Mutation
from mesh.proxy.reply import RETRY_LIMIT_EXCEEDED, Reply, details_of, flag_of, reply_for
from mesh.proxy.retry import backoff_s, should_retry, should_retry_status
from mesh.proxy.rewrite import redirect_reply, rewrite, set_authority
from mesh.proxy.route import CompiledRoute, Destination, match_route, pick_destination

if TYPE_CHECKING:
    from mesh.proxy.cluster import Host, RuntimeCluster
    from mesh.proxy.connection import DownstreamConnection
    from mesh.proxy.timers import Timer
    from mesh.proxy.upstream import UpstreamConnection

# A body is kept for another attempt while it is no larger than this; a larger one is sent once.
MAX_REPLAY_BYTES = 64 * 1024
# What may arrive before there is a connection to pass it on; then the client has to wait.
MAX_HELD_BYTES = 64 * 1024

_clock = time.monotonic


class Exchange:
    """One request and its response. ``peer`` is the workload on the other side, as far as it is known."""

    __slots__ = (
        "_backing_off",
        "_body_ended",
        "_in_attempt",
        "_replay",
        "_timer",
        "_tried",
        "_try_timer",
        "_waiting_in",
        "bytes_received",
        "bytes_sent",
        "cluster",
        "destination",
        "details",
        "downstream",
        "flags",
        "header_bytes_sent",
        "host",
        "is_chunked",
        "is_finished",
        "keep_alive",
        "manager",
        "peer",
        "peer_asked",
        "request",
        "response",
        "retries",
        "route",
        "sent_at",
        "service_time_s",
        "start_time",
        "started",
        "status",
        "transport_reason",
        "upstream",
        "upstream_local",
        "upstream_principal",
        "worker",
    )

    def __init__(self, downstream: DownstreamConnection, request: Request) -> None:
        self.downstream = downstream
        self.manager = downstream.manager
        self.worker = downstream.worker
        self.request = request
        self.start_time = time.time()
        self.started = _clock()
        self.route: CompiledRoute | None = None
        self.destination: Destination | None = None
        self.cluster: RuntimeCluster | None = None
        self.host: Host | None = None
        self.upstream: UpstreamConnection | None = None
        self.upstream_local = ""
        self.upstream_principal = ""
        self.response: Response | None = None
        self.peer: Peer = UNKNOWN_PEER
        self.peer_asked = False
        self.status = 0
        self.flags = "-"
        self.details = ""
        self.transport_reason = ""
        self.sent_at = 0.0
        self.service_time_s: float | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.header_bytes_sent = 0
        self.retries = 0
        self.keep_alive = request.keep_alive
        self.is_finished = False
        self.is_chunked = False
        self._in_attempt = False
        self._backing_off = False
        self._body_ended = False
        self._replay: list[bytes] | None = None
        self._tried: list[Host] = []
        self._timer: Timer | None = None
        self._try_timer: Timer | None = None
        self._waiting_in: Host | None = None

    # the request arrives

    def begin(self) -> None:
        stats = self.manager.stats
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        clean_request(self)
        self.find_route()
        self.filter_request(self.manager.request_steps)

    def find_route(self) -> None:
        table = self.manager.table
        if table is not None:
            self.route = match_route(table, self.request)

    def filter_request(self, steps: tuple[RequestStep, ...]) -> None:
        for step in steps:
            if step(self):
                return
        self.act()

    def hold_for(self, delay_s: float, then: Callable[[], bool], step: RequestStep) -> None:
        """Wait, ask ``then`` whether it answered, and if not go on behind ``step``."""
        steps = self.manager.request_steps
        rest = steps[steps.index(step) + 1 :]

        def go_on() -> None:
            self._timer = None
            if not then():
                self.filter_request(rest)

        self._timer = self.worker.timers.after(delay_s, go_on)

    def act(self) -> None:
        """Do what the route says."""
        route = self.route
        if route is None:
            self.reply(reply_for(failures.NO_ROUTE))
        elif route.forward is not None:
            self.forward(route)
        elif route.redirect is not None:
            scheme = self.request.fields[b"x-forwarded-proto"]
            reply = redirect_reply(self.request, route.model, route.redirect, scheme)
            self.reply(reply, route.response_mutations)
        elif route.direct is not None:
            self.reply(Reply(route.direct.status, route.direct.body), route.response_mutations)

    # the request is sent

    def forward(self, route: CompiledRoute) -> None:
        """Choose the cluster, and make of the request what will be sent to it."""
        worker, request, forward = self.worker, self.request, route.forward
        assert forward is not None
        destination = self.destination = pick_destination(route, worker.rng)
        cluster = self.cluster = worker.clusters.get(destination.cluster)
        if cluster is None:
            self.reply(reply_for(failures.NO_CLUSTER))
            return
        if forward.prefix_rewrite is not None or forward.host_rewrite is not None:
            rewrite(request, route.model, forward)
        for mutation in destination.request_mutations:
            mutation.apply(request)
            if mutation.host is not None:
                set_authority(request, mutation.host)
        for step in self.manager.upstream_steps:
            step(self)
        if forward.timeout_s:
            request.fields[b"x-envoy-expected-rq-timeout-ms"] = b"%d" % (forward.timeout_s * 1000)
            if request.complete:
                self._start_timeout()
        if request.expects_continue and not request.complete:
            self.downstream.write(CONTINUE)
        if forward.retry is not None:
            self._replay = []
        self.attempt()

    def _start_timeout(self) -> None:
        """The route's timeout counts from the request's last byte, as Envoy's does."""
        route = self.route
        if route is not None and route.forward is not None and route.forward.timeout_s and not self._timer:
            self._timer = self.worker.timers.after(route.forward.timeout_s, self._timed_out)

    def attempt(self) -> None:
        """Choose an endpoint; go on at once when a connection to it is idle."""
        cluster = self.cluster
        assert cluster is not None
        host = cluster.pick(self.downstream.info.original_dst, self._tried)
        if host is None:
            cluster.stats.no_healthy.value += 1
            self.upstream_failed(failures.NO_HEALTHY_UPSTREAM)
            return
        breaker, stats = cluster.breaker, cluster.stats
        if breaker.requests >= breaker.limits.max_requests:
            stats.pending_overflow.value += 1
            self.upstream_failed(failures.OVERFLOW)
            return
        breaker.requests += 1
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        host.active += 1
        host.total += 1
        self.host = host
        self._in_attempt = True
        connection = host.pool.take()
        if connection is not None:
            self.connected(connection)
        elif breaker.can_wait():
            self._waiting_in = host
            host.pool.wait(self)
        else:
            stats.pending_overflow.value += 1
            self.upstream_failed(failures.OVERFLOW)

    def connected(self, connection: UpstreamConnection) -> None:
        """Send the head, and of the body what has arrived, in one write."""
        self._waiting_in = None
        self.upstream = connection
        self.upstream_local = connection.local_address
        self.upstream_principal = connection.principal
        request = self.request
        fields = request.fields
        if self.manager.counts_attempts:
            fields[b"x-envoy-attempt-count"] = b"%d" % (self.retries + 1) if self.retries else b"1"
        head = request_head(request.method, request.path, fields, request.repeats)
        self.sent_at = _clock()
        self._start_try_timeout()
        if request.framing is Framing.NONE:
            connection.begin(self, head)
            return
        sent = self._replay
        if sent and self.retries:
            head += b"".join(sent)
        self.downstream.resume_reading()
        connection.begin(self, head + self._take_body())

    def _start_try_timeout(self) -> None:
        route = self.route
        policy = route.forward.retry if route is not None and route.forward is not None else None
        if policy is not None and policy.per_try_timeout_s:
            self._try_timer = self.worker.timers.after(policy.per_try_timeout_s, self._try_timed_out)

    def _take_body(self) -> bytes:
        """What has arrived of the body, framed for the upstream; remembered while it may be needed again."""
        request = self.request
        body = request.take_body()
        self.bytes_received += len(body)
        if request.framing is Framing.CHUNKED:
            body = chunk(body)
            if request.complete and not self._body_ended:
                self._body_ended = True
                body += LAST_CHUNK
        if self._replay is not None:
            if self.bytes_received <= MAX_REPLAY_BYTES:
                self._replay.append(body)
            else:
                self._replay = None
        return body

    def request_arrived(self) -> None:
        """More of the request's body."""
        request, connection = self.request, self.upstream
        if connection is not None:
            body = self._take_body()
            if body:
                connection.transport.write(body)
                self.sent_at = _clock()
        elif not self.is_finished and sum(map(len, request.chunks)) > MAX_HELD_BYTES:
            self.downstream.pause_reading()
        if request.complete:
            self._start_timeout()

    def hold_request(self) -> None:
        """The upstream does not take more for now: neither do we."""
        self.downstream.pause_reading()

    def resume_request(self) -> None:
        self.downstream.resume_reading()

    # the upstream does not answer

    def connect_failed(self, failure: Failure) -> None:
        self._waiting_in = None
        self.upstream_failed(failure)

    def _timed_out(self) -> None:
        cluster = self.cluster
        if cluster is not None:
            cluster.stats.rq_timeout.value += 1
        self._abandon(failures.TIMEOUT)

    def _try_timed_out(self) -> None:
        cluster = self.cluster
        if cluster is not None:
            cluster.stats.rq_per_try_timeout.value += 1
        self._abandon(failures.PER_TRY_TIMEOUT)

    def _abandon(self, failure: Failure) -> None:
        """We give up on the upstream, not it on us."""
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
            self._waiting_in.pool.forget(self)
            self._waiting_in = None
        if self._backing_off:
            self._end_back_off()

    def upstream_failed(self, failure: Failure) -> None:
        """Try again, or tell the client."""
        self.upstream = None
        self._end_attempt(ok=False)
        self.transport_reason = failure.transport_reason
        if self.response is not None:
            self._break_response(failure)
            return
        route = self.route
        policy = route.forward.retry if route is not None and route.forward is not None else None
        method = self.request.method
        may_repeat = self._replay is not None or failure.stage is Stage.ROUTE
        if may_repeat and should_retry(policy, failure, method, self.retries) and self._can_retry():
            self.retry()
            return
        exhausted = self.retries > 0 and should_retry(policy, failure, method, 0)
        self.reply(reply_for(failure, exhausted))

    def _can_retry(self) -> bool:
        cluster = self.cluster
        assert cluster is not None
        if cluster.breaker.can_retry():
            return True
        cluster.stats.retry_overflow.value += 1
        return False

    def retry(self) -> None:
        """Another attempt, after the policy's back-off."""
        cluster, route = self.cluster, self.route
        assert cluster is not None
        assert route is not None
        assert route.forward is not None
        policy = route.forward.retry
        assert policy is not None
        self.retries += 1
        cluster.stats.retry.value += 1
        cluster.breaker.retries += 1
        if policy.avoid_previous_hosts and self.host is not None:
            self._tried.append(self.host)
        self._backing_off = True
        delay_s = backoff_s(policy, self.retries, self.worker.rng)
        self._try_timer = self.worker.timers.after(delay_s, self._attempt_again)

    def _attempt_again(self) -> None:
        self._end_back_off()
        self.attempt()

    def _end_back_off(self) -> None:
        self._backing_off = False
        if self._try_timer is not None:
            self._try_timer.callback = None
        if self.cluster is not None:
            self.cluster.breaker.retries -= 1

    # the response arrives

    def response_arrived(self, response: Response) -> None:
        """The head, or more of the body."""
        if self.response is not None:
            self.continue_response(response)
        elif not self._is_retried(response):
            self.start_response(response)

    def _is_retried(self, response: Response) -> bool:
        """Whether this response is worth another attempt instead of being passed on."""
        route = self.route
        policy = route.forward.retry if route is not None and route.forward is not None else None
        if policy is None or response.status < 400 or self._replay is None:
            return False
        method = self.request.method
        if not should_retry_status(policy, response.status, method, self.retries):
            if self.retries and should_retry_status(policy, response.status, method, 0):
                self.flags = join_flags(self.flags, RETRY_LIMIT_EXCEEDED)
                if self.cluster is not None:
                    self.cluster.stats.retry_limit_exceeded.value += 1
            return False
        if not self._can_retry():
            return False
        connection = self.upstream
        if response.complete and connection is not None and self.request.complete:
            self.upstream = None
            connection.release(_clock(), response.keep_alive)
        self._leave_upstream()
        self._end_attempt(ok=False)
        self.retry()
        return True

    def start_response(self, response: Response) -> None:
        """Make of the head what the client gets, and send it with what there is of the body."""
        self.response = response
        self.status = response.status
        self.details = "via_upstream"
        self.service_time_s = _clock() - self.sent_at
        if self._try_timer is not None:
            self._try_timer.callback = None
        fields = response.fields
        if not HOP_BY_HOP.isdisjoint(fields):
            remove_hop_by_hop(response)
        if response.framing is not Framing.LENGTH:
            frame_response(self, response)
        fields[b"x-envoy-upstream-service-time"] = b"%d" % (self.service_time_s * 1000)
        destination = self.destination
        if destination is not None:
            for mutation in destination.response_mutations:
                mutation.apply(response)
        if response.complete and not self.request.complete:
            self.keep_alive = False  # the rest of the request has nobody to go to
        out = make_response_head(self, fields, response)
        body = response.take_body()
        self.bytes_sent = len(body)
        if self.is_chunked:
            body = chunk(body)
            if response.complete:
                body += LAST_CHUNK
        self.downstream.write(out + body if body else out)
        if response.complete:
            self._response_complete(response)

    def continue_response(self, response: Response) -> None:
        """More of the body, or its end."""
        body = response.take_body()
        self.bytes_sent += len(body)
        if self.is_chunked:
            body = chunk(body)
            if response.complete:
                body += LAST_CHUNK
        if body:
            self.downstream.write(body)
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
        if self._try_timer is not None:
            self._try_timer.callback = None
        host, cluster = self.host, self.cluster
        if host is None or cluster is None or not self._in_attempt:
            return
        self._in_attempt = False
        host.active -= 1
        if ok:
            host.successes += 1
        else:
            host.errors += 1
        cluster.breaker.requests -= 1
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
        self.add_flag(reply.flags)
        self.details = reply.details
        self.status = reply.status
        if not request.complete:
            self.keep_alive = False
        made = Response(reply.status, reply.make_fields(), [], Framing.LENGTH, True)
        for mutation in mutations:
            mutation.apply(made)
        out = make_response_head(self, made.fields, None)
        self.header_bytes_sent = len(out)
        if request.method != b"HEAD":
            out += reply.body
            self.bytes_sent = len(reply.body)
        self.downstream.write(out)
        self.finish()

    def _break_response(self, failure: Failure) -> None:
        """The response had begun and cannot be completed: the client must see that it is broken."""
        self.add_flag(flag_of(failure))
        self.details = details_of(failure)
        self.keep_alive = False
        self.downstream.abort_after_write()
        self.finish()

    def refuse(self, reply: Reply) -> None:
        """What came is no request; it is counted and logged as one all the same, as Envoy does."""
        stats = self.manager.stats
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        self.reply(reply)

    def refuse_body(self, reply: Reply) -> None:
        """The request's body broke the rules of HTTP: the upstream must not take it for complete."""
        self._leave_upstream()
        self._end_attempt(ok=False)
        self.keep_alive = False
        if self.response is None:
            self.reply(reply)
        else:
            self.add_flag(reply.flags)
            self.details = reply.details
            self.downstream.abort_after_write()
            self.finish()

    def client_gone(self) -> None:
        """The client closed before it had its answer."""
        self._leave_upstream()
        self._end_attempt(ok=False)
        self.add_flag("DC")
        self.details = "downstream_remote_disconnect"
        self.finish()

    def finish(self) -> None:
        """Count it, log it, hand the connection to the next."""
        if self.is_finished:
            return
        self.is_finished = True
        if self._timer is not None:
            self._timer.callback = None
        manager = self.manager
        stats = manager.stats
        stats.rq_active.value -= 1
        stats.rq_classes[self.status // 100].value += 1
        now = _clock()
        if manager.sinks:
            entry = make_entry(self, now - self.started)
            for sink in manager.sinks:
                sink(entry)
        self.downstream.exchange_done(self, now)
