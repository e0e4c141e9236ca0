"""Faults: the per-route configuration of Envoy's fault filter."""

from __future__ import annotations

from typing import Any, Final

from envoy.extensions.filters.http.fault.v3 import fault_pb2

from mesh.model.route import Fault, FaultAbort, FaultDelay
from mesh.xds.codec.wire import duration, fraction, pack, percentage, seconds, unpack

FAULT_FILTER: Final = "envoy.filters.http.fault"


def encode_fault(fault: Fault) -> Any:
    message = fault_pb2.HTTPFault()
    if fault.delay is not None:
        message.delay.fixed_delay.CopyFrom(duration(fault.delay.fixed_delay_s))
        message.delay.percentage.CopyFrom(fraction(fault.delay.percentage))
    if fault.abort is not None:
        if fault.abort.grpc_status is not None:
            message.abort.grpc_status = fault.abort.grpc_status
        else:
            message.abort.http_status = fault.abort.http_status or 0
        message.abort.percentage.CopyFrom(fraction(fault.abort.percentage))
    return pack(message)


def decode_fault(packed: Any) -> Fault:
    message = unpack(packed, fault_pb2.HTTPFault)
    delay = abort = None
    if message.HasField("delay"):
        delay = FaultDelay(percentage(message.delay.percentage), seconds(message.delay.fixed_delay))
    if message.HasField("abort"):
        is_grpc = message.abort.WhichOneof("error_type") == "grpc_status"
        abort = FaultAbort(
            percentage(message.abort.percentage),
            None if is_grpc else message.abort.http_status,
            message.abort.grpc_status if is_grpc else None,
        )
    return Fault(delay, abort)
