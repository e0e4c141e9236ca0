"""The checks of traffic: histories in, verdicts out. Pure; nothing here waits, reads or guesses.

Random things are tested exactly (``binomial.py``); everything else must hold for every single request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from labs.harness import binomial
from labs.harness.history import Exchange, Logged, count_served, failures
from labs.harness.runtime import Identity
from labs.harness.verdict import Verdict, failed, inconclusive, passed


def no_failures(check: str, history: Sequence[Exchange]) -> Verdict:
    """Every request got a 200."""
    bad = failures(history)
    if not history:
        return inconclusive(check, "no request was made")
    if bad:
        return failed(check, _failure_text(bad, len(history)), requests=len(history), failed=len(bad))
    return passed(check, f"{len(history)} requests, none failed", requests=len(history), failed=0)


def all_served_by(check: str, history: Sequence[Exchange], version: str) -> Verdict:
    """Every request was answered, and by that version."""
    health = no_failures(check, history)
    if health.outcome != "pass":
        return health
    served = count_served(history)
    numbers = {
        "requests": len(history),
        **{f"served_{name}": count for name, count in sorted(served.items())},
    }
    if set(served) == {version}:
        return passed(check, f"{len(history)} of {len(history)} requests to {version}", **numbers)
    return failed(
        check, f"expected all {len(history)} requests at {version}, got {_counts(served)}", **numbers
    )


def served_by_each(check: str, history: Sequence[Exchange], versions: Sequence[str]) -> Verdict:
    """Every request was answered, and each of the versions answered some."""
    health = no_failures(check, history)
    if health.outcome != "pass":
        return health
    served = count_served(history)
    verdict = passed if set(served) == set(versions) else failed
    return verdict(check, _counts(served), **{f"served_{name}": count for name, count in served.items()})


def share(check: str, history: Sequence[Exchange], version: str, expected: float) -> Verdict:
    """The version's count is what ``expected`` allows, in a sample big enough to notice a doubled share."""
    health = no_failures(check, history)
    if health.outcome != "pass":
        return health
    return counted_share(check, count_served(history)[version], len(history), version, expected)


def counted_share(check: str, count: int, n: int, version: str, expected: float) -> Verdict:
    """The exact two-sided binomial test: false alarm <= 1e-6, power >= 0.999 against a doubled share."""
    needed = binomial.sample_size(expected, min(2 * expected, 1.0))
    if n < needed:
        return inconclusive(check, f"{n} requests are too few: {needed} are needed", n=n, needed=needed)
    region = binomial.acceptance_region(n, expected)
    low, high = binomial.interval(count, n)
    numbers: dict[str, int | float] = {
        "n": n,
        "count": count,
        "share": count / n,
        "interval_low": low,
        "interval_high": high,
        "accepted_low": region.low,
        "accepted_high": region.high,
    }
    interval = f"{binomial.CONFIDENCE:.1%} interval {low:.2%}-{high:.2%}"
    seen = f"{count} of {n} to {version} = {count / n:.2%}, {interval}"
    allowed = f"{expected:.0%} allows {region.low}-{region.high}"
    if count in region:
        return passed(check, f"{seen}; {allowed}", **numbers)
    return failed(check, f"{seen}; but {allowed} (false alarm <= 1e-6)", **numbers)


def routed_by_agent(
    check: str, history: Sequence[Exchange], pattern: str, matching: str, others: str
) -> Verdict:
    """User agents that match ``pattern`` whole got ``matching``; everybody else got ``others``; exactly."""
    health = no_failures(check, history)
    if health.outcome != "pass":
        return health
    full = re.compile(pattern)
    groups: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for exchange in history:
        groups[full.fullmatch(exchange.user_agent) is not None][exchange.served] += 1
    of_matching, of_others = groups[True], groups[False]
    numbers = {"matching": of_matching.total(), "others": of_others.total()}
    if not of_matching or not of_others:
        return inconclusive(check, "the load had only one kind of user agent", **numbers)
    seen = f"user-agent {pattern}: {_counts(of_matching)}; others: {_counts(of_others)}"
    if set(of_matching) == {matching} and set(of_others) == {others}:
        return passed(check, seen, **numbers)
    return failed(
        check, f"expected {matching} for user-agent {pattern} and {others} else, got {seen}", **numbers
    )


def untouched(check: str, before: Mapping[str, Identity], after: Mapping[str, Identity]) -> Verdict:
    """The same processes or containers, with the same start times."""
    changed = sorted(name for name in before if after.get(name) != before[name])
    if not before:
        return inconclusive(check, "nothing was looked at before the change")
    if changed:
        return failed(check, f"restarted: {', '.join(changed)}", looked_at=len(before), changed=len(changed))
    shown = ", ".join(f"{name} {identity.id[:12]}" for name, identity in sorted(before.items()))
    return passed(check, f"same id and start time: {shown}", looked_at=len(before), changed=0)


def no_stale_rule(
    check: str, log: Sequence[Logged], route: str, live_from: float, until: float, version: str = ""
) -> Verdict:
    """Requests that started in [live_from, until) followed the rule ``route``, and no older one.

    ``live_from`` is when `apply --wait` returned, ``until`` when the next change began. The log holds the
    caller's view (reporter source) of the service under study.
    """
    started = [entry for entry in log if live_from <= entry.start_time < until]
    if not started:
        return inconclusive(check, f"no request started under {route}")
    stale = [entry for entry in started if entry.route_name != route]
    numbers = {"requests": len(started), "stale": len(stale)}
    if stale:
        late = max(entry.start_time for entry in stale) - live_from
        names = ", ".join(sorted({entry.route_name or "(none)" for entry in stale}))
        text = f"{len(stale)} of {len(started)} requests followed {names}"
        return failed(check, f"{text}, up to {late * 1000:.1f} ms after every proxy ACKed", **numbers)
    return passed(check, f"{len(started)} requests, all by {route}", **numbers)


def _counts(served: Counter[str]) -> str:
    return ", ".join(f"{count} to {name or 'unknown'}" for name, count in sorted(served.items()))


def _failure_text(bad: Sequence[Exchange], total: int) -> str:
    kinds = Counter(exchange.error or f"status {exchange.status}" for exchange in bad)
    return f"{len(bad)} of {total} requests failed: " + ", ".join(
        f"{count} x {kind}" for kind, count in kinds.most_common(3)
    )
