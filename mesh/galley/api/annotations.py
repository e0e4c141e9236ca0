"""Annotations of our own: what Istio's API has no field for. Istio ignores them.

On a VirtualService:

mesh-labs.io/mirror-host-suffix: "false"        copies keep the host, no "-shadow" is put after it
mesh-labs.io/retry-non-idempotent: "true"       POST and PATCH, too, are sent again where retryOn says so
mesh-labs.io/sticky-canary: "header:x-user"     weights are drawn by a hash ("cookie:NAME" as well)
mesh-labs.io/fault-script: "server first=2 abort=503"   faults by count (fault_script.py)

On a DestinationRule:

mesh-labs.io/outlier-detection: "success-rate"  more of Envoy's detectors (outlier_options.py)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mesh.galley.api.fault_script import Step, parse_script
from mesh.galley.api.outlier_options import OutlierOptions, parse_outlier_options

PREFIX = "mesh-labs.io/"
MIRROR_HOST_SUFFIX = PREFIX + "mirror-host-suffix"
RETRY_NON_IDEMPOTENT = PREFIX + "retry-non-idempotent"
FAULT_SCRIPT = PREFIX + "fault-script"
STICKY_CANARY = PREFIX + "sticky-canary"
OUTLIER_DETECTION = PREFIX + "outlier-detection"
KNOWN = {
    "VirtualService": (MIRROR_HOST_SUFFIX, RETRY_NON_IDEMPOTENT, FAULT_SCRIPT, STICKY_CANARY),
    "DestinationRule": (OUTLIER_DETECTION,),
}

_STICKY = re.compile(r"(header|cookie):([!#$%&'*+.^_`|~0-9A-Za-z-]+)")  # a token of RFC 9110


@dataclass(frozen=True, slots=True)
class Options:
    """What those of a VirtualService say; the defaults are what Istio does."""

    mirror_host_suffix: bool = True
    retry_non_idempotent: bool = False
    fault_script: tuple[Step, ...] = ()
    sticky: tuple[str, str] | None = None  # (header or cookie, its name)


def read_options(annotations: Mapping[str, str]) -> Options:
    """Raises ValueError as ``faults_of`` words it."""
    for name, message in faults_of(annotations):
        raise ValueError(f"{name}: {message}")
    sticky = _STICKY.fullmatch(annotations.get(STICKY_CANARY, ""))
    return Options(
        mirror_host_suffix=annotations.get(MIRROR_HOST_SUFFIX) != "false",
        retry_non_idempotent=annotations.get(RETRY_NON_IDEMPOTENT) == "true",
        fault_script=parse_script(annotations.get(FAULT_SCRIPT, "")),
        sticky=None if sticky is None else (sticky[1], sticky[2]),
    )


def outlier_options(annotations: Mapping[str, str]) -> OutlierOptions | None:
    """What that of a DestinationRule says; raises ValueError as ``parse_outlier_options`` does."""
    text = annotations.get(OUTLIER_DETECTION)
    return None if text is None else parse_outlier_options(text)


def faults_of(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """(annotation, what is wrong with its value) for those of ours."""
    found = [
        (name, f'expected "true" or "false", got "{annotations[name]}"')
        for name in (MIRROR_HOST_SUFFIX, RETRY_NON_IDEMPOTENT)
        if annotations.get(name, "true") not in ("true", "false")
    ]
    for name, parse in ((FAULT_SCRIPT, parse_script), (OUTLIER_DETECTION, parse_outlier_options)):
        try:
            if name in annotations:
                parse(annotations[name])
        except ValueError as error:
            found.append((name, str(error)))
    sticky = annotations.get(STICKY_CANARY)
    if sticky is not None and not _STICKY.fullmatch(sticky):
        found.append((STICKY_CANARY, f'expected "header:NAME" or "cookie:NAME", got "{sticky}"'))
    return found
