"""What `tools/make_types.py` is made of: the source language of the schemas, and the writers of Python."""
