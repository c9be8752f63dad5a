"""A durable consumer of the bridge's JetStream stream: handles each event once, in order, and folds the PBX's state.

Settings, from the environment: NATS_URL; CTI_STREAM; CTI_CONSUMER, the name of the durable consumer
and of its files in CTI_DIR: NAME.json has the state, NAME.log a line per handled event. Run one process per name.
"""

import asyncio
import json
import os
import signal
from logging import warning
from pathlib import Path

import nats
from cloudevents.core.bindings import http

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = os.environ.get("CTI_STREAM", "cti-bridge")
NAME = os.environ.get("CTI_CONSUMER", "example-python")
STATE_FILE = Path(os.environ.get("CTI_DIR", ".")) / f"{NAME}.json"
# Each has the complete state of its subject: the newest one wins.
STATE_EVENTS = """extenUpdate queueUpdate queueMemberUpdate trunkUpdate parkingUpdate userMainPresenceUpdate
    userPresenceUpdate newVoiceMessageCounter""".split()


class Store:
    """The folded state and the position, saved in one step: a crash keeps both or neither."""

    def __init__(self):
        saved = json.loads(STATE_FILE.read_text()) if STATE_FILE.exists() else {"recorded": 0, "views": {}}
        self.views = saved["views"]  # what is known of each PBX
        self.record = open(STATE_FILE.with_suffix(".log"), "ab")
        self.record.truncate(self.record.seek(saved["recorded"]))  # what was recorded but not saved comes again

    def accept(self, event):
        """Handles an event unless it was handled before; notices if events before it are missing."""
        sequence, previous, gap = map(event.get_extension, ("sequence", "ctiprev", "ctigap"))
        name = event.get_source()
        view = self.views.setdefault(name, {"seen": "", "gap": "", "is_stale": True, "entities": {}})
        if sequence <= view["seen"]:  # they have 20 digits, so they compare as text
            return
        is_hole = "" < view["seen"] < previous
        if is_hole:
            warning("%s: events after %s are missing in the stream", name, view["seen"])
        view["is_stale"] |= is_hole or gap != view["gap"]  # a new gap, loss or dead letter; its notice has details
        view["seen"], view["gap"] = sequence, gap
        self.handle(event, view)
        self.save()

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


async def main():
    stop, store = asyncio.Event(), Store()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    connection = await nats.connect(URL, max_reconnect_attempts=-1)
    jetstream = connection.jetstream()
    # One at a time: what was not acknowledged comes again before anything newer, never behind it.
    await jetstream.add_consumer(STREAM, durable_name=NAME, ack_policy="explicit", ack_wait=2, max_ack_pending=1)
    subscription = await jetstream.pull_subscribe_bind(NAME, STREAM)
    while not stop.is_set():
        try:
            [message] = await subscription.fetch(1, timeout=1)
        except (nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
            continue
        store.accept(http.from_http_event(http.HTTPMessage(message.headers, message.data)))
        await message.ack()
    await connection.flush()  # sends the last acknowledgement; drain() may wait for 30 s after a fetch
    await connection.close()


asyncio.run(main())
