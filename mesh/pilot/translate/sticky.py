"""Sticky canary: which version a caller gets is decided by a hash of a header or cookie, not by chance.

The weights are brought to one sum whatever it was, and kept in order. A hash always falls on the same place
of that line, so while the last of two shares grows, nobody who had it loses it; both engines hash alike.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

from mesh.galley.api.annotations import Options
from mesh.model.route import Forward, HashPolicy

TOTAL = 10_000  # shares to 0.01 %


def sticky(forward: Forward, options: Options) -> Forward:
    """The action as the annotation wants it; a lone destination needs no draw."""
    if options.sticky is None or len(forward.clusters) < 2:
        return forward
    kind, name = options.sticky
    policy = HashPolicy("cookie", name) if kind == "cookie" else HashPolicy("header", name.lower())
    whole = sum(one.weight for one in forward.clusters)
    bounds = [
        0,
        *(round(part * TOTAL / whole) for part in accumulate(one.weight for one in forward.clusters)),
    ]
    clusters = tuple(
        replace(one, weight=end - begin)
        for one, (begin, end) in zip(forward.clusters, pairwise(bounds), strict=True)
    )
    return replace(forward, clusters=clusters, hash_policies=(policy,), sticky=True)
