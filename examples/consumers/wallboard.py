"""A wallboard of the queues in a terminal, redrawn every second. With --once it shows the current state and ends.

Settings, from the environment: NATS_URL, CTI_STREAM. It stores nothing: the stream has all it needs.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

import nats
from cloudevents.core.bindings import http

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = os.environ.get("CTI_STREAM", "cti-bridge")
VANISHED = "cti.v1.*.bridge.vanished._"
STATE = [f"cti.v1.*.event.{name}.*" for name in ("queueUpdate", "queueMemberUpdate", "extenUpdate")]
HEADINGS = ("queue", "waiting", "longest", "agents", "paused", "on a call", "completed", "abandoned")
ROW = "{:24}" + "{:>10}" * 7
ON_A_CALL = {"busy", "busy_ringing", "onhold"}
SILENCE = 30  # seconds; the bridge sends a heartbeat every 10


class Board:
    """The newest state of each entity, by PBX."""

    def __init__(self):
        self.states = {}  # (source, event name, subject): (sequence, data, or None if it vanished)
        self.gaps = {}  # source: sequence of its newest gap, loss or dead letter
        self.resyncs = {}  # source: sequence of its newest complete resync
        self.heard = time.monotonic()

    def fold(self, event):
        source, data, sequence = event.get_source(), event.get_data(), event.get_extension("sequence")
        name, subject = event.get_type().removesuffix(".v1").split(".", 2)[2], event.get_subject()
        # Every event names the newest loss before it, so that a reader of a few subjects notices, too.
        self.gaps[source] = max(event.get_extension("ctigap"), self.gaps.get(source, ""))
        if name == "resync.completed" and not data["failed"]:
            self.resyncs[source] = max(sequence, self.resyncs.get(source, ""))
        if name == "vanished":
            name, subject, data = data["event"], data["subject"], None
        if subject and sequence > self.state(source, name, subject)[0]:
            self.states[source, name, subject] = sequence, data

    def state(self, source, name, subject):
        return self.states.get((source, name, subject), ("", None))

    def agents(self, source, queue):
        """Those logged in, by extension: as the queue lists them, or as a newer event of their own says."""
        sequence, data = self.state(source, "queueUpdate", f"queue/{queue}")
        for member, agent in data["members"].items():
            own = self.state(source, "queueMemberUpdate", f"queue/{queue}/member/{member}")
            agent = own[1] if own[0] > sequence and own[1] else agent
            if agent["loggedIn"]:
                yield member, agent

    def row(self, source, queue, data):
        agents = dict(self.agents(source, queue))
        phones = [self.state(source, "extenUpdate", f"extension/{extension}")[1] or {} for extension in agents]
        waits = [time.time() - caller["waitingTime"] / 1000 for caller in data["waitingCallers"].values()]
        minutes, seconds = divmod(int(max(waits, default=0)), 60)
        return ROW.format(
            f"{queue} {data['name']}"[:24],
            len(waits),
            f"{minutes}:{seconds:02}" if waits else "-",
            len(agents),
            sum(agent["paused"] for agent in agents.values()),
            sum(phone.get("status") in ON_A_CALL for phone in phones),
            data["completedCallsCount"],
            data["abandonedCallsCount"],
        )

    def lines(self):
        if time.monotonic() - self.heard > SILENCE:
            yield f"No heartbeat from the bridge for {time.monotonic() - self.heard:.0f} s\n"
        for source, gap in sorted(self.gaps.items()):
            is_stale = gap > self.resyncs.get(source, "")
            yield f"{source}  {time.strftime('%X')}{'  events were missed; waiting for the state' if is_stale else ''}"
            yield ROW.format(*HEADINGS)
            for (place, name, subject), (_, data) in sorted(self.states.items(), key=lambda entry: entry[0]):
                queue = subject.removeprefix("queue/")
                # The operator panel has queues of its own.
                if (place, name) == (source, "queueUpdate") and data and not queue.startswith("ctiopqueue"):
                    yield self.row(source, queue, data)
            yield ""


async def open_reader(jetstream, subjects, deliver):
    """Opens a consumer of these subjects, and returns a function that folds what has come since the last call."""
    # It may come out of order after an outage: the sequences put it right.
    config = dict(filter_subjects=subjects, deliver_policy=deliver, ack_policy="explicit", inactive_threshold=60)
    consumer = await jetstream.add_consumer(STREAM, **config)
    subscription = await jetstream.pull_subscribe_bind(consumer.name, STREAM)

    async def read(board):
        pending = (await subscription.consumer_info()).num_pending
        while pending:
            for message in await subscription.fetch(min(pending, 100), timeout=5):
                board.fold(http.from_http_event(http.HTTPMessage(message.headers, message.data)))
                pending = message.metadata.num_pending
                await message.ack()

    return read


async def watch(jetstream, board, stop, once):
    # The newest event of each subject, and every entity that vanished: these have one subject in common.
    await (await open_reader(jetstream, [VANISHED], "all"))(board)
    read = await open_reader(jetstream, [*STATE, "cti.v1.*.bridge.>"], "last_per_subject")
    while not stop.is_set():
        await read(board)
        lines = list(board.lines()) or [f"The stream {STREAM} has no queues yet"]
        print("" if once else "\x1b[H\x1b[J", "\n".join(lines), sep="", flush=True)
        if once:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1)


async def main():
    board, stop, once = Board(), asyncio.Event(), "--once" in sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    connection = await nats.connect(URL, max_reconnect_attempts=-1)

    async def hear(_):
        board.heard = time.monotonic()

    await connection.subscribe("cti.v1.*.status.>", cb=hear)
    while not stop.is_set():
        try:
            await watch(connection.jetstream(), board, stop, once)
            break
        except nats.errors.Error as error:
            # After an outage the server may have forgotten the consumer: open another one.
            print(f"Could not read the stream {STREAM}: {error}", file=sys.stderr)
            if once:
                sys.exit(1)
            await asyncio.sleep(1)
    await connection.close()


asyncio.run(main())
