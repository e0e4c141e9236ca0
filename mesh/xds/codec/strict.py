"""Nothing is silently ignored: find the first thing in a message that the model did not keep.

Decoders only read what the model can hold. What they made is encoded again and compared with what came in;
any difference is a field, or a value, that would have been lost. So strictness needs no list of fields to
refuse, and a new field of Envoy's is refused, by name, on the day it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

_ANY = any_pb2.Any.DESCRIPTOR.full_name


def lost_field(came: Any, kept: Any) -> str:
    """Where and how two messages of one type differ first, "" when they mean the same."""
    return next(_differences(came, kept, ""), "")


def not_finite(message: Any) -> str:
    """Where and how a message first holds a number that is none (NaN, infinity), "" when nowhere."""
    return next(_not_finite(message, ""), "")


def _not_finite(message: Any, path: str) -> Iterator[str]:
    for field, value in message.ListFields():
        where = _join(path, field.name)
        if isinstance(value, float) and not isfinite(value):
            yield f"{where}: expected a finite number, got {value}"
        elif isinstance(value, Message):
            yield from _not_finite(value, where)
        elif field.is_repeated and field.message_type and not field.message_type.GetOptions().map_entry:
            for index, item in enumerate(value):
                yield from _not_finite(item, f"{where}[{index}]")


def _differences(came: Any, kept: Any, path: str) -> Iterator[str]:
    if came.DESCRIPTOR.full_name == _ANY:
        yield from _any_differences(came, kept, path)
        return
    for unknown in UnknownFieldSet(came):
        yield f"{_join(path, f'field number {unknown.field_number}')}: unknown to this version"
    fields = {field.name: field for field, _ in (*came.ListFields(), *kept.ListFields())}
    for name, field in sorted(fields.items(), key=lambda item: item[1].number):
        yield from _field_differences(field, came, kept, _join(path, name))


def _field_differences(field: Any, came: Any, kept: Any, path: str) -> Iterator[str]:
    ours, theirs = getattr(kept, field.name), getattr(came, field.name)
    if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _map_differences(theirs, ours, path)
    elif field.is_repeated:
        yield from _list_differences(theirs, ours, path)
    elif field.message_type is None:
        if theirs != ours:
            yield f"{path}: {_text(field, theirs)} is not supported (expected {_text(field, ours)})"
    elif not kept.HasField(field.name):
        yield f"{path}: not supported"
    elif not came.HasField(field.name):
        yield f"{path}: is missing"
    else:
        yield from _differences(theirs, ours, path)


def _list_differences(came: Any, kept: Any, path: str) -> Iterator[str]:
    for index, (theirs, ours) in enumerate(zip(came, kept, strict=False)):
        yield from _value_differences(theirs, ours, f"{path}[{index}]")
    if len(came) > len(kept):
        yield f"{path}[{len(kept)}]: not supported"
    elif len(came) < len(kept):
        yield f"{path}[{len(came)}]: is missing"


def _map_differences(came: Any, kept: Any, path: str) -> Iterator[str]:
    for key in sorted({*came, *kept}):
        where = f"{path}[{key!r}]"
        if key not in kept:
            yield f"{where}: not supported"
        elif key not in came:
            yield f"{where}: is missing"
        else:
            yield from _value_differences(came[key], kept[key], where)


def _value_differences(came: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(came, Message):
        yield from _differences(came, kept, path)
    elif came != kept:
        yield f"{path}: {came!r} is not supported (expected {kept!r})"


def _any_differences(came: Any, kept: Any, path: str) -> Iterator[str]:
    if came.type_url != kept.type_url:
        yield f"{path}: {came.type_url or 'no type'} is not supported (expected {kept.type_url})"
    elif came.value != kept.value:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(came.type_url.rpartition("/")[2])
        made = message_factory.GetMessageClass(descriptor)
        try:
            yield from _differences(made.FromString(came.value), made.FromString(kept.value), path)
        except DecodeError:
            yield f"{path}: malformed protobuf"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _text(field: Any, value: Any) -> str:
    if field.enum_type is None:
        return repr(value)
    known = field.enum_type.values_by_number.get(value)
    return known.name if known is not None else str(value)
