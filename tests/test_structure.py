"""The tree keeps its shape: files hold one concept, tests mirror the source, packages carry their map."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_LINES = 400


def sources() -> list[Path]:
    return sorted(path for top in ("mesh", "labs", "loadtests") for path in (ROOT / top).glob("**/*.py"))


def test_no_file_swallows_its_package() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > MAX_LINES
    }
    assert not long, f"split these: {long}"


def test_every_module_says_what_it_is() -> None:
    silent = [str(p.relative_to(ROOT)) for p in sources() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent, f"no module docstring: {silent}"


def test_a_package_init_holds_only_its_map() -> None:
    for path in ROOT.glob("mesh/**/__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, f"{path.relative_to(ROOT)} holds code beside its docstring"


def test_the_map_of_a_package_names_every_file_of_it() -> None:
    missing = []
    for init in ROOT.glob("mesh/**/__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text())) or ""
        for path in init.parent.iterdir():
            name = path.stem
            is_part = path.suffix == ".py" or (path / "__init__.py").exists()
            if is_part and not name.startswith("__") and name not in text:
                missing.append(f"{init.relative_to(ROOT)}: {name}")
    assert not missing, missing


def test_every_unit_test_has_the_file_it_tests() -> None:
    orphans = []
    for path in ROOT.glob("tests/mesh/**/test_*.py"):
        mirrored = ROOT / path.relative_to(ROOT / "tests").parent
        name = path.stem.removeprefix("test_")
        if not ((mirrored / f"{name}.py").exists() or (mirrored / name).is_dir() or mirrored.name == name):
            orphans.append(str(path.relative_to(ROOT)))
    assert not orphans, f"these tests mirror no source file: {orphans}"
