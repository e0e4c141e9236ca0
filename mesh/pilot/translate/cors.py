"""CORS policies of a rule."""

from __future__ import annotations

from mesh.galley.api.http_route import CorsPolicy as ApiPolicy
from mesh.model.route import CorsPolicy, StringMatch
from mesh.pilot.translate.match import string_match

_UNMATCHED = {"FORWARD": True, "IGNORE": False}  # UNSPECIFIED, and nothing, is Envoy's default: forward


def cors(policy: ApiPolicy | None) -> CorsPolicy | None:
    """``allowOrigin``, the old spelling with exact origins, counts only without ``allowOrigins``."""
    if policy is None:
        return None
    origins = tuple(map(string_match, policy.allow_origins))
    return CorsPolicy(
        origins or tuple(StringMatch("exact", origin) for origin in policy.allow_origin),
        ",".join(policy.allow_methods),
        ",".join(policy.allow_headers),
        ",".join(policy.expose_headers),
        "" if policy.max_age is None else str(int(policy.max_age)),
        policy.allow_credentials,
        _UNMATCHED.get(policy.unmatched_preflights or ""),
    )
