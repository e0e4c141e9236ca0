"""The dynamic configuration: takes resources and makes them the ones in force.

    xDS client -> apply(resources) -> compile what is new -> bind what is new -> swap all of it in

It is synchronous: when ``apply`` returns, the next request follows the new rules; when it raises Rejected,
nothing has changed. Parts that did not change keep their pools, sockets, connections and counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import AccessLog, IstioStats
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.model.route import RouteConfiguration
from mesh.proxy.chain import Handler, RuntimeChain
from mesh.proxy.cluster import RuntimeCluster
from mesh.proxy.connection_record import MakeSink as MakeConnectionSink
from mesh.proxy.connection_record import Reports
from mesh.proxy.http_manager import HttpManager, MakeSink, Sink
from mesh.proxy.listener import Address, RuntimeListener
from mesh.proxy.route import RouteTable
from mesh.proxy.tcp_proxy import TcpHandler
from mesh.proxy.worker import Worker
from mesh.xds.errors import Rejected

Chains = dict[str, RuntimeChain]


class _Changed(NamedTuple):
    """A listener that is new or different; ``listener`` is the one that goes on, or one newly bound."""

    model: Listener
    chains: Chains
    listener: RuntimeListener


class DynamicConfig:
    """``resources`` is what is in force. Both makers of sinks raise Rejected for a log that cannot be
    written; ``make_connection_sink`` is for connections that are only bytes."""

    def __init__(
        self,
        worker: Worker,
        make_sink: MakeSink = lambda _: None,
        make_connection_sink: MakeConnectionSink = lambda _: None,
    ) -> None:
        self.worker = worker
        self._make_sink = make_sink
        self._make_connection_sink = make_connection_sink
        self.resources = Resources()
        self.listeners: dict[str, RuntimeListener] = {}
        self._by_address: dict[Address, RuntimeListener] = {}
        self._tables: dict[str, RouteTable] = {}

    def apply(self, resources: Resources) -> None:
        """Make this the configuration, whole. Raises Rejected naming what cannot be honoured."""
        self.worker.contexts.check(resources.secrets)
        clusters = self._make_clusters(resources.clusters)
        tables = self._make_tables(resources.routes)
        changed = self._make_listeners(resources.listeners)
        # from here on nothing can fail, and no request is served in between
        self.worker.contexts.take(resources.secrets)
        self._take_clusters(clusters, resources.endpoints)
        self._tables = tables
        self._take_listeners(changed, {model.name for model in resources.listeners})
        self.resources = resources

    # compiling: anything that is wrong is found here

    def _make_clusters(self, models: Iterable[Cluster]) -> dict[str, RuntimeCluster]:
        known = self.worker.clusters
        return {
            model.name: known[model.name]
            if model.name in known and known[model.name].model == model
            else RuntimeCluster(model, self.worker, known.get(model.name))
            for model in models
        }

    def _make_tables(self, models: Iterable[RouteConfiguration]) -> dict[str, RouteTable]:
        known = self._tables
        return {
            model.name: known[model.name]
            if model.name in known and known[model.name].model == model
            else RouteTable(model)
            for model in models
        }

    def _make_listeners(self, models: Iterable[Listener]) -> list[_Changed]:
        """Compile and bind those that changed: all or none."""
        compiled = [
            (model, self._make_chains(model))
            for model in models
            if model.name not in self.listeners or self.listeners[model.name].model != model
        ]
        changed: list[_Changed] = []
        try:
            for model, chains in compiled:
                listener = self.listeners.get(model.name)
                if listener is None or not listener.has_address_of(model):
                    listener = RuntimeListener(model, chains, self.worker, self._by_address)
                    if model.bind_to_port:
                        listener.bind()
                changed.append(_Changed(model, chains, listener))
        except Rejected:
            for each in changed:
                if self.listeners.get(each.model.name) is not each.listener:
                    each.listener.stop()
            raise
        return changed

    def _make_chains(self, model: Listener) -> Chains:
        if model.access_logs:
            raise Rejected(f"listener {model.name}: access_log: supported on its filters, not on itself")
        chains = list(model.filter_chains)
        if model.default_filter_chain is not None:
            chains.append(model.default_filter_chain)
        made = {chain.name: RuntimeChain(chain, self._make_handler(chain, model)) for chain in chains}
        if len(made) != len(chains):
            raise Rejected(f"listener {model.name}: two filter chains have one name")
        return made

    def _make_handler(self, chain: FilterChain, listener: Listener) -> Handler:
        model = chain.network_filter
        try:
            if isinstance(model, TcpProxy):
                reports = Reports(model, self._make_connection_sink)
                return TcpHandler(model, listener.direction, self.worker, reports)
            return HttpManager(model, listener.direction, self.worker, self._request_sinks(model))
        except Rejected as rejected:
            raise Rejected(f"listener {listener.name}: {chain.name}: {rejected}") from None

    def _request_sinks(self, model: HttpConnectionManager) -> tuple[Sink, ...]:
        """A request is reported once, at its end."""
        sources: list[AccessLog | IstioStats] = [
            log for log in model.access_logs if not log.types or "DownstreamEnd" in log.types
        ]
        sources += [entry for entry in model.filters if isinstance(entry, IstioStats)]
        return tuple(sink for sink in map(self._make_sink, sources) if sink is not None)

    # swapping in

    def _take_clusters(
        self, clusters: dict[str, RuntimeCluster], assignments: Iterable[ClusterLoadAssignment]
    ) -> None:
        before, self.worker.clusters = self.worker.clusters, clusters
        known = {assignment.cluster_name: assignment for assignment in self.resources.endpoints}
        for assignment in assignments:
            name = assignment.cluster_name
            cluster = clusters.get(name)
            if cluster is None or cluster.model.discovery != "EDS":
                continue
            if cluster is not before.get(name) or known.get(name) != assignment:
                cluster.update(assignment)
        for name, cluster in before.items():
            if clusters.get(name) is not cluster:
                cluster.drain()
        for name, cluster in clusters.items():
            if before.get(name) is not cluster:
                cluster.breaker.show_in(self.worker.stats, name)
                cluster.start()

    def _take_listeners(self, changed: Iterable[_Changed], names: set[str]) -> None:
        for name in [name for name in self.listeners if name not in names]:
            self._remove(name)
        for model, chains, listener in changed:
            if self.listeners.get(model.name) is not listener:
                if model.name in self.listeners:
                    self._remove(model.name)  # its address changed
                self.listeners[model.name] = listener
            self._attach_tables(chains)
            listener.update(model, chains)
            if model.bind_to_port:
                listener.start()
            else:
                self._by_address[model.address, model.port] = listener
        for listener in self.listeners.values():
            self._attach_tables(listener.chains)

    def _attach_tables(self, chains: Chains) -> None:
        """Give each connection manager its routes of now."""
        for chain in chains.values():
            handler = chain.handler
            if isinstance(handler, HttpManager) and handler.model.route_config is None:
                handler.table = self._tables.get(handler.model.route_config_name)

    def _remove(self, name: str) -> None:
        listener = self.listeners.pop(name)
        model = listener.model
        if self._by_address.get((model.address, model.port)) is listener:
            del self._by_address[model.address, model.port]
        listener.stop()
        listener.drain()
