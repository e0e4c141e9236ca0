from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.substitution import PLAIN, Command, parse


def test_texts_and_commands_in_order() -> None:
    assert parse("from %PROTOCOL% at %REQ(X-Stage?X-ENV):8%, 100%%!") == (
        "from ",
        Command("PROTOCOL"),
        " at ",
        Command("REQ", ("x-stage", "x-env"), 8),
        ", 100%!",
    )


@pytest.mark.parametrize("value", ["plain", "", "a%%b%%%%"])
def test_texts_alone(value: str) -> None:
    assert "".join(map(str, parse(value))) == value.replace("%%", "%")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("100%", "percent sign"),
        ("%REQ(x)", "percent sign"),
        ("%REQ()%", "REQ"),
        ("%REQ(a?b?c)%", "REQ"),
        ("%REQ%", "REQ"),
        ("%PROTOCOL(x)%", "without an argument"),
        ("%WHATEVER%", "WHATEVER"),
        ("%DYNAMIC_METADATA(a)%", "DYNAMIC_METADATA"),
    ],
)
def test_what_is_wrong_is_named(value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(value)


@given(st.lists(st.text(alphabet="ab %", max_size=5) | st.sampled_from(sorted(PLAIN)), max_size=6))
def test_any_text_survives_doubled(words: list[str]) -> None:
    text = "".join(words)
    assert "".join(map(str, parse(text.replace("%", "%%")))) == text
