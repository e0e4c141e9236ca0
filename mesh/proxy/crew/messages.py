"""What the first worker's process says to another worker's; pickled, from one of our processes to another."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew.tally import Tally


@dataclass(frozen=True, slots=True)
class Start:
    """The first message. ``log_levels`` are numbers of ``logging`` by logger."""

    node: Node
    bootstrap: Bootstrap
    log_levels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Identify:
    secrets: Secrets


@dataclass(frozen=True, slots=True)
class Apply:
    """Answered by ``Applied``."""

    ticket: int
    resources: Resources


@dataclass(frozen=True, slots=True)
class Count:
    """Answered by ``Counted``."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Counters to zero."""


@dataclass(frozen=True, slots=True)
class Drain:
    graceful: bool


@dataclass(frozen=True, slots=True)
class SetLevel:
    logger: str
    level: int


@dataclass(frozen=True, slots=True)
class Ejected:
    """A worker has found an outlier: what it says, and what the others are told. ``host`` is its key in the
    cluster: address, port, whether TLS is spoken to it."""

    cluster: str
    host: tuple[str, int, bool]
    for_s: float


@dataclass(frozen=True, slots=True)
class Leave:
    """Drain, then end."""


Order = Start | Identify | Apply | Count | Reset | Drain | SetLevel | Ejected | Leave


@dataclass(frozen=True, slots=True)
class Ready:
    """Said once, unasked: it takes orders from now on."""


@dataclass(frozen=True, slots=True)
class Applied:
    """``problem`` says why it was rejected; empty: it is in force."""

    ticket: int
    problem: str


@dataclass(frozen=True, slots=True)
class Counted:
    ticket: int
    tally: Tally


Report = Ready | Applied | Counted | Ejected
