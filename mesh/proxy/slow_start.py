"""Slow start: a new endpoint gets few requests at first, so that it can warm up. Pure: ages are arguments.

Source: Envoy's "Slow start mode": weight x max(minimum, (age / window) ^ (1 / aggression)), until its age is
the window. Endpoints that are all equally new share alike.
"""

from __future__ import annotations

from mesh.model.cluster import SlowStart

STEPS = 20  # the weights grow this often in a window
SCALE = 1000  # weights are whole numbers; so fine are their parts


def share(slow_start: SlowStart, age_s: float) -> float:
    """What part of its weight an endpoint of that age has."""
    if age_s >= slow_start.window_s:
        return 1.0
    grown = max(age_s, 0.001) / slow_start.window_s
    return float(max(slow_start.minimum_percent / 100, grown ** (1 / slow_start.aggression)))


def is_warming(slow_start: SlowStart, age_s: float) -> bool:
    return age_s < slow_start.window_s


def scaled_weight(slow_start: SlowStart, weight: int, age_s: float) -> int:
    """The weight to balance by while somebody is warming up."""
    return max(1, round(SCALE * weight * share(slow_start, age_s)))
