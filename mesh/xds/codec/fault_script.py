"""Scripted faults: ours, in a TypedStruct that no Envoy knows, so it says so by name."""

from __future__ import annotations

from typing import Any, Final

from udpa.type.v1 import typed_struct_pb2

from mesh.model.route import ScriptedFault
from mesh.xds.codec.wire import TYPE_PREFIX, pack, struct, unpack
from mesh.xds.errors import Rejected

SCRIPT_FILTER: Final = "mesh_labs.fault_script"
_TYPE: Final = TYPE_PREFIX + "mesh_labs.FaultScript"


def encode_script(script: tuple[ScriptedFault, ...]) -> Any:
    steps = [_encode(step) for step in script]
    return pack(typed_struct_pb2.TypedStruct(type_url=_TYPE, value=struct({"steps": steps})))


def decode_script(packed: Any) -> tuple[ScriptedFault, ...]:
    fields = unpack(packed, typed_struct_pb2.TypedStruct).value.fields
    if "steps" not in fields:
        raise Rejected(f"{SCRIPT_FILTER}: steps: is missing")
    return tuple(_decode(dict(each.struct_value.fields)) for each in fields["steps"].list_value.values)


def _encode(step: ScriptedFault) -> dict[str, Any]:
    said: dict[str, Any] = {"name": step.name, step.when: step.number}
    if step.abort_status is not None:
        said["abort"] = step.abort_status
    if step.delay_s is not None:
        said["delay"] = step.delay_s
    return said


def _decode(said: dict[str, Any]) -> ScriptedFault:
    for when in ("first", "every", "attempt"):
        if when in said:
            break
    else:
        raise Rejected(f"{SCRIPT_FILTER}: expected first, every or attempt")
    return ScriptedFault(
        said["name"].string_value if "name" in said else "",
        when,
        int(said[when].number_value),
        int(said["abort"].number_value) if "abort" in said else None,
        said["delay"].number_value if "delay" in said else None,
    )
