"""Faults of a rule. A percentage that is left out is 0: nothing is delayed, nothing aborted."""

from __future__ import annotations

from mesh.galley.api.annotations import read_options
from mesh.galley.api.fault_script import Side
from mesh.galley.api.http_route import HttpFault
from mesh.galley.api.virtual_service import VirtualService
from mesh.model.grpc_status import grpc_status
from mesh.model.route import Fault, FaultAbort, FaultDelay, ScriptedFault


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


def script(virtual_service: VirtualService | None, side: Side) -> tuple[ScriptedFault, ...]:
    """The steps of its fault script that are this side's."""
    if virtual_service is None:
        return ()
    metadata = virtual_service.metadata
    name = f"virtual-service/{metadata.namespace}/{metadata.name}"
    return tuple(
        ScriptedFault(f"{name}#{number}", step.when, step.number, step.abort_status, step.delay_s)
        for number, step in enumerate(read_options(metadata.annotations).fault_script)
        if step.side == side
    )
