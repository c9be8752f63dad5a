"""A durable consumer of the bridge's Kafka topic: handles each event once, in order, and folds the PBX's state.

Settings, from the environment: KAFKA_BROKERS; CTI_TOPIC; CTI_CONSUMER, the name of the consumer group
and of its files in CTI_DIR: NAME.json has the state, NAME.log a line per handled event. Run one process per name.
"""

import json
import os
import signal
import threading
from logging import warning
from pathlib import Path

from cloudevents.core.bindings import kafka
from confluent_kafka import Consumer

BROKERS = os.environ.get("KAFKA_BROKERS", "127.0.0.1:9092")
TOPIC = os.environ.get("CTI_TOPIC", "cti.events.v1")
NAME = os.environ.get("CTI_CONSUMER", "example-python")
STATE_FILE = Path(os.environ.get("CTI_DIR", ".")) / f"{NAME}.json"
# Each has the complete state of its subject: the newest one wins.
STATE_EVENTS = """extenUpdate queueUpdate queueMemberUpdate trunkUpdate parkingUpdate userMainPresenceUpdate
    userPresenceUpdate newVoiceMessageCounter""".split()


class Store:
    """The folded state and the position, saved in one step: a crash keeps both or neither."""

    def __init__(self):
        saved = json.loads(STATE_FILE.read_text()) if STATE_FILE.exists() else {"recorded": 0, "views": {}}
        self.views = saved["views"]  # what is known of each PBX, by partition
        self.record = open(STATE_FILE.with_suffix(".log"), "ab")
        self.record.truncate(self.record.seek(saved["recorded"]))  # what was recorded but not saved comes again

    def accept(self, event, partition):
        """Handles an event unless it was handled before; notices if events before it are missing."""
        sequence, previous, gap = map(event.get_extension, ("sequence", "ctiprev", "ctigap"))
        name = f"{event.get_source()} {partition}"
        view = self.views.setdefault(name, {"seen": "", "gap": "", "is_stale": True, "entities": {}})
        if sequence <= view["seen"]:  # they have 20 digits, so they compare as text
            return
        is_hole = "" < view["seen"] < previous
        if is_hole:
            warning("%s: events after %s are missing in the topic", name, view["seen"])
        view["is_stale"] |= is_hole or gap != view["gap"]  # a new gap, loss or dead letter; its notice has details
        view["seen"], view["gap"] = sequence, gap
        self.handle(event, view)

    def handle(self, event, view):
        """Your work goes here. This example records the event and folds it into the state."""
        source, sequence, data = event.get_source(), event.get_extension("sequence"), event.get_data()
        self.record.write(f"{source} {sequence} {event.get_type()}\n".encode())
        _, kind, name = event.get_type().removesuffix(".v1").split(".", 2)
        if kind == "event":
            if name in STATE_EVENTS:
                view["entities"][f"{name} {event.get_subject()}"] = data
        elif name == "vanished":
            view["entities"].pop(f"{data['event']} {data['subject']}", None)
        elif name == "gap" and data["mayHaveMissed"]:
            warning("%s: events may be missing since %s: %s", source, data["from"] or "the beginning", data["reason"])
        elif name == "lost":
            warning("%s: %s events were lost: %s", source, data["count"], data["reason"])
        elif name == "resync.completed" and not data["failed"]:
            view["is_stale"] = False

    def save(self):
        self.record.flush()
        os.fsync(self.record.fileno())
        with open(STATE_FILE.with_suffix(".new"), "w") as file:
            json.dump({"recorded": self.record.tell(), "views": self.views}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, STATE_FILE)


def main():
    stop, store = threading.Event(), Store()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # As a static member (group.instance.id) it continues at once after a restart.
    settings = {"bootstrap.servers": BROKERS, "group.id": NAME, "group.instance.id": NAME}
    # Only what is stored is committed, in the background: that waits until the state is saved.
    consumer = Consumer(settings | {"auto.offset.reset": "earliest", "enable.auto.offset.store": False})
    consumer.subscribe([TOPIC])
    while not stop.is_set():
        messages = consumer.consume(100, timeout=0.2)
        for error in filter(None, [message.error() for message in messages]):
            warning("%s", error)
        messages = [message for message in messages if not message.error()]
        for message in messages:
            message_parts = dict(message.headers()), message.key(), message.value()
            store.accept(kafka.from_kafka_event(kafka.KafkaMessage(*message_parts)), message.partition())
        if messages:
            store.save()
        for message in messages:
            consumer.store_offsets(message)
    consumer.close()


main()
