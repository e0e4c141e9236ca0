"""What admin sees of a proxy of one worker; ``crew`` has those of several."""

from pathlib import Path

import pytest

from mesh.model.resources import Resources
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew.crew import Crew
from mesh.proxy.data_plane import DataPlane
from mesh.proxy.view import ProxyView


@pytest.fixture
async def plane(proxy):
    made = DataPlane(proxy.node, Bootstrap("127.0.0.1:1", Path("r"), Path("t"), Path("/")))
    yield made
    made.drain(graceful=False)
    await made.close()


def view_of(plane, asked):
    bootstrap = Bootstrap("127.0.0.1:1", Path("r"), Path("t"), Path("/"))
    return ProxyView(Crew(plane, plane.worker.node, bootstrap), lambda: asked.append("quit"))


async def test_shows_listeners_where_they_are(proxy, plane, make):
    port = make.free_port()
    plane.apply(Resources(listeners=(make.outbound(port, make.routes()),)))
    (listener,) = view_of(plane, []).listeners()
    assert listener.port == port


async def test_a_version_changes_with_its_content_only(plane, make):
    view = view_of(plane, [])
    assert view.config().versions == {}
    plane.apply(Resources((make.cluster("c"),)))
    view.note_update()
    before = view.config()
    plane.apply(Resources((make.cluster("d"),)))
    view.note_update()
    after = view.config()
    assert before.versions["CDS"] != after.versions["CDS"]
    assert before.versions["RDS"] == after.versions["RDS"]
    assert before.updated_at["RDS"] == after.updated_at["RDS"]


async def test_states_and_wishes(plane):
    asked = []
    view = view_of(plane, asked)
    assert view.state == "PRE_INITIALIZING"
    view.is_configured = True
    assert view.state == "LIVE"
    view.quit()
    assert asked == ["quit"]
    view.drain(graceful=True)
    assert view.state == "DRAINING"
    assert view.secrets() is None
