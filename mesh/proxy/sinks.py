"""Where exchanges and connections are reported: log files, mixer's access log service, Istio's metrics.

One writer for each destination, kept for as long as the process lives: listeners that come and go with the
configuration share them.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.grpc.channel import Channel
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.http_filter import AccessLog, FileAccessLog, GrpcAccessLog, IstioStats
from mesh.model.names import CONTROL_PLANE_CLUSTER
from mesh.model.node import Node
from mesh.model.request_report import RequestReport
from mesh.proxy.access_log import AccessLogFile
from mesh.proxy.als import AccessLogService, E, Encoder
from mesh.proxy.connection_record import Sink as ConnectionSink
from mesh.proxy.http_manager import Sink
from mesh.proxy.istio_stats import IstioStats as IstioCounters
from mesh.proxy.worker import Worker
from mesh.xds.codec.access_log_batch import BatchEncoder
from mesh.xds.codec.connection_log import ConnectionBatchEncoder
from mesh.xds.errors import Rejected

_Services = dict[tuple[str, float, int], AccessLogService[E]]

DEFAULT_PATH = "/dev/stdout"  # what pilot says; the bootstrap says where that is for this sidecar


class Sinks:
    """Makes sinks for ``DynamicConfig``; ``access_log`` stands for /dev/stdout."""

    def __init__(
        self,
        node: Node,
        worker: Worker,
        counters: IstioCounters,
        access_log: str,
        open_channel: Callable[[], Channel],
    ) -> None:
        self._node = node
        self._worker = worker
        self._counters = counters
        self._access_log = access_log
        self._open_channel = open_channel
        self._files: dict[str, AccessLogFile] = {}
        self._requests: _Services[RequestReport] = {}
        self._connections: _Services[AccessLogEntry] = {}

    def make(self, source: AccessLog | IstioStats) -> Sink:
        """For requests. Raises Rejected for a log that cannot be written."""
        match source:
            case IstioStats():
                return self._counters.record
            case FileAccessLog():
                return self._file(source).write
            case GrpcAccessLog():
                return self._service(source, self._requests, BatchEncoder).add

    def make_for_connections(self, source: AccessLog | IstioStats) -> ConnectionSink:
        """For those that are only bytes. Raises Rejected."""
        match source:
            case IstioStats():
                return self._counters.record_connection
            case FileAccessLog():
                return self._file(source).write_connection
            case GrpcAccessLog():
                return self._service(source, self._connections, ConnectionBatchEncoder).add

    def _file(self, log: FileAccessLog) -> AccessLogFile:
        path = self._access_log if log.path == DEFAULT_PATH else log.path
        if path not in self._files:
            try:
                self._files[path] = AccessLogFile(path, self._worker.stats)
            except OSError as error:
                raise Rejected(f"access log {path}: {error.strerror}") from None
        return self._files[path]

    def _service(
        self, log: GrpcAccessLog, services: _Services[E], make_encoder: Callable[[], Encoder[E]]
    ) -> AccessLogService[E]:
        if log.cluster != CONTROL_PLANE_CLUSTER:
            raise Rejected(f"access log {log.log_name}: no gRPC service behind cluster {log.cluster}")
        key = (log.log_name, log.flush_interval_s, log.buffer_bytes)
        if key not in services:
            service = services[key] = AccessLogService(
                self._node,
                self._open_channel,
                self._worker.stats,
                make_encoder(),
                log_name=log.log_name,
                flush_interval_s=log.flush_interval_s,
                buffer_bytes=log.buffer_bytes,
            )
            self._worker.spawn(service.start(), f"access log {log.log_name}")
        return services[key]

    async def close(self) -> None:
        """Write and send what is buffered."""
        for requests in self._requests.values():
            await requests.stop()
        for connections in self._connections.values():
            await connections.stop()
        for file in self._files.values():
            await file.close()
