"""Call detail records: one row per call in SQLite or PostgreSQL, from the bridge's JetStream stream or from files.

    python call_records.py                  follows the stream; Ctrl-C ends it
    python call_records.py FILE...          reads events in structured mode, one JSON object per line

Settings, from the environment: CTI_DATABASE, a file of SQLite, or a URL such as postgresql://user@host/name (needs the package
psycopg); NATS_URL; CTI_STREAM; CTI_CONSUMER, the name of the durable consumer.

Each event carries the complete call, so the newest one of a call is its row: whatever is delivered again, or late, changes nothing.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing

DATABASE = os.environ.get("CTI_DATABASE", "calls.db")
URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = os.environ.get("CTI_STREAM", "cti-bridge")
NAME = os.environ.get("CTI_CONSUMER", "call-records")
COLUMNS = """source call sequence direction caller called main_party queue state outcome started_at answered_at ended_at
    wait_seconds talk_seconds certain merged_into data""".split()
# Accepted by SQLite from 3.24 and by PostgreSQL. Times are RFC 3339 in UTC: they sort as text.
TABLE = """CREATE TABLE IF NOT EXISTS calls (
    source TEXT NOT NULL, call TEXT NOT NULL, sequence BIGINT NOT NULL, direction TEXT NOT NULL, caller TEXT, called TEXT,
    main_party TEXT, queue TEXT, state TEXT NOT NULL, outcome TEXT, started_at TEXT NOT NULL, answered_at TEXT, ended_at TEXT,
    wait_seconds DOUBLE PRECISION NOT NULL, talk_seconds DOUBLE PRECISION NOT NULL, certain BOOLEAN NOT NULL, merged_into TEXT,
    data TEXT NOT NULL, PRIMARY KEY (source, call))"""
INSERT = f"""INSERT INTO calls ({", ".join(COLUMNS)}) VALUES ({", ".join("?" for _ in COLUMNS)})
    ON CONFLICT (source, call) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[2:])}
    WHERE excluded.sequence > calls.sequence"""


def main_party(call):
    """Returns the extension that a call with several legs counts for: the last one that was answered, but the caller only if
    there is no other; in a call without an answer, the earliest. None if no extension was seen."""
    caller = call["originalFrom"].get("extension")
    legs = [leg["extension"] for leg in call["legs"]]
    answered = [leg["extension"] for leg in call["legs"] if was_answered(leg)]
    called = [extension for extension in answered if extension != caller]
    return (called or answered or legs[:1] or [None])[-1]


def was_answered(leg):
    return leg["state"] in ("connected", "hold") or leg.get("outcome") == "answered"


def row(source, sequence, call):
    return (
        source,
        call["call"],
        sequence,
        call["direction"],
        call["originalFrom"].get("number"),
        call["to"].get("number"),
        main_party(call),
        call.get("queue"),
        call["state"],
        call.get("outcome"),
        call["startedAt"],
        call.get("answeredAt"),
        call.get("endedAt"),
        call["waitSeconds"],
        call["talkSeconds"],
        call["certain"],
        call.get("into"),
        json.dumps(call, ensure_ascii=False),
    )


class Database:
    """The table, in SQLite or PostgreSQL."""

    def __init__(self, place):
        self.is_postgres = place.startswith(("postgresql:", "postgres:"))
        if self.is_postgres:
            import psycopg

            self.connection = psycopg.connect(place)
        else:
            self.connection = sqlite3.connect(place)
        self.query(TABLE)
        self.connection.commit()

    def query(self, sql, values=()):
        return self.connection.execute(sql.replace("?", "%s") if self.is_postgres else sql, values)

    def accept(self, kind, source, sequence, call):
        """Stores a call unless a newer event of it is stored."""
        if kind.startswith("cti.call."):
            self.query(INSERT, row(source.removeprefix("/cti/"), int(sequence), call))

    def close(self):
        self.connection.close()


def read(database, paths):
    """Stores what is in files."""
    for path in paths:
        with open(path) as lines:
            for event in map(json.loads, lines):
                database.accept(event["type"], event["source"], event["sequence"], event["data"])
    database.connection.commit()


async def follow(database):
    """Stores what the stream has, and what comes. Acknowledges an event only when its row is committed."""
    import nats

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    connection = await nats.connect(URL, max_reconnect_attempts=-1)
    jetstream = connection.jetstream()
    config = nats.js.api.ConsumerConfig(durable_name=NAME, ack_policy="explicit", filter_subject="cti.v1.*.call.>")
    await jetstream.add_consumer(STREAM, config)
    subscription = await jetstream.pull_subscribe_bind(NAME, STREAM)
    while not stop.is_set():
        try:
            messages = await subscription.fetch(100, timeout=1)
        except (nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
            continue
        for message in messages:
            kind, source, sequence = (message.headers[f"ce-{name}"] for name in ("type", "source", "sequence"))
            database.accept(kind, source, sequence, json.loads(message.data))
        database.connection.commit()
        for message in messages:
            await message.ack()
    await connection.flush()
    await connection.close()


if __name__ == "__main__":
    with closing(Database(DATABASE)) as database:
        if sys.argv[1:]:
            read(database, sys.argv[1:])
        else:
            asyncio.run(follow(database))
