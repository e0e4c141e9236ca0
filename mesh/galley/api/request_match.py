"""What is asked of a request: path, method, headers, query parameters."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from mesh.galley.api.base import ApiModel
from mesh.galley.api.string_match import PresenceMatch, StringMatch


class RequestMatch(ApiModel):
    """All given keys must hold (AND)."""

    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: Mapping[str, PresenceMatch] = Field(default_factory=dict)
    query_params: Mapping[str, PresenceMatch] = Field(default_factory=dict)
    ignore_uri_case: bool = False
    without_headers: Mapping[str, PresenceMatch] = Field(default_factory=dict)

    @property
    def matches_all(self) -> bool:
        """True when no request can fail it."""
        conditions = (self.scheme, self.method, self.authority)
        maps = (self.headers, self.query_params, self.without_headers)
        unconditional = not any(maps) and all(condition is None for condition in conditions)
        return unconditional and (self.uri is None or self.uri.matches_all)
