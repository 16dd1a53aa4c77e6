"""How to reach a Kafka cluster, spelled for each of the two clients that are used here."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import KafkaConnectionError
from msgspec import Struct


class Connection(Struct, frozen=True, repr_omit_defaults=True):
    """Where the brokers are and who one is there. Its repr never shows the password."""

    bootstrap: str
    security_protocol: str = "SASL_SSL"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"Connection({self.bootstrap!r}, {self.security_protocol!r}, username={self.username!r})"

    def unreachable(self, error: Exception) -> str:
        """What to say when no broker answered: where that was, and what else than that the client knows."""
        why = "" if isinstance(error, KafkaConnectionError | OSError) else f": {error}"
        return f"Kafka at {self.bootstrap} cannot be reached{why}"

    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's clients."""
        found: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            found["sasl_mechanism"] = self.sasl_mechanism
            found["sasl_plain_username"] = self.username
            found["sasl_plain_password"] = self.password
        if self.security_protocol.endswith("SSL"):
            from aiokafka.helpers import create_ssl_context  # noqa: PLC0415 - only where TLS is used

            found["ssl_context"] = create_ssl_context(cafile=self.ca_file)
        return found

    def librdkafka(self) -> dict[str, str]:
        """Configuration of librdkafka's clients (confluent-kafka, kcat)."""
        found = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self.security_protocol.startswith("SASL"):
            found["sasl.mechanism"] = self.sasl_mechanism
            found["sasl.username"] = self.username
            found["sasl.password"] = self.password
        if self.security_protocol.endswith("SSL") and self.ca_file is not None:
            found["ssl.ca.location"] = self.ca_file
        return found
