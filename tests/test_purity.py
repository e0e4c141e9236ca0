"""Decisions are pure: the modules listed here reach for no socket, no loop, no clock and no dice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# every file these patterns name is a decision, not a shell; a pattern that names none is an error
PURE = (
    "mesh/model/*.py",
    "mesh/http/*.py",
    "mesh/http/h2/*.py",
    "mesh/pilot/translate/*.py",
    "mesh/pilot/debounce.py",
    "mesh/pilot/registry.py",
    "mesh/proxy/sniff.py",
    "mesh/proxy/sniff_http.py",
    "mesh/proxy/chain_match.py",
    "mesh/proxy/grpc_messages.py",
    "mesh/proxy/route.py",
    "mesh/proxy/balance.py",
    "mesh/proxy/edf.py",
    "mesh/proxy/load_balancer.py",
    "mesh/proxy/tried.py",
    "mesh/proxy/outlier.py",
    "mesh/proxy/token_bucket.py",
    "mesh/proxy/health_check/state.py",
    "mesh/proxy/health_check/verdict.py",
    "mesh/proxy/success_rate.py",
    "mesh/proxy/hash_policy.py",
    "mesh/proxy/slow_start.py",
    "mesh/proxy/priority.py",
    "mesh/proxy/hash_table.py",
    "mesh/proxy/internal.py",
    "mesh/proxy/edge.py",
    "mesh/proxy/retry.py",
    "mesh/xds/codec/*.py",
    "mesh/xds/subscription.py",
    "mesh/galley/validate.py",
    "mesh/galley/references.py",
    "labs/harness/binomial.py",
    "labs/harness/checks.py",
    "mesh/platform/topology.py",
)
IMPURE = {
    "asyncio",
    "socket",
    "ssl",
    "time",
    "random",
    "grpc",
    "uvloop",
    "aiohttp",
    "threading",
    "subprocess",
}
# names that are types or pure functions of an impure module
ALLOWED = {("random", "Random")}


def imported(tree: ast.Module) -> set[tuple[str, str]]:
    """(top-level module, name) of every import outside ``if TYPE_CHECKING``."""
    found: set[tuple[str, str]] = set()
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {(alias.name.split(".")[0], "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {(node.module.split(".")[0], alias.name) for alias in node.names}
    return found


@pytest.mark.parametrize("pattern", PURE)
def test_decisions_import_no_io_clock_or_randomness(pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files, f"{pattern} names no file"
    for path in files:
        impure = {(m, n) for m, n in imported(ast.parse(path.read_text())) if m in IMPURE} - ALLOWED
        assert not impure, f"{path.relative_to(ROOT)} imports {sorted(impure)}"


def test_pilot_and_proxy_never_import_each_other() -> None:
    for mine, other in (("pilot", "proxy"), ("proxy", "pilot")):
        for path in ROOT.glob(f"mesh/{mine}/**/*.py"):
            assert f"mesh.{other}" not in path.read_text(), f"{path.relative_to(ROOT)} imports mesh.{other}"


def test_protobuf_stays_at_the_edge() -> None:
    """Envoy's messages are imported by the xds package and the servicers, nowhere on the road."""
    allowed = ("mesh/xds/", "mesh/citadel/", "mesh/proxy/agent/", "mesh/mixer/access_log_service.py")
    for path in ROOT.glob("mesh/**/*.py"):
        name = str(path.relative_to(ROOT))
        if name.startswith(allowed):
            continue
        modules = {module for module, _ in imported(ast.parse(path.read_text()))}
        assert "envoy" not in modules, f"{name} imports Envoy's protobuf messages"
