"""How bytes travel: a few small shells around the Kafka clients, in which every trap of theirs is handled once."""
