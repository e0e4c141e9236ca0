"""Which step of a fault script a request meets. Pure, but for the counts it is given."""

from __future__ import annotations

from mesh.model.route import ScriptedFault


def next_fault(
    script: tuple[ScriptedFault, ...], counts: dict[ScriptedFault, int], attempt: int
) -> ScriptedFault | None:
    """The first step that is due. Every step counts every request, whichever of them is due."""
    due: ScriptedFault | None = None
    for step in script:
        count = counts[step] = counts.get(step, 0) + 1
        if due is None and _is_due(step, count, attempt):
            due = step
    return due


def _is_due(step: ScriptedFault, count: int, attempt: int) -> bool:
    match step.when:
        case "first":
            return count <= step.number
        case "every":
            return count % step.number == 0
        case "attempt":
            return attempt == step.number
