from mesh.proxy.flags import join_flags


def test_flags_join_in_envoys_order():
    assert join_flags("-", "-") == "-"
    assert join_flags("-", "UF") == "UF"
    assert join_flags("DI", "-") == "DI"
    assert join_flags("DI", "UF,URX") == "UF,DI,URX"
    assert join_flags("UF", "UF") == "UF"
