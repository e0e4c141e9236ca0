"""The models' common ground: frozen, strict, nothing unknown, camelCase outside and snake_case inside."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mesh.galley.api.metadata import Metadata

T = TypeVar("T")

# a repeated field: any list comes in, a tuple is kept
Items = Annotated[tuple[T, ...], Field(strict=False)]


class ApiModel(BaseModel):
    """``strict`` means no coercion: "5" is no number and true is no integer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class ApiObject(ApiModel):
    """An object of any kind; each kind adds its ``spec``."""

    api_version: str
    kind: str
    metadata: Metadata

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two versions the same; where it is written and as which apiVersion does not."""
        return self.metadata, getattr(self, "spec", None)

    def told(self) -> dict[str, object]:
        """What whoever asks for the object is told of it, beside its metadata: its ``spec``."""
        spec = self.to_dict().get("spec")
        return spec if isinstance(spec, dict) else {}

    def to_dict(self) -> dict[str, object]:
        """What a user would have written, durations normalised ("90s"); parses back to an equal object."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def given(model: BaseModel) -> tuple[str, ...]:
    """The fields (by their outside names) that were written and are not null."""
    fields = type(model).model_fields
    return tuple(
        field.alias or name
        for name, field in fields.items()
        if name in model.model_fields_set and getattr(model, name) is not None
    )


def check_one_of(model: BaseModel, *names: str, required: bool = True) -> None:
    """Raise ValueError unless exactly one (or, when not required, at most one) of the fields is given."""
    found = [name for name in given(model) if name in names]
    if len(found) == 1 or (not found and not required):
        return
    expected = "exactly one of" if required else "at most one of"
    raise ValueError(f"expected {expected} {', '.join(names)}, got {' and '.join(found) or 'none'}")
