"""What ``--wait`` says in the end: every sidecar serves the change, or which do not and why."""

from __future__ import annotations

from typing import Any

from mesh.ctl.errors import CommandError


def report(waited: Any, timeout: str) -> str:
    """The line for success. Raises CommandError naming the proxies that refused or did not answer."""
    if waited is None:
        return ""
    acked, pending, rejected = waited["acked"], waited["pending"], waited["rejected"]
    if rejected:
        lines = [f"{one['proxy']} rejected {one['type']}: {one['error']}" for one in rejected]
        raise CommandError("the change is not in force everywhere\n  " + "\n  ".join(lines))
    if pending:
        raise CommandError(
            f"after {timeout}, {len(pending)} of {len(acked) + len(pending)} sidecars do not serve "
            f"the change yet: {', '.join(pending)}"
        )
    return f"in force: {len(acked)} of {len(acked)} sidecars serve it" if acked else "no sidecar is connected"
