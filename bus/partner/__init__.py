"""What partners import: a Publisher that says, a Subscriber that hears, and the journal of both."""
