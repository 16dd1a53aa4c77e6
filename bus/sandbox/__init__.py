"""A whole hub on one machine: real Kafka, real PostgreSQL, the hub's own roles, and made-up organisations."""
