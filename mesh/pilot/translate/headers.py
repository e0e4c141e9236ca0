"""Header operations of a rule or a destination."""

from __future__ import annotations

from mesh.galley.api.http_route import HeaderOperations, Headers
from mesh.model.route import NO_MUTATION, HeaderMutation

# setting one of these rewrites the authority; it is not a header of its own
_AUTHORITY = ("host", ":authority")


def mutation(operations: HeaderOperations | None) -> HeaderMutation:
    """The operations with names in lower case, sorted; the authority is left to ``authority_of``."""
    if operations is None:
        return NO_MUTATION
    return HeaderMutation(
        tuple(
            sorted((name.lower(), value) for name, value in operations.set.items() if not _is_authority(name))
        ),
        tuple(sorted((name.lower(), value) for name, value in operations.add.items())),
        tuple(sorted(name.lower() for name in operations.remove)),
    )


def authority_of(headers: Headers | None) -> str | None:
    """The authority that ``headers.request.set`` asks for, if it does."""
    operations = headers.request if headers is not None else None
    if operations is None:
        return None
    return next((value for name, value in sorted(operations.set.items()) if _is_authority(name)), None)


def _is_authority(name: str) -> bool:
    return name.lower() in _AUTHORITY
