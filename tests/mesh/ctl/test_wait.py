from __future__ import annotations

from typing import Any

import pytest

from mesh.ctl.errors import CommandError
from mesh.ctl.wait import report


def waited(**parts: Any) -> dict[str, Any]:
    return {"acked": [], "pending": [], "rejected": []} | parts


def test_all_that_acked_are_counted() -> None:
    assert report(waited(acked=["a.d", "b.d"]), "5s") == "in force: 2 of 2 sidecars serve it"


def test_without_sidecars_nothing_was_waited_for() -> None:
    assert report(waited(), "5s") == "no sidecar is connected"
    assert report(None, "5s") == ""


def test_the_laggards_are_named() -> None:
    with pytest.raises(CommandError, match=r"after 5s, 1 of 2 sidecars do not serve the change yet: b\.d"):
        report(waited(acked=["a.d"], pending=["b.d"]), "5s")


def test_a_rejection_is_shown_in_the_sidecars_words() -> None:
    refused = {"proxy": "b.d", "type": "LDS", "error": "listener x: no such filter"}
    with pytest.raises(CommandError, match=r"b\.d rejected LDS: listener x: no such filter"):
        report(waited(acked=["a.d"], rejected=[refused], pending=["c.d"]), "5s")
