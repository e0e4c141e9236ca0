"""Pilot: (configuration + registry) -> what each proxy must do. In the order a change travels:

admission       which nodes may join
registry        who is in the mesh: joins, leaves, graces
registry_store  the registry on disk
declared        ``Service`` objects as declarations
entries         services of ``ServiceEntry`` objects
services        services and the workloads behind them
visibility      ``exportTo``: where an object is seen
world           the world at one moment
translate       (world, proxy) -> resources
debounce        how long a push waits for more changes
push            translate for each connected proxy, hand over
status          how far the proxies are, waiting for all of them
metrics         pilot's own metrics
discovery       ``Pilot``: all of these together, the Source behind the ADS server
"""
