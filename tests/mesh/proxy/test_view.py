from mesh.model.resources import Resources
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.view import ProxyView


def view_of(proxy, asked):
    return ProxyView(
        proxy.worker,
        proxy.config,
        IstioStats(proxy.node),
        lambda graceful: asked.append(graceful),
        lambda: asked.append("quit"),
    )


async def test_shows_endpoints_with_what_they_did(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    await client.get()
    origin.response = b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"
    await client.get()
    view = view_of(proxy, [])
    (cluster,) = view.clusters()
    (endpoint,) = cluster.endpoints
    assert (cluster.name, endpoint.address, endpoint.port) == ("c", "127.0.0.1", origin.port)
    assert (endpoint.rq_total, endpoint.rq_success, endpoint.rq_error) == (2, 1, 1)
    assert (endpoint.rq_active, endpoint.cx_active, endpoint.cx_total) == (0, 1, 1)
    (listener,) = view.listeners()
    assert listener.port == client.writer.get_extra_info("peername")[1]


async def test_a_version_changes_with_its_content_only(proxy, make):
    view = view_of(proxy, [])
    assert view.config().versions == {}
    proxy.config.apply(Resources((make.cluster("c"),)))
    view.note_update()
    before = view.config()
    proxy.config.apply(Resources((make.cluster("d"),)))
    view.note_update()
    after = view.config()
    assert before.versions["CDS"] != after.versions["CDS"]
    assert before.versions["RDS"] == after.versions["RDS"]
    assert before.updated_at["RDS"] == after.updated_at["RDS"]


async def test_states_and_wishes(proxy):
    asked = []
    view = view_of(proxy, asked)
    assert view.state == "PRE_INITIALIZING"
    view.is_configured = True
    assert view.state == "LIVE"
    view.drain(graceful=True)
    view.quit()
    assert asked == [True, "quit"]
    proxy.worker.draining = True
    assert view.state == "DRAINING"
    assert view.secrets() is None
