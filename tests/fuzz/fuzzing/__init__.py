"""Fuzzing of every parser: what nobody thought of, sent to the code that reads what others send.

    corpus, words -> mutate (or atheris, which is guided by coverage) -> bytes -> Target.check

target     what a target is, and how it says that a property does not hold
pieces     the ways to cut bytes into pieces
strict     the second reader of HTTP/1, which shares no code with the first
mutate     bytes -> other bytes, by a seeded generator
engines    runs of a target: our own mutator, atheris
targets/   one file for each parser, with the properties it must keep
catalog    all of them, by name
__main__   ``make fuzz``: every target for its share of the time
"""
