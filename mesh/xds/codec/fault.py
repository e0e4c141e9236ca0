"""Faults: the per-route configuration of Envoy's fault filter."""

from __future__ import annotations

from typing import Any, Final

from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.type.v3 import percent_pb2

from mesh.model.route import Fault, FaultAbort, FaultDelay
from mesh.xds.codec.wire import duration, pack, seconds, unpack

FAULT_FILTER: Final = "envoy.filters.http.fault"
_PER_PERCENT: Final = 10_000  # of Envoy's MILLION denominator: percentages are kept to 0.0001


def encode_fault(fault: Fault) -> Any:
    message = fault_pb2.HTTPFault()
    if fault.delay is not None:
        message.delay.fixed_delay.CopyFrom(duration(fault.delay.fixed_delay_s))
        message.delay.percentage.CopyFrom(_encode_percentage(fault.delay.percentage))
    if fault.abort is not None:
        message.abort.http_status = fault.abort.http_status
        message.abort.percentage.CopyFrom(_encode_percentage(fault.abort.percentage))
    return pack(message)


def decode_fault(packed: Any) -> Fault:
    message = unpack(packed, fault_pb2.HTTPFault)
    delay = abort = None
    if message.HasField("delay"):
        delay = FaultDelay(_decode_percentage(message.delay.percentage), seconds(message.delay.fixed_delay))
    if message.HasField("abort"):
        abort = FaultAbort(_decode_percentage(message.abort.percentage), message.abort.http_status)
    return Fault(delay, abort)


def _encode_percentage(percentage: float) -> Any:
    return percent_pb2.FractionalPercent(
        numerator=round(percentage * _PER_PERCENT), denominator=percent_pb2.FractionalPercent.MILLION
    )


def _decode_percentage(message: Any) -> float:
    return float(message.numerator / _PER_PERCENT)
