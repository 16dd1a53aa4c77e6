"""What ``bus hub repair`` does: finds what a stopped hub has lost, and restores exactly what was told, or nothing."""
