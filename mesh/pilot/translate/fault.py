"""Faults of a rule. A percentage that is left out is 0: nothing is delayed, nothing aborted."""

from __future__ import annotations

from mesh.galley.api.http_route import HttpFault
from mesh.model.grpc_status import grpc_status
from mesh.model.route import Fault, FaultAbort, FaultDelay


def fault(injection: HttpFault | None) -> Fault | None:
    """What the proxy's fault filter does, None when it has nothing to do."""
    if injection is None:
        return None
    found = Fault(_delay(injection), _abort(injection))
    return found if found != Fault() else None


def _delay(injection: HttpFault) -> FaultDelay | None:
    delay = injection.delay
    if delay is None or not delay.share or delay.fixed_delay is None:
        return None
    return FaultDelay(delay.share, delay.fixed_delay)


def _abort(injection: HttpFault) -> FaultAbort | None:
    abort = injection.abort
    if abort is None or not abort.share:
        return None
    if abort.grpc_status is not None:
        return FaultAbort(abort.share, grpc_status=grpc_status(abort.grpc_status))
    return FaultAbort(abort.share, abort.http_status) if abort.http_status is not None else None
