"""The static configuration of a sidecar: what it must know before it can ask for anything.

Read once, from the command line and the environment, and the same for both engines. All else comes over xDS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesh.proxy.overload import DEFAULT_LIMITS, OverloadLimits

SECRET_TTL_VARIABLE = "MESH_SECRET_TTL"  # Istio's agent calls it SECRET_TTL
MAX_CONCURRENCY = 64  # workers
DEFAULT_SECRET_TTL = "24h"  # Istio's default life of a workload certificate

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def duration_s(text: str) -> float:
    """Seconds of a duration in Go's notation (``24h``, ``1h30m``, ``500ms``), as Istio's variables have it.

    Raises ValueError when the text is none.
    """
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"expected a duration such as 24h, 1h30m or 30s, got {text!r}")
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(text))


def secret_ttl_s(environment: Mapping[str, str] = os.environ) -> float:
    """The life to ask for in certificates. Raises ValueError naming the variable when it is malformed."""
    text = environment.get(SECRET_TTL_VARIABLE, DEFAULT_SECRET_TTL)
    try:
        ttl_s = duration_s(text)
    except ValueError as malformed:
        raise ValueError(f"{SECRET_TTL_VARIABLE}: {malformed}") from None
    if ttl_s <= 0:
        raise ValueError(f"{SECRET_TTL_VARIABLE}: expected more than 0s, got {text!r}")
    return ttl_s


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """``control_plane`` is "host:port" of the TLS port; the token file is read again at each call.

    ``access_log`` is a file's path, or /dev/stdout; ``concurrency`` counts workers: Envoy's are threads, ours
    processes.
    """

    control_plane: str
    root_cert: Path
    token_file: Path
    run_dir: Path
    access_log: str = "/dev/stdout"
    drain_duration_s: float = 5.0
    concurrency: int = 1
    overload: OverloadLimits = DEFAULT_LIMITS
    secret_ttl_s: float = field(default_factory=secret_ttl_s)
