"""What a nation runs: a witness, which cosigns a log's checkpoints only while the log grows and never changes.

It keeps one row for each log that it is told to trust: the newest tree that it has cosigned. With enough witnesses,
in enough nations, nobody who runs a log can show two people two histories.
"""

from __future__ import annotations
