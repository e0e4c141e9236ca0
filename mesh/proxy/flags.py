"""Envoy's response flags in the order in which Envoy joins them. Pure."""

from __future__ import annotations

_ORDER = (
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX",
    "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
)  # fmt: skip
_PLACE = {flag: place for place, flag in enumerate(_ORDER)}


def join_flags(one: str, other: str) -> str:
    """Both sets of flags as one; "-" is none."""
    if one == "-":
        return other
    if other == "-":
        return one
    flags = {*one.split(","), *other.split(",")}
    return ",".join(sorted(flags, key=_PLACE.__getitem__))
