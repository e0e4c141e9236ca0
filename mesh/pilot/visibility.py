"""``exportTo``: in which namespaces an object of one of them is seen. Istio's default is in all."""

from __future__ import annotations

from collections.abc import Sequence


def is_exported(export_to: Sequence[str], home: str, namespace: str) -> bool:
    """Whether what lives in the namespace ``home`` is seen in the other. "." is home, "*" all, "~" none."""
    return not export_to or "*" in export_to or namespace in {home if to == "." else to for to in export_to}
