"""HTTP/2 without any I/O (RFC 9113): bytes in, calls to streams out; what is to be sent waits in ``out``.

errors       error codes, and what a peer did wrong to a stream or to the connection
frames       frames -> bytes, and the parts of payloads
settings     what the two sides tell each other first
block        what a header block must be before it is decoded
hpack        header blocks <-> fields (RFC 7541)
messages     fields <-> requests, responses and trailers, with the rules for them
varying      what is another in each request's head, looked past
head_reader  header blocks -> messages, with a memory for those that come again
flood        what a peer may do only so often
stream       one stream: its state, its windows, what it waits to send
sending      the sending half of a connection: frames, flow control, fairness
connection   the receiving half: frames -> streams, the rules of RFC 9113 sections 4 to 6
server       a connection whose peer asks
client       a connection whose peer answers
"""
