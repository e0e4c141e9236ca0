"""Every field of every kind that galley takes, and whether the mesh serves it: what docs/fields.md shows.

    python -m mesh.galley.fields > docs/fields.md

Made from the models (api/) and from the table of what is not served (unsupported), so that neither can say
something else than the program does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from mesh.galley.api.kinds import KINDS, Kind
from mesh.galley.unsupported import UNSUPPORTED, WITHOUT_USE

_HEAD = """# Every field

What galley takes of each kind. A field that is not here is refused by name. **no** is taken and warned of by
name: the mesh does not serve it (with values: only those). *the platform's own* is for Kubernetes
alone. Made by `python -m mesh.galley.fields`; what proves the features is in `features.md`.
"""

_EVERY_KIND = ("api_version", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class FieldOfKind:
    """``path`` is as in the table of what is unsupported, ``*`` for an item; ``name`` is the model's own."""

    path: str
    name: str
    refused: tuple[str, ...] | None = None  # None: nothing of it is; (): all of it; else these values are
    inside: tuple[FieldOfKind, ...] = ()


def fields_of(kind: Kind) -> FieldOfKind:
    """``spec`` with all that is inside it, in the models' order; empty when the whole kind is refused."""
    if UNSUPPORTED.get((kind.name, "")) == ():
        return FieldOfKind("spec", "spec", ())
    fields = kind.model.model_fields
    if "spec" in fields:
        return _field(kind.name, "spec", "spec", fields["spec"].annotation, ())
    own = [(info.alias or name, name, info) for name, info in fields.items() if name not in _EVERY_KIND]
    inside = tuple(_field(kind.name, path, name, info.annotation, ()) for path, name, info in own)
    return FieldOfKind("", "", None, inside)


def leaves(field: FieldOfKind) -> Iterator[FieldOfKind]:
    if not field.inside:
        yield field
    for inside in field.inside:
        yield from leaves(inside)


def _field(
    kind: str, path: str, name: str, annotation: Any, above: tuple[type[BaseModel], ...]
) -> FieldOfKind:
    refused = UNSUPPORTED.get((kind, path))
    models, repeated = _models_in(annotation)
    if repeated:
        path = f"{path}.*"
    inside = tuple(
        _field(kind, f"{path}.{info.alias or field}", field, info.annotation, (*above, model))
        for model in models
        if model not in above and refused != ()
        for field, info in model.model_fields.items()
    )
    return FieldOfKind(path, name, refused, inside)


def _models_in(annotation: Any) -> tuple[list[type[BaseModel]], bool]:
    """(the models an annotation holds, whether as the items of a list)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation], False
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models_in(get_args(annotation)[0])
    if origin in (Union, UnionType, tuple):
        found = [_models_in(part) for part in get_args(annotation) if part is not Ellipsis]
        models = [model for models, _ in found for model in models]
        return models, bool(models) and (origin is tuple or any(repeated for _, repeated in found))
    return [], False


def render() -> str:
    """The page, in Markdown. What is inside a field and was shown of another before is not shown again."""
    lines = [_HEAD]
    for kind in KINDS.values():
        lines += [f"## {kind.name} (`{kind.api_versions[0]}`)", "", "| field | served |", "|---|---|"]
        lines += [f"| `{path}` | {served} |" for path, served in _rows(kind.name, fields_of(kind), {})]
        lines.append("")
    return "\n".join(lines)


def _rows(kind: str, field: FieldOfKind, shown: dict[object, str]) -> Iterator[tuple[str, str]]:
    path = field.path.removeprefix("spec.").replace(".*", "[]")
    if not field.inside:
        yield path, _served(kind, field)
        return
    first = shown.setdefault(_content(field, field.path), path)
    if first != path and len(field.inside) > 1:
        yield path, f"as `{first}`"
        return
    for inside in field.inside:
        yield from _rows(kind, inside, shown)


def _content(field: FieldOfKind, root: str) -> object:
    """Equal for fields that hold the same, and of which the same is served."""
    inside = tuple(_content(one, root) for one in field.inside)
    return field.path.removeprefix(root), field.refused, inside


def _served(kind: str, field: FieldOfKind) -> str:
    if reason := WITHOUT_USE.get((kind, field.path)):
        return reason
    if field.refused is None:
        return "yes"
    return f"**not {', '.join(field.refused)}**" if field.refused else "**no**"


if __name__ == "__main__":
    print(render(), end="")
