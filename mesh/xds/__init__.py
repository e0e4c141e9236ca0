"""Configuration on its way from pilot to proxies: xDS over an aggregated stream (ADS), state of the world.

pilot -> source -> server -> delivery -> snapshot -> codec ~~wire~~> codec -> client_state -> client -> proxy

codec         model <-> Envoy's messages
errors        Rejected (a resource), Refused (a proxy)
references    which resources name which others
secrets       ... and which secrets
subscription  one type of one stream, seen from either end
source        what a control plane gives to be served
snapshot      a configuration, serialised once for all who get it
delivery      what one proxy is owed next
server        the ADS server
settle        from what was received to what can be served
client_state  what our proxy answers
client        the ADS client
"""
