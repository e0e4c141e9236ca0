"""The text of an annotation: what Envoy's outlier detection can do and Istio's API cannot say.

    success-rate minimum-hosts=3 request-volume=20 stdev-factor=1.9; failure-percentage threshold=50;
    ejection max-time=10m jitter=5s always-one=true uneject-on-health-check=false

Names and defaults are Envoy's (``success_rate_minimum_hosts`` ...); a detector that is not named stays off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mesh.galley.api.scalars import parse_duration
from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate

_COUNT = re.compile(r"[0-9]{1,9}")
_FACTOR = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class OutlierOptions:
    """``ejection`` are fields of the model's OutlierDetection."""

    success_rate: SuccessRate | None = None
    failure_percentage: FailurePercentage | None = None
    ejection: tuple[tuple[str, Any], ...] = ()

    def apply(self, rules: OutlierDetection) -> OutlierDetection:
        """The rules, and what is said here on top of them."""
        return replace(
            rules,
            success_rate=self.success_rate,
            failure_percentage=self.failure_percentage,
            **dict(self.ejection),
        )


def parse_outlier_options(text: str) -> OutlierOptions:
    """Raises ValueError naming the first part that is wrong, and what was expected."""
    found: dict[str, dict[str, Any]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, *settings = part.split()
        if name not in _PARTS or name in found:
            raise ValueError(f'expected {", ".join(_PARTS)}, each once, got "{part}"')
        found[name] = _read(settings, _PARTS[name], part)
    rate, percentage = found.get("success-rate"), found.get("failure-percentage")
    options = OutlierOptions(
        None if rate is None else SuccessRate(**rate),
        None if percentage is None else FailurePercentage(**percentage),
        tuple(found.get("ejection", {}).items()),
    )
    if options == OutlierOptions():
        raise ValueError(f'expected {", ".join(_PARTS)} with settings, got "{text}"')
    return options


def _read(settings: list[str], known: Mapping[str, tuple[str, Callable[[str], Any]]], part: str) -> Any:
    found: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known or known[name][0] in found:
            raise ValueError(f'expected {", ".join(known)}, each once, got "{setting}" in "{part}"')
        field, read = known[name]
        try:
            found[field] = read(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f'expected a whole number, got "{text}"')
    return int(text)


def _per_cent(text: str) -> int:
    if not _COUNT.fullmatch(text) or int(text) > 100:
        raise ValueError(f'expected 0..100, got "{text}"')
    return int(text)


def _thousandths(text: str) -> int:
    if not _FACTOR.fullmatch(text):
        raise ValueError(f'expected a number such as 1.9, got "{text}"')
    return round(float(text) * 1000)


def _is_true(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f'expected true or false, got "{text}"')
    return text == "true"


_SHARED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "minimum-hosts": ("minimum_hosts", _count),
    "request-volume": ("request_volume", _count),
    "enforcing": ("enforcing", _per_cent),
    "enforcing-local-origin": ("enforcing_local_origin", _per_cent),
}
_PARTS: dict[str, dict[str, tuple[str, Callable[[str], Any]]]] = {
    "success-rate": {**_SHARED, "stdev-factor": ("stdev_factor", _thousandths)},
    "failure-percentage": {**_SHARED, "threshold": ("threshold", _per_cent)},
    "ejection": {
        "max-time": ("max_ejection_time_s", parse_duration),
        "jitter": ("max_ejection_time_jitter_s", parse_duration),
        "always-one": ("always_eject_one_host", _is_true),
        "uneject-on-health-check": ("uneject_on_health_check", _is_true),
    },
}
