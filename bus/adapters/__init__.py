"""Other people's formats, and the bus's own files, as events.

An adapter reads a whole input twice: once to check all of it, once to send. What it cannot read raises
:class:`bus.errors.InvalidFile` with the file and the place, before anything was sent.
"""
