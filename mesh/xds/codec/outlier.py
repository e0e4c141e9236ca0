"""Outlier detection of a cluster. A detector that is off is written as Istio writes it: enforced in 0 %."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3 import outlier_detection_pb2

from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate
from mesh.xds.codec.wire import duration, seconds

_COUNTS: Final = ("consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")
_ALWAYS, _NEVER = 100, 0  # per cent of the detected errors that lead to an ejection
# Envoy's field -> the model's
_RATE: Final = {
    "success_rate_minimum_hosts": "minimum_hosts",
    "success_rate_request_volume": "request_volume",
    "success_rate_stdev_factor": "stdev_factor",
    "enforcing_success_rate": "enforcing",
    "enforcing_local_origin_success_rate": "enforcing_local_origin",
}
_PERCENTAGE: Final = {
    "failure_percentage_threshold": "threshold",
    "failure_percentage_minimum_hosts": "minimum_hosts",
    "failure_percentage_request_volume": "request_volume",
    "enforcing_failure_percentage": "enforcing",
    "enforcing_failure_percentage_local_origin": "enforcing_local_origin",
}


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
    if rules.max_ejection_time_s is not None:
        message.max_ejection_time.CopyFrom(duration(rules.max_ejection_time_s))
    if rules.max_ejection_time_jitter_s:
        message.max_ejection_time_jitter.CopyFrom(duration(rules.max_ejection_time_jitter_s))
    if rules.always_eject_one_host:
        message.always_eject_one_host.value = True
    if not rules.uneject_on_health_check:
        message.successful_active_health_check_uneject_host.value = False
    for fields, detector in ((_RATE, rules.success_rate), (_PERCENTAGE, rules.failure_percentage)):
        for name, ours in fields.items() if detector is not None else ():
            getattr(message, name).value = getattr(detector, ours)
    return message


def decode_outlier(message: Any) -> OutlierDetection:
    return OutlierDetection(
        split_local_origin=message.split_external_local_origin_errors,
        interval_s=seconds(message.interval),
        base_ejection_time_s=seconds(message.base_ejection_time),
        max_ejection_percent=message.max_ejection_percent.value,
        max_ejection_time_s=seconds(message.max_ejection_time)
        if message.HasField("max_ejection_time")
        else None,
        max_ejection_time_jitter_s=seconds(message.max_ejection_time_jitter),
        always_eject_one_host=message.always_eject_one_host.value,
        uneject_on_health_check=not message.HasField("successful_active_health_check_uneject_host")
        or message.successful_active_health_check_uneject_host.value,
        success_rate=_decode(message, _RATE, SuccessRate, "success_rate_minimum_hosts"),
        failure_percentage=_decode(
            message, _PERCENTAGE, FailurePercentage, "failure_percentage_minimum_hosts"
        ),
        **{name: getattr(message, name).value for name in _COUNTS},
    )


def _decode(message: Any, fields: dict[str, str], detector: type[Any], told_by: str) -> Any:
    """The detector where it is on, that is where its settings are told."""
    if not message.HasField(told_by):
        return None
    return detector(**{ours: getattr(message, name).value for name, ours in fields.items()})
