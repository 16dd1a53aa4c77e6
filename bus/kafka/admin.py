"""Topics, users, grants and records of a Kafka cluster, over confluent-kafka's admin client.

aiokafka's admin client knows neither ACLs nor SCRAM, so this is the one place that uses librdkafka. Its calls give
futures of threads of its own; each is awaited here with a bound, and its errors become those of :mod:`bus.errors`.
"""

# The client's public names are re-exported without a mark, and its annotations know no None.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from msgspec import Struct

from bus.errors import BusError, NotAllowed, Unavailable
from bus.kafka.connection import Connection

T = TypeVar("T")

SCRAM_ITERATIONS = 4096
_BATCH = 32
"""Topics or grants asked for in one request: a broker on a small machine answers in time."""

_DENIED = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes are spelled so
})  # fmt: skip


class Topic(Struct, frozen=True):
    """A topic to be. One partition unless said otherwise."""

    name: str
    config: Mapping[str, str] = {}
    partitions: int = 1
    replication: int = 1


class Grant(Struct, frozen=True, order=True):
    """One literal ACL that allows. ``resource`` is topic, group, transactional_id or cluster."""

    username: str
    resource: str
    name: str
    operation: str


_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
_RESOURCE_NAMES = {kind: name for name, kind in _RESOURCES.items()}


class Admin:
    """What the hub and the sandbox may ask of a cluster. Every call is bounded by ``timeout_s``.

    Raises, from every method:
        NotAllowed: the cluster refused the login or the act.
        Unavailable: no broker answered in time.
        BusError: anything else that the cluster said.
    """

    def __init__(self, connection: Connection, *, timeout_s: float = 20.0) -> None:
        self._timeout_s = timeout_s
        self._client: Any = AdminClient({
            **connection.librdkafka(),
            "client.id": "safeguard-admin",
            "log_level": 0,
            "socket.timeout.ms": int(timeout_s * 1000),
            "reconnect.backoff.max.ms": 250,
            "allow.auto.create.topics": "false",
        })  # fmt: skip

    async def cluster_id(self) -> str:
        """The id the cluster was formatted with."""
        found = await self._one(self._client.describe_cluster(request_timeout=self._timeout_s))
        return str(found.cluster_id)

    async def topics(self) -> frozenset[str]:
        """The names of all topics that this login may see."""
        found = await self._call(self._client.list_topics, timeout=self._timeout_s)
        return frozenset(found.topics)

    async def create_topics(self, topics: Iterable[Topic]) -> list[str]:
        """Create the topics that are not there; return their names. Existing ones are left as they are."""
        there = await self.topics()
        missing = [topic for topic in topics if topic.name not in there]
        for some in _chunks(missing):
            await self._all(self._client.create_topics([_new_topic(topic) for topic in some]))
        return [topic.name for topic in missing]

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Delete topics with all they hold."""
        await self._all(self._client.delete_topics(list(names)))

    async def topic_config(self, name: str) -> dict[str, str]:
        """Every setting of a topic, defaults included."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        (found,) = await self._all(self._client.describe_configs([resource]))
        return {key: str(entry.value) for key, entry in found.items()}

    async def set_topic_config(self, name: str, config: Mapping[str, str]) -> None:
        """Set some settings of a topic and leave the others."""
        changes = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=changes)
        await self._all(self._client.incremental_alter_configs([resource]))

    async def users(self) -> frozenset[str]:
        """Users that have a SCRAM password."""
        found = await self._one(self._client.describe_user_scram_credentials())
        return frozenset(found)

    async def set_passwords(self, passwords: Mapping[str, str]) -> None:
        """Give users a SCRAM-SHA-512 password, new or in place of the old."""
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
        changes = [UserScramCredentialUpsertion(user, how, word.encode()) for user, word in passwords.items()]
        if changes:
            await self._all(self._client.alter_user_scram_credentials(changes))

    async def grants(self) -> frozenset[Grant]:
        """Every literal ACL that allows something."""
        anything: Any = None
        every = AclBindingFilter(
            ResourceType.ANY,
            anything,
            ResourcePatternType.LITERAL,
            anything,
            anything,
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )
        found = await self._one(self._client.describe_acls(every))
        return frozenset(_grant(binding) for binding in found)

    async def grant(self, grants: Iterable[Grant]) -> None:
        """Allow what is listed; what is allowed already stays."""
        for some in _chunks(list(grants)):
            await self._all(self._client.create_acls([_binding(grant) for grant in some]))

    async def revoke(self, grants: Iterable[Grant]) -> None:
        """Take back exactly these."""
        filters = [_filter(grant) for grant in grants]
        if filters:
            await self._all(self._client.delete_acls(filters))

    async def delete_records(self, before: Mapping[str, int]) -> None:
        """Delete the records below an offset, by topic; ``-1`` deletes all there are."""
        wanted = [TopicPartition(topic, 0, offset) for topic, offset in before.items()]
        await self._all(self._client.delete_records(wanted))

    async def end_offsets(self, topics: Iterable[str]) -> dict[str, int]:
        """The offset behind the last record of each topic."""
        wanted = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in topics}
        found = self._client.list_offsets(wanted)
        ends = await self._all(found)
        return {place.topic: int(end.offset) for place, end in zip(found, ends, strict=True)}

    async def _call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except KafkaException as error:
            raise _translated(error) from None

    async def _one(self, future: Future[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s + 5):
                return await asyncio.wrap_future(future)
        except KafkaException as error:
            raise _translated(error) from None
        except TimeoutError:
            raise Unavailable(f"Kafka did not answer within {self._timeout_s + 5:.0f} s") from None

    async def _all(self, futures: Mapping[Any, Future[Any]]) -> list[Any]:
        done = await asyncio.gather(*(self._one(future) for future in futures.values()), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return done


def _translated(error: KafkaException) -> BusError:
    cause: Any = error.args[0]
    text = f"Kafka said: {cause.str()}"
    if cause.code() in _DENIED:
        return NotAllowed(text)
    if cause.retriable() or cause.code() < 0:
        return Unavailable(text)
    return BusError(text)


def _chunks(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _new_topic(topic: Topic) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=topic.replication,
        config=dict(topic.config),
    )


def _binding(grant: Grant) -> AclBinding:
    return AclBinding(
        _RESOURCES[grant.resource],
        grant.name,
        ResourcePatternType.LITERAL,
        f"User:{grant.username}",
        "*",
        AclOperation[grant.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _filter(grant: Grant) -> AclBindingFilter:
    return AclBindingFilter(
        _RESOURCES[grant.resource],
        grant.name,
        ResourcePatternType.LITERAL,
        f"User:{grant.username}",
        "*",
        AclOperation[grant.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _grant(binding: Any) -> Grant:
    resource = _RESOURCE_NAMES.get(binding.restype, "other")
    return Grant(binding.principal.removeprefix("User:"), resource, binding.name, binding.operation.name.lower())
