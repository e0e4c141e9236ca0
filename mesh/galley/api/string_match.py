"""Istio's StringMatch: exact, prefix or regex."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from mesh.galley.api.base import ApiModel, check_one_of

PRESENT_REGEX = "*"  # no regex at all, but Istio's spelling of "the header is there"


class TextMatch(ApiModel):
    """``regex`` is RE2 and must match the whole text."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None

    @property
    def kind(self) -> Literal["exact", "prefix", "regex"]:
        if self.exact is not None:
            return "exact"
        return "prefix" if self.prefix is not None else "regex"

    @property
    def value(self) -> str:
        return self.exact or self.prefix or self.regex or ""


class StringMatch(TextMatch):
    """Exactly one of the three is given."""

    @model_validator(mode="after")
    def _one_of(self) -> StringMatch:
        check_one_of(self, "exact", "prefix", "regex")
        return self

    @property
    def matches_all(self) -> bool:
        """True when no path can fail it."""
        return self.prefix in ("", "/") or self.regex in (".*", "/.*")


class PresenceMatch(TextMatch):
    """The match of a header or a query parameter: ``{}`` asks only that it is there."""

    @model_validator(mode="after")
    def _one_of(self) -> PresenceMatch:
        check_one_of(self, "exact", "prefix", "regex", required=False)
        return self

    @property
    def is_presence(self) -> bool:
        """True when any value will do; ``kind`` and ``value`` then mean nothing."""
        return self.regex == PRESENT_REGEX or (self.exact, self.prefix, self.regex) == (None, None, None)
