"""The HTTP filters, each a few plain functions on an exchange.

chain          the configured filters -> the steps an exchange runs
peer_metadata  who is on the other side: learn it, and say who we are
cors           who may call from another origin; preflights are answered here
fault          delays and aborts on purpose
local_rate_limit
               so many requests and no more
"""
