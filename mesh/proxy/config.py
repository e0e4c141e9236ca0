"""The dynamic configuration: takes resources as they come over xDS and makes them the ones in force.

    xDS client -> apply_clusters / apply_endpoints / apply_listeners / apply_routes
               -> everything new is compiled first; only when all of it is good, it is swapped in

All of it is synchronous: when a call returns, the next request follows the new rules; when it raises
Rejected, nothing has changed. Parts that did not change keep their pools, sockets and counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import AccessLog, IstioStats
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.model.route import RouteConfiguration
from mesh.proxy.chain import Handler, RuntimeChain
from mesh.proxy.cluster import RuntimeCluster
from mesh.proxy.http_manager import HttpManager, Sink
from mesh.proxy.listener import Address, RuntimeListener
from mesh.proxy.route import RouteTable
from mesh.proxy.tcp_proxy import TcpHandler
from mesh.proxy.worker import Worker
from mesh.xds.errors import Rejected

# what a listener's access logs and stats filter become; None for one that this proxy does not write
MakeSink = Callable[[AccessLog | IstioStats], Sink | None]


def no_sink(_: AccessLog | IstioStats) -> Sink | None:
    return None


class DynamicConfig:
    """``resources`` is what is in force."""

    def __init__(self, worker: Worker, make_sink: MakeSink = no_sink) -> None:
        self.worker = worker
        self._make_sink = make_sink
        self.resources = Resources()
        self.listeners: dict[str, RuntimeListener] = {}
        self._by_address: dict[Address, RuntimeListener] = {}
        self._warming: dict[str, tuple[Listener, dict[str, RuntimeChain]]] = {}
        self._tables: dict[str, RouteTable] = {}
        self._assignments: dict[str, ClusterLoadAssignment] = {}

    def apply(self, resources: Resources) -> None:
        """All four, in the order in which nothing refers to what is not there yet. Raises Rejected."""
        self.apply_clusters(resources.clusters)
        self.apply_endpoints(resources.endpoints)
        self.apply_listeners(resources.listeners)
        self.apply_routes(resources.routes)

    # clusters and endpoints

    def apply_clusters(self, clusters: Iterable[Cluster]) -> None:
        before = self.worker.clusters
        after = {}
        for model in clusters:
            known = before.get(model.name)
            unchanged = known is not None and known.model == model
            after[model.name] = known if known is not None and unchanged else self._make_cluster(model)
        self.worker.clusters = after
        for name, cluster in before.items():
            if after.get(name) is not cluster:
                cluster.drain()
        self._remember(clusters=tuple(cluster.model for cluster in after.values()))

    def _make_cluster(self, model: Cluster) -> RuntimeCluster:
        made = RuntimeCluster(model, self.worker)
        assignment = self._assignments.get(model.name)
        if assignment is not None and model.discovery == "EDS":
            made.update(assignment)
        return made

    def apply_endpoints(self, assignments: Iterable[ClusterLoadAssignment]) -> None:
        """Clusters that are not named keep what they have: EDS says only what it has to say."""
        for assignment in assignments:
            if self._assignments.get(assignment.cluster_name) == assignment:
                continue
            self._assignments[assignment.cluster_name] = assignment
            cluster = self.worker.clusters.get(assignment.cluster_name)
            if cluster is not None and cluster.model.discovery == "EDS":
                cluster.update(assignment)
        self._remember(endpoints=tuple(self._assignments[name] for name in sorted(self._assignments)))

    # routes

    def apply_routes(self, routes: Iterable[RouteConfiguration]) -> None:
        tables = {}
        for routing in routes:
            known = self._tables.get(routing.name)
            same = known is not None and known.model == routing
            tables[routing.name] = known if known is not None and same else RouteTable(routing)
        self._tables = tables
        for listener in self.listeners.values():
            self._attach_tables(listener.chains)
        for name, (model, chains) in list(self._warming.items()):
            if self._attach_tables(chains):
                del self._warming[name]
                self._activate(model, chains)
        self._remember(routes=tuple(table.model for table in tables.values()))

    def _attach_tables(self, chains: Mapping[str, RuntimeChain]) -> bool:
        """Give each connection manager its routes; False when some have not arrived. What it has, it keeps."""
        complete = True
        for chain in chains.values():
            handler = chain.handler
            if isinstance(handler, HttpManager) and handler.model.route_config_name:
                handler.table = self._tables.get(handler.model.route_config_name, handler.table)
                complete = complete and handler.table is not None
        return complete

    # listeners

    def apply_listeners(self, listeners: Iterable[Listener]) -> None:
        models = {model.name: model for model in listeners}
        changed = {
            name: (model, self._make_chains(model))
            for name, model in models.items()
            if name not in self.listeners or self.listeners[name].model != model
        }
        bound = self._bind_new(changed)
        for name in [name for name in self.listeners if name not in models]:
            self._remove(name)
        for name in [name for name in self._warming if name not in models]:
            del self._warming[name]
        for name, (model, chains) in changed.items():
            if name in bound:
                if name in self.listeners:
                    self._remove(name)  # its address changed
                self.listeners[name] = bound[name]
            if self._attach_tables(chains):
                self._activate(model, chains)
            else:
                self._warming[name] = (model, chains)
        self._remember(listeners=tuple(models.values()))

    def _bind_new(
        self, changed: Mapping[str, tuple[Listener, dict[str, RuntimeChain]]]
    ) -> dict[str, RuntimeListener]:
        """Open the sockets that are not open yet; all or none. Raises Rejected."""
        bound: dict[str, RuntimeListener] = {}
        try:
            for name, (model, chains) in changed.items():
                known = self.listeners.get(name)
                if known is not None and (known.model.address, known.model.port) == (
                    model.address,
                    model.port,
                ):
                    continue
                made = RuntimeListener(model, chains, self.worker, self._by_address)
                bound[name] = made
                if model.bind_to_port:
                    made.bind()
        except Rejected:
            for listener in bound.values():
                listener.stop()
            raise
        return bound

    def _activate(self, model: Listener, chains: dict[str, RuntimeChain]) -> None:
        """From here on it serves."""
        listener = self.listeners[model.name]
        listener.update(model, chains)
        if model.bind_to_port:
            listener.start()
        else:
            self._by_address[model.address, model.port] = listener

    def _remove(self, name: str) -> None:
        listener = self.listeners.pop(name)
        model = listener.model
        if self._by_address.get((model.address, model.port)) is listener:
            del self._by_address[model.address, model.port]
        listener.stop()
        listener.drain()

    def _make_chains(self, model: Listener) -> dict[str, RuntimeChain]:
        chains = list(model.filter_chains)
        if model.default_filter_chain is not None:
            chains.append(model.default_filter_chain)
        made = {chain.name: RuntimeChain(chain, self._make_handler(chain, model)) for chain in chains}
        if len(made) != len(chains):
            raise Rejected(f"listener {model.name}: two filter chains have one name")
        return made

    def _make_handler(self, chain: FilterChain, listener: Listener) -> Handler:
        model = chain.network_filter
        sources: list[AccessLog | IstioStats] = []
        if isinstance(model, HttpConnectionManager):
            sources += [entry for entry in model.filters if isinstance(entry, IstioStats)]
        sources += [*model.access_logs, *listener.access_logs]
        sinks = tuple(sink for sink in map(self._make_sink, sources) if sink is not None)
        try:
            if isinstance(model, TcpProxy):
                return TcpHandler(model, self.worker, sinks)
            table = self._tables.get(model.route_config_name)
            return HttpManager(model, listener.direction, self.worker, sinks, table)
        except Rejected as rejected:
            raise Rejected(f"listener {listener.name}: {chain.name}: {rejected}") from None

    def _remember(self, **changed: object) -> None:
        kept = {name: getattr(self.resources, name) for name in Resources.__slots__}
        self.resources = Resources(**{**kept, **changed})
