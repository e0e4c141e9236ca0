"""Envoy's response flags: the short form of logs and metrics ("UF,URX", "-") <-> the log message's fields.

Two newer flags (DO, UDO) have no field in the message and cannot travel in it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from envoy.data.accesslog.v3 import accesslog_pb2

NONE: Final = "-"
_UNAUTHORIZED: Final = "UAEX"

# in the order in which Envoy joins them
FLAGS: Final = {
    "LH": "failed_local_healthcheck",
    "UH": "no_healthy_upstream",
    "UT": "upstream_request_timeout",
    "LR": "local_reset",
    "UR": "upstream_remote_reset",
    "UF": "upstream_connection_failure",
    "UC": "upstream_connection_termination",
    "UO": "upstream_overflow",
    "NR": "no_route_found",
    "DI": "delay_injected",
    "FI": "fault_injected",
    "RL": "rate_limited",
    _UNAUTHORIZED: "unauthorized_details",
    "RLSE": "rate_limit_service_error",
    "DC": "downstream_connection_termination",
    "URX": "upstream_retry_limit_exceeded",
    "SI": "stream_idle_timeout",
    "IH": "invalid_envoy_request_headers",
    "DPE": "downstream_protocol_error",
    "UMSDR": "upstream_max_stream_duration_reached",
    "RFCF": "response_from_cache_filter",
    "NFCF": "no_filter_config_found",
    "DT": "duration_timeout",
    "UPE": "upstream_protocol_error",
    "NC": "no_cluster_found",
    "OM": "overload_manager",
    "DF": "dns_resolution_failure",
    "DR": "downstream_remote_reset",
}
_EXTERNAL_SERVICE: Final = accesslog_pb2.ResponseFlags.Unauthorized.EXTERNAL_SERVICE


@lru_cache(maxsize=128)
def encode_flags(short: str) -> Any:
    """The message; it is shared, so copy it rather than change it. Flags without a field are left out."""
    message = accesslog_pb2.ResponseFlags()
    for flag in short.split(","):
        if flag == _UNAUTHORIZED:
            message.unauthorized_details.reason = _EXTERNAL_SERVICE
        elif flag in FLAGS:
            setattr(message, FLAGS[flag], True)
    return message


def decode_flags(message: Any) -> str:
    """The short form, in Envoy's order."""
    return _short(message.SerializeToString(deterministic=True))


@lru_cache(maxsize=128)
def _short(serialised: bytes) -> str:
    message = accesslog_pb2.ResponseFlags.FromString(serialised)
    present = {field.name for field, _ in message.ListFields()}
    return ",".join(flag for flag, field in FLAGS.items() if field in present) or NONE
