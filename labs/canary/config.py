"""The YAML under study, and what each sabotage makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "mesh"

SABOTAGES: Mapping[str, str] = {
    "weights": "the canary gets 20 % instead of 5 %: step b must fail",
    "regex": "the rule for iPhones is dropped: step c must fail",
    "mtls": "mTLS is turned off where STRICT is asked for: step d must fail",
    "metric": "one sidecar forgets to count one request: step e must fail",
}


def _weights_20(document: dict[str, Any]) -> None:
    old, new = document["spec"]["http"][0]["route"]
    old["weight"], new["weight"] = 80, 20


def _no_regex(document: dict[str, Any]) -> None:
    del document["spec"]["http"][0]


def _mtls_off(document: dict[str, Any]) -> None:
    document["spec"]["mtls"]["mode"] = "DISABLE"


# (sabotage, file) -> what happens to the file's object
_SPOILT: Mapping[tuple[str, str], Callable[[dict[str, Any]], None]] = {
    ("weights", "canary-5.yaml"): _weights_20,
    ("regex", "iphone.yaml"): _no_regex,
    ("mtls", "strict-mtls.yaml"): _mtls_off,
}


def mesh_yaml(name: str, sabotage: str = "") -> str:
    """A file of mesh/ as it is applied: unchanged, unless the sabotage is about it."""
    text = (FOLDER / name).read_text()
    spoil = _SPOILT.get((sabotage, name))
    if spoil is None:
        return text
    document = yaml.safe_load(text)
    spoil(document)
    return yaml.safe_dump(document, sort_keys=False)
