"""A container in compose's words (``pod.py``) as arguments of the Docker SDK's ``containers.create``. Pure.

Only what this project writes is understood; anything else is an error, so that nothing is silently left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAME = (
    "image", "command", "init", "user", "cap_add", "cap_drop", "security_opt", "hostname", "environment",
    "network_mode",
)  # fmt: skip


def arguments(service: Mapping[str, Any], **also: Any) -> dict[str, Any]:
    """The keyword arguments; ``also`` are the SDK's own. Raises ValueError for a key it cannot translate."""
    made: dict[str, Any] = {}
    for key, value in service.items():
        if key in SAME:
            made[key] = value
        elif key == "tmpfs":
            made["tmpfs"] = dict(str(mount).partition(":")[::2] for mount in value)
        elif key == "labels":
            made["labels"] = dict(value)
        else:
            raise ValueError(f"{key}: not translated for the Docker SDK")
    made["labels"] = made.get("labels", {}) | also.pop("labels", {})
    return made | also
