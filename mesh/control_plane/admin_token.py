"""Who may change configuration: whoever can read ``<data>/admin-token`` (mode 0600)."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from mesh.citadel.private_file import create_private, read_private

TOKEN_FILE = "admin-token"
SCHEME = "Bearer "


def open_admin_token(data_dir: Path) -> str:
    """The token of a data directory, made when there is none.

    Raises PrivateFileError when others can read it, OSError.
    """
    path = data_dir / TOKEN_FILE
    try:
        return read_private(path).decode().strip()
    except FileNotFoundError:
        return create_private(path, secrets.token_urlsafe(32).encode()).decode()


def is_admin(authorization: str, token: str) -> bool:
    """Whether an Authorization header carries the token; takes the same time whatever it carries."""
    scheme, given = authorization[: len(SCHEME)], authorization[len(SCHEME) :]
    return hmac.compare_digest(given.encode(), token.encode()) and scheme == SCHEME
