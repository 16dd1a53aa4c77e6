"""``make bench``: the bus beside a bare pipe, on the same machine, in the same run."""
