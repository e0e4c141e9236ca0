import pytest

from mesh.model.http_filter import FileAccessLog, GrpcAccessLog, IstioStats
from mesh.proxy.istio_stats import IstioStats as Counters
from mesh.proxy.sinks import Sinks
from mesh.xds.errors import Rejected


@pytest.fixture
async def sinks(proxy, tmp_path):
    made = Sinks(proxy.node, proxy.worker, Counters(proxy.node), str(tmp_path / "access.log"), lambda: None)
    yield made
    await made.close()


async def test_one_writer_for_each_destination(sinks, tmp_path):
    assert sinks.make(FileAccessLog()) == sinks.make(FileAccessLog())
    assert sinks.make(IstioStats("source")) == sinks.make(IstioStats("destination"))
    assert (tmp_path / "access.log").exists()


async def test_what_cannot_be_written_is_refused(sinks):
    with pytest.raises(Rejected, match="/nowhere/x"):
        sinks.make(FileAccessLog("/nowhere/x"))
    with pytest.raises(Rejected, match="sds-grpc"):
        sinks.make(GrpcAccessLog("agent", "sds-grpc"))


async def test_connections_have_a_stream_of_their_own_and_share_the_file(sinks):
    log = GrpcAccessLog("mixer", "xds-grpc")
    of_connections, of_requests = sinks.make_for_connections(FileAccessLog()), sinks.make(FileAccessLog())
    assert of_connections.__self__ is of_requests.__self__
    assert sinks.make_for_connections(log) == sinks.make_for_connections(log)
    assert sinks.make_for_connections(log) != sinks.make(log)
    assert sinks.make_for_connections(IstioStats("source")) != sinks.make(IstioStats("source"))
