"""pydantic's errors in galley's words: what was expected, what was found, what was perhaps meant."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from mesh.galley.fault import Loc, Problem, did_you_mean, quoted

_EXPECTED = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "tuple_type": "a list",
    "int_parsing_size": "a number of 64 bits",
}


def problem_of(model: type[BaseModel], details: ErrorDetails) -> Problem:
    """One error of validating ``model``, at the place where the user can mend it."""
    loc: Loc = tuple(part for part in details["loc"] if part != "[key]")
    return Problem(loc, _message(model, details, loc))


def _message(model: type[BaseModel], details: ErrorDetails, loc: Loc) -> str:
    found = details["input"]
    match details["type"]:
        case "extra_forbidden":
            return f"unknown field {quoted(loc[-1])}{did_you_mean(str(loc[-1]), fields_at(model, loc[:-1]))}"
        case "missing":
            return "expected a value: the field is required"
        case "literal_error":
            return _wrong_word(model, loc, found)
        case "value_error":
            return str(details.get("ctx", {}).get("error", details["msg"]))
        case "string_type" if isinstance(found, int | float):
            return f'expected text, got {quoted(found)}; write it in quotes: "{quoted(found)}"'
        case kind if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, got {quoted(found)}"
        case _:
            return f"{details['msg'][:1].lower()}{details['msg'][1:]}, got {quoted(found)}"


def _wrong_word(model: type[BaseModel], loc: Loc, found: object) -> str:
    words = get_args(_bare(_annotation_at(model, loc)))
    hint = did_you_mean(found, map(str, words)) if isinstance(found, str) else ""
    expected = ", ".join(map(str, words)) if words else "another word"
    return f"expected one of {expected}, got {quoted(found)}{hint}"


def fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The names of the fields that may stand at ``loc``, as the user writes them."""
    annotation = _bare(_annotation_at(model, loc))
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _annotation_at(annotation: Any, loc: Loc) -> Any:
    """Walk the models' type annotations along ``loc``; None where they end."""
    for part in loc:
        annotation = _bare(annotation)
        origin = get_origin(annotation)
        if origin is tuple:
            annotation = get_args(annotation)[0]
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            annotation = get_args(annotation)[1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = _field_annotation(annotation, part)
        else:
            return None
    return annotation


def _field_annotation(model: type[BaseModel], outside_name: str | int) -> Any:
    for name, field in model.model_fields.items():
        if (field.alias or name) == outside_name:
            return field.annotation
    return None


def _bare(annotation: Any) -> Any:
    """Without ``Annotated`` and ``| None``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            annotation = next(part for part in get_args(annotation) if part is not NoneType)
        else:
            return annotation
