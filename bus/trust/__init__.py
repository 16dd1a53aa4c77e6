"""Who says it: keys, commitments, batch signatures, sealing and the directory. Pure."""
