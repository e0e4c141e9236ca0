"""What the admin interface needs to see of a running proxy, and the few things it may do to it.

The proxy's server implements ``AdminView``; ``admin.py`` and its helpers only read it, so they can be
tested without a proxy. Every value is a snapshot taken when it is asked for, on the event loop's thread.
Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from mesh.model.endpoint import Health as DiscoveredHealth
from mesh.model.endpoint import Locality
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.health_check.state import Health

if TYPE_CHECKING:
    from mesh.proxy.crew.tally import Tally

# Envoy's ServerInfo.State: PRE_INITIALIZING before the first configuration, DRAINING after drain or SIGTERM
State = Literal["LIVE", "DRAINING", "PRE_INITIALIZING"]
ResourceType = Literal["CDS", "EDS", "LDS", "RDS"]


@dataclass(frozen=True, slots=True)
class ConfigView:
    """The configuration in force; a type without an entry in ``versions`` never arrived."""

    resources: Resources = field(default_factory=Resources)
    versions: Mapping[ResourceType, str] = field(default_factory=dict)
    updated_at: Mapping[ResourceType, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint at run time; totals count since the endpoint was added."""

    address: str
    port: int
    health: DiscoveredHealth = "HEALTHY"  # what discovery says
    weight: int = 1
    locality: Locality = field(default_factory=Locality)
    priority: int = 0
    cx_active: int = 0
    cx_connect_fail: int = 0
    cx_total: int = 0
    rq_active: int = 0
    rq_error: int = 0
    rq_success: int = 0
    rq_timeout: int = 0
    rq_total: int = 0
    is_ejected: bool = False  # by outlier detection
    active: Health | None = None  # by active health checks, where there are any
    leaves: bool = False  # it is gone from discovery, and stays while its checks pass


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster and its endpoints; ``added_via_api`` False: it came with the bootstrap."""

    name: str
    endpoints: Sequence[EndpointView] = ()
    added_via_api: bool = True


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A listener that has a socket, at the address it really got."""

    name: str
    address: str
    port: int


class AdminView(Protocol):
    """Implemented by the proxy's server; all of it is synchronous, and waits for other workers at most."""

    @property
    def node(self) -> Node: ...

    @property
    def state(self) -> State: ...

    @property
    def healthy(self) -> bool:
        """False after ``set_healthy(False)``."""

    @property
    def started_at(self) -> float: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def pids(self) -> Sequence[int]:
        """The processes that the workers are."""

    def tally(self) -> Tally:
        """What all workers counted, until now."""

    def config(self) -> ConfigView: ...

    def listeners(self) -> Sequence[ListenerView]: ...

    def secrets(self) -> Secrets | None:
        """What the workload runs with; None before the first certificate. Keys never leave admin."""

    def reset(self) -> None:
        """All counters to zero."""

    def drain(self, *, graceful: bool) -> None:
        """Stop accepting; with ``graceful`` first ask clients to leave (``connection: close``)."""

    def quit(self) -> None:
        """Begin an orderly end of the process; returns at once."""

    def set_level(self, logger: str, level: int) -> None:
        """``level`` as ``logging`` has it."""

    def set_healthy(self, healthy: bool) -> None:
        """What /healthcheck/fail and /healthcheck/ok do: readiness answers, traffic goes on."""
