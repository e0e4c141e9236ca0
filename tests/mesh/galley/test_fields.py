"""docs/fields.md says what the program does: made from the models, and pilot reads what is called served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mesh.galley.api.kinds import KINDS
from mesh.galley.fields import fields_of, leaves, render
from mesh.galley.unsupported import UNSUPPORTED, WITHOUT_USE

ROOT = Path(__file__).parents[3]
# a Secret finds its parts itself
READERS = [*(ROOT / "mesh/pilot").rglob("*.py"), ROOT / "mesh/galley/api/secret.py"]
PILOT = "\n".join(path.read_text() for path in READERS)


def test_the_page_is_what_the_models_say() -> None:
    page = (ROOT / "docs/fields.md").read_text()
    assert page == render(), "run: python -m mesh.galley.fields > docs/fields.md"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_that_is_called_served_is_read_by_pilot(kind) -> None:
    served = [
        field
        for field in leaves(fields_of(kind))
        if field.refused != () and (kind.name, field.path) not in WITHOUT_USE
    ]
    unread = [field.path for field in served if not re.search(rf"\b{field.name}\b", PILOT)]
    assert unread == []


def test_what_is_not_served_is_a_field_that_galley_takes() -> None:
    """A slip in the table would refuse nothing, in silence."""
    paths = {(kind.name, field) for kind in KINDS.values() for field in _paths(fields_of(kind))}
    whole = {kind for kind, path in UNSUPPORTED if not path}
    assert {entry for entry in (*UNSUPPORTED, *WITHOUT_USE) if entry[0] not in whole} - paths == set()


def _paths(field) -> set[str]:
    """Of a field and of all that is inside it, without the mark of a list at their end."""
    inside = set().union(*(_paths(one) for one in field.inside)) if field.inside else set()
    return {field.path.removesuffix(".*"), *inside}
