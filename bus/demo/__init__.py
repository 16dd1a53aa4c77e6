"""The demonstration: a story told by made-up organisations, on a real hub, with counts that are counted."""
