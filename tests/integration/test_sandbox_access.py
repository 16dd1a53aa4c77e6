"""Who can write and read what in Kafka, tried out with everybody's own credentials."""

# The client's public names are re-exported without a mark.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from bus.errors import NotAllowed, Unavailable
from bus.hub import topics as layout
from bus.kafka.admin import Admin
from bus.kafka.connection import Connection
from bus.sandbox.lifecycle import Sandbox
from tests.patience import PATIENT_S

DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}
LANES = ("", ".urgent")


def settings(connection: Connection) -> dict[str, str | int]:
    """Settings of librdkafka, quiet and impatient."""
    return {**connection.librdkafka(), "log_level": 0, "topic.metadata.propagation.max.ms": 1000}


def writable(connection: Connection, topics: Iterable[str]) -> set[str]:
    """The topics that took a record of ours."""
    taken: set[str] = set()
    refused: dict[str, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        topic = message.topic() or ""
        if error is None:
            taken.add(topic)
        else:
            refused[topic] = error.code()

    producer = Producer(
        {**settings(connection), "enable.idempotence": True, "message.timeout.ms": round(PATIENT_S * 1000)}
    )
    asked = list(topics)
    for topic in asked:
        try:
            producer.produce(topic, b"no event", b"no key", on_delivery=delivered)
        except KafkaException as error:
            refused[topic] = error.args[0].code()
    assert producer.flush(PATIENT_S) == 0
    assert taken | set(refused) == set(asked)
    assert set(refused.values()) <= DENIED
    return taken


def visible(connection: Connection, topics: Iterable[str]) -> set[str]:
    """The topics that we may describe. Who may read a topic may describe it."""
    admin: Any = AdminClient({**settings(connection)})
    asked = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in topics}
    found = set[str]()
    for place, answer in admin.list_offsets(asked, request_timeout=PATIENT_S).items():
        error = answer.exception(timeout=PATIENT_S)
        if error is None:
            found.add(place.topic)
        else:
            assert error.args[0].code() in DENIED, error
    return found


def readable(connection: Connection, topics: Iterable[str]) -> set[str]:
    """The topics whose records, or whose end, we came to see."""
    waiting, seen = visible(connection, topics), set[str]()
    consumer = Consumer({
        **settings(connection), "group.id": connection.username, "enable.partition.eof": True,
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0) for topic in waiting])
    deadline = time.monotonic() + PATIENT_S
    while waiting and time.monotonic() < deadline:
        for message in consumer.consume(500, timeout=0.2):
            topic, error = message.topic() or "", message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                seen.add(topic)
            else:
                assert error.code() in DENIED, error
            waiting.discard(topic)
    consumer.close()
    assert not waiting
    return seen


async def test_everyone_against_every_topic(trial: Sandbox) -> None:
    """Each organisation writes its own outbox and reads its own inbox, receipts and the directory; no more."""
    topics = sorted(topic for topic in await Admin(trial.connection("admin")).topics() if not topic.startswith("__"))
    for org in trial.status()["organisations"]:
        connection = trial.connection(org)
        own = [f"{kind}.{org}{lane}" for kind in ("in", "receipts") for lane in LANES]
        written, read = await asyncio.gather(
            asyncio.to_thread(writable, connection, topics), asyncio.to_thread(readable, connection, topics)
        )
        assert written == {f"out.{org}{lane}" for lane in LANES}
        assert read == {*own, layout.DIRECTORY}


async def test_a_name_that_begins_like_anothers_opens_nothing(trial: Sandbox) -> None:
    """``org1`` can neither write nor read what is ``org10``'s, nor the other way round: grants are literal."""
    admin = Admin(trial.connection("admin"))
    passwords = {"org1": "first-of-two-passwords", "org10": "second-of-two-passwords"}
    await layout.ensure(admin, passwords, hub="hub")
    topics = [topic.name for org in passwords for topic in layout.topics_of(org)]
    for org, password in passwords.items():
        connection = Connection(trial.status()["kafka"]["bootstrap"], "SASL_PLAINTEXT", "SCRAM-SHA-512", org, password)
        assert await asyncio.to_thread(writable, connection, topics) == {f"out.{org}{lane}" for lane in LANES}
        read = await asyncio.to_thread(readable, connection, topics)
        assert read == {f"{kind}.{org}{lane}" for kind in ("in", "receipts") for lane in LANES}


async def test_partners_have_no_say_over_the_cluster(trial: Sandbox) -> None:
    """A partner makes no topic, gives no grant, has no transactional id, and joins no group but its own."""
    connection = trial.connection("fernpost")
    partner = Admin(connection, timeout_s=PATIENT_S)
    with pytest.raises(NotAllowed):
        await partner.create_topics([layout.topics_of("stranger")[0]])
    with pytest.raises(NotAllowed):
        await partner.grant(layout.grants_of("stranger"))
    with pytest.raises(NotAllowed):
        await partner.set_passwords({"hub": "mine-now"})
    producer = Producer({**settings(connection), "transactional.id": "mine"})
    with pytest.raises(KafkaException) as caught:
        await asyncio.to_thread(producer.init_transactions, PATIENT_S)
    assert caught.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert await asyncio.to_thread(_joined, connection, "hotline-north") == KafkaError.GROUP_AUTHORIZATION_FAILED


def _joined(connection: Connection, group: str) -> int:
    consumer = Consumer({**settings(connection), "group.id": group})
    consumer.subscribe([f"in.{connection.username}"])
    deadline = time.monotonic() + PATIENT_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            error = None if message is None else message.error()
            if error is not None:
                return error.code()
    finally:
        consumer.close()
    return 0


async def test_a_wrong_password_opens_nothing(trial: Sandbox) -> None:
    """Kafka asks for the right one."""
    bootstrap = trial.status()["kafka"]["bootstrap"]
    wrong = Connection(bootstrap, "SASL_PLAINTEXT", "SCRAM-SHA-512", "admin", "wrong")
    with pytest.raises((NotAllowed, Unavailable)):
        await Admin(wrong, timeout_s=3).topics()


async def test_topics_are_set_as_the_formats_say(trial: Sandbox) -> None:
    """One partition each, the broker's time, the stated retention; nothing is made by asking for it."""
    admin = Admin(trial.connection("admin"))
    wanted = {
        "out.fernpost": {"retention.ms": "-1", "compression.type": "uncompressed", "max.message.bytes": "1048576"},
        "in.fernpost": {"retention.ms": str(14 * 86_400_000), "segment.ms": str(86_400_000)},
        "receipts.fernpost.urgent": {"retention.ms": str(90 * 86_400_000)},
        "hub.directory": {"retention.ms": "-1"},
        "hub.cursor": {"cleanup.policy": "compact"},
    }
    for topic, expected in wanted.items():
        config = await admin.topic_config(topic)
        assert {key: config[key] for key in expected} == expected
        assert config["message.timestamp.type"] == "LogAppendTime"
    assert await asyncio.to_thread(writable, trial.connection("hub"), ["out.nobody"]) == set()
    assert "out.nobody" not in await admin.topics()
