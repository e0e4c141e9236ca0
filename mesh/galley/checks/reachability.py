"""HTTP rules that no request can reach, because one before them takes everything they would take.

Istio's IST0130. Only what is certain is said: an earlier rule that matches all, or the very same match.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.galley.api.http_route import HttpMatch, HttpRoute
from mesh.galley.checks.common import Problems
from mesh.galley.fault import Loc, Problem

_LABELS = {"name": "", "stat_prefix": ""}  # fields of a match that take no part in matching


def check_reachability(rules: Sequence[HttpRoute], loc: Loc) -> Problems:
    seen: list[tuple[HttpMatch, Loc]] = []
    for index, rule in enumerate(rules):
        here = (*loc, index)
        for position, match in enumerate(rule.match):
            at = (*here, "match", position)
            bare = match.model_copy(update=_LABELS)
            earlier = next((where for other, where in seen if other == bare), None)
            if earlier is not None:
                yield Problem(at, f"never reached: the same match stands at {_short(earlier)}", "warning")
            else:
                seen.append((bare, at))
        if rule.matches_all:
            for later in range(index + 1, len(rules)):
                message = f"never reached: http[{index}] before it matches every request"
                yield Problem((*loc, later), message, "warning")
            return


def _short(loc: Loc) -> str:
    return f"http[{loc[2]}].match[{loc[4]}]"
