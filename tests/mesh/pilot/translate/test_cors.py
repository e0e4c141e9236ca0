"""Every field of corsPolicy arrives."""

from __future__ import annotations

import pytest

from mesh.galley.api.http_route import CorsPolicy as ApiPolicy
from mesh.model.route import CorsPolicy, StringMatch
from mesh.pilot.translate.cors import cors


def test_none_is_none() -> None:
    assert cors(None) is None


def test_all_fields() -> None:
    policy = {
        "allowOrigins": [{"exact": "https://a"}, {"prefix": "https://b"}, {"regex": ".*c"}],
        "allowMethods": ["GET", "PUT"],
        "allowHeaders": ["x-a", "x-b"],
        "exposeHeaders": ["x-c"],
        "maxAge": "24h",
        "allowCredentials": False,
        "unmatchedPreflights": "IGNORE",
    }
    assert cors(ApiPolicy.model_validate(policy)) == CorsPolicy(
        (StringMatch("exact", "https://a"), StringMatch("prefix", "https://b"), StringMatch("regex", ".*c")),
        "GET,PUT",
        "x-a,x-b",
        "x-c",
        "86400",
        False,
        False,
    )


@pytest.mark.parametrize(("said", "expected"), [({}, None), ({"unmatchedPreflights": "FORWARD"}, True)])
def test_unmatched_preflights(said: dict[str, str], expected: bool | None) -> None:
    found = cors(ApiPolicy.model_validate(said))
    assert found is not None
    assert found.forward_unmatched_preflights is expected


def test_the_old_list_of_exact_origins_counts_without_the_new_one() -> None:
    old = {"allowOrigin": ["*"]}
    assert cors(ApiPolicy.model_validate(old)) == CorsPolicy((StringMatch("exact", "*"),))
    both = {**old, "allowOrigins": [{"exact": "https://a"}]}
    assert cors(ApiPolicy.model_validate(both)) == CorsPolicy((StringMatch("exact", "https://a"),))
