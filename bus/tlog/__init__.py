"""How it is proved: the ledger's tree, and the objects of transparency logs. Pure, and stands alone.

One wire object a module, with its bytes in the docstring. A parser takes exactly one form of each object:
it parses, re-formats and compares, and says no more than ``Malformed``. The formats are those of c2sp.org, so
other people's programs verify what is written here.
"""

from __future__ import annotations

from bus.tlog.frontier import EMPTY, Frontier
from bus.tlog.leaf import Leaf, Outcome, pack_leaf
from bus.tlog.tree import EMPTY_ROOT, leaf_hash, node_hash, root

__all__ = ["EMPTY", "EMPTY_ROOT", "Frontier", "Leaf", "Outcome", "leaf_hash", "node_hash", "pack_leaf", "root"]
