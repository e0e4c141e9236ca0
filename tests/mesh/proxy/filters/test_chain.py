import pytest

from mesh.model.http_filter import FaultFilter, HeaderToMetadata, IstioStats, PeerMetadata, Router
from mesh.proxy.filters import fault, peer_metadata
from mesh.proxy.filters.chain import compile_filters
from mesh.xds.errors import Rejected


def test_steps_stand_in_the_order_of_the_filters():
    steps = compile_filters((PeerMetadata("downstream"), FaultFilter(), IstioStats("destination"), Router()))
    assert steps.request == (peer_metadata.learn_caller, fault.inject)
    assert steps.response == (peer_metadata.tell_caller,)


@pytest.mark.parametrize("filters", [(), (FaultFilter(),), (Router(), FaultFilter())])
def test_the_router_is_the_last(filters):
    with pytest.raises(Rejected, match="router"):
        compile_filters(filters)


def test_a_filter_there_is_not_is_named():
    with pytest.raises(Rejected, match="HeaderToMetadata"):
        compile_filters((HeaderToMetadata("a", "b", "c"), Router()))
