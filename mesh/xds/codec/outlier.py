"""Outlier detection of a cluster. Success rates are not looked at, as in Istio."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3 import outlier_detection_pb2

from mesh.model.cluster import OutlierDetection
from mesh.xds.codec.wire import duration, seconds

_COUNTS: Final = ("consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")
_ALWAYS, _NEVER = 100, 0  # per cent of the detected errors that lead to an ejection


def encode_outlier(rules: OutlierDetection) -> Any:
    """Envoy counts to 0 never, and its 0 % enforcement says the same again, as Istio writes it."""
    message = outlier_detection_pb2.OutlierDetection(
        interval=duration(rules.interval_s),
        base_ejection_time=duration(rules.base_ejection_time_s),
        max_ejection_percent={"value": rules.max_ejection_percent},
        enforcing_success_rate={"value": _NEVER},
        split_external_local_origin_errors=rules.split_local_origin,
        enforcing_local_origin_success_rate={"value": _NEVER},
    )
    for name in _COUNTS:
        count = getattr(rules, name)
        getattr(message, name).value = count
        getattr(message, f"enforcing_{name}").value = _ALWAYS if count else _NEVER
    return message


def decode_outlier(message: Any) -> OutlierDetection:
    return OutlierDetection(
        split_local_origin=message.split_external_local_origin_errors,
        interval_s=seconds(message.interval),
        base_ejection_time_s=seconds(message.base_ejection_time),
        max_ejection_percent=message.max_ejection_percent.value,
        **{name: getattr(message, name).value for name in _COUNTS},
    )
