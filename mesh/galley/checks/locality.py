"""``localityLbSetting``: places that mean something, shares that add up, one way of several, as in Istio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh.galley.api.traffic_policy import LocalityLb
from mesh.galley.checks.common import Problems
from mesh.galley.fault import Loc, Problem, quoted

_WAYS = ("distribute", "failover", "failoverPriority")


def check_locality(setting: LocalityLb, loc: Loc, *, finds_outliers: bool) -> Problems:
    """``finds_outliers``: there is outlierDetection beside it."""
    ways = [name for name, said in zip(_WAYS, _said(setting), strict=True) if said]
    if "distribute" in ways and len(ways) > 1:
        yield Problem(loc, f"expected distribute alone, got {' and '.join(ways)}")
    yield from _check_places([one.from_ for one in setting.distribute], (*loc, "distribute"), "from")
    for index, rule in enumerate(setting.distribute):
        yield from _check_shares(rule.to, (*loc, "distribute", index, "to"))
    for index, failover in enumerate(setting.failover):
        at: Loc = (*loc, "failover", index)
        for name, region in (("from", failover.from_), ("to", failover.to)):
            if not region or "/" in region or "*" in region:
                yield Problem((*at, name), f"expected a region, got {quoted(region)}")
        if failover.from_ == failover.to:
            yield Problem(at, f"expected another region than {quoted(failover.from_)} to go to")
    for name in ways:
        if name != "distribute" and not finds_outliers:
            message = "nothing happens without outlierDetection: it finds out who is not healthy"
            yield Problem((*loc, name), message, "warning")


def _said(setting: LocalityLb) -> tuple[object, ...]:
    return setting.distribute, setting.failover, setting.failover_priority


def _check_shares(shares: Mapping[str, int], loc: Loc) -> Problems:
    yield from _check_places(shares, loc, None)
    for place, share in shares.items():
        if not 1 <= share <= 100:
            yield Problem((*loc, place), f"expected 1..100, got {share}")
    if sum(shares.values()) != 100:
        yield Problem(loc, f"expected shares that sum to 100, got {sum(shares.values())}")


def _check_places(places: Iterable[str], loc: Loc, field: str | None) -> Problems:
    """``region/zone/sub-zone``, a "*" at the end at most; and none of them inside another."""
    seen: list[str] = []
    for index, place in enumerate(places):
        at: Loc = (*loc, index, field) if field is not None else (*loc, place)
        parts = place.split("/")
        wild = "*" in "".join(parts[:-1]) or ("*" in parts[-1] and parts[-1] != "*")
        if len(parts) > 3 or not all(parts) or wild:
            yield Problem(at, f'expected a place such as "region/zone/*", got {quoted(place)}')
            continue
        other = next((other for other in seen if _overlap(place, other)), None)
        if other is not None:
            yield Problem(at, f"expected no place inside another: {quoted(place)} and {quoted(other)}")
        seen.append(place)


def _overlap(one: str, other: str) -> bool:
    """Whether some locality is in both: every part they both have is equal, or any."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return all(mine == theirs or "*" in (mine, theirs) for mine, theirs in pairs)
