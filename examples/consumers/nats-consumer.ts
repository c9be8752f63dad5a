/**
 * A durable consumer of the bridge's JetStream stream: handles each event once, in order, and folds the PBX's state.
 *
 * Settings, from the environment: NATS_URL; CTI_STREAM; CTI_CONSUMER, the name of the durable consumer
 * and of its files in CTI_DIR: NAME.json has the state, NAME.log a line per handled event. Run one process per name.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type CloudEvent, HTTP } from "cloudevents";

const URL = process.env.NATS_URL ?? "nats://127.0.0.1:4222";
const STREAM = process.env.CTI_STREAM ?? "cti-bridge";
const NAME = process.env.CTI_CONSUMER ?? "example-typescript";
const STATE_FILE = path.join(process.env.CTI_DIR ?? ".", `${NAME}.json`);
// Each has the complete state of its subject: the newest one wins.
const STATE_EVENTS = new Set(["extenUpdate", "queueUpdate", "queueMemberUpdate", "trunkUpdate", "parkingUpdate",
  "userMainPresenceUpdate", "userPresenceUpdate", "newVoiceMessageCounter"]);

type View = { seen: string; gap: string; isStale: boolean; entities: Record<string, unknown> };
type Saved = { recorded: number; views: Record<string, View> }; // what is known of each PBX

// The folded state and the position are saved in one step: a crash keeps both or neither.
const saved: Saved = { recorded: 0, views: {} };
if (fs.existsSync(STATE_FILE)) Object.assign(saved, JSON.parse(fs.readFileSync(STATE_FILE, "utf8")));
const record = fs.openSync(STATE_FILE.replace(/json$/, "log"), "a");
fs.ftruncateSync(record, saved.recorded); // what was recorded but not saved comes again

/** Handles an event unless it was handled before; notices if events before it are missing. */
function accept(event: CloudEvent<any>) {
  const [sequence, previous, gap] = [event.sequence, event.ctiprev, event.ctigap].map(String);
  const name = event.source;
  const view = (saved.views[name] ??= { seen: "", gap: "", isStale: true, entities: {} });
  if (sequence <= view.seen) return; // they have 20 digits, so they compare as text
  if (view.seen && previous > view.seen) {
    console.warn(`${name}: events after ${view.seen} are missing in the stream`);
    view.isStale = true;
  }
  if (gap !== view.gap) view.isStale = true; // a new gap, loss or dead letter: its notice has the details
  view.seen = sequence;
  view.gap = gap;
  handle(event, view);
  save();
}

/** Your work goes here. This example records the event and folds it into the state. */
function handle(event: CloudEvent<any>, view: View) {
  const { source, type, data } = event;
  saved.recorded += fs.writeSync(record, `${source} ${event.sequence} ${type}\n`);
  const [, kind, name] = type.match(/^cti\.(\w+)\.(.*)\.v1$/) ?? [];
  if (kind === "event") {
    if (STATE_EVENTS.has(name)) view.entities[`${name} ${event.subject}`] = data;
  } else if (name === "vanished") {
    delete view.entities[`${data.event} ${data.subject}`];
  } else if (name === "gap" && data.mayHaveMissed.length) {
    console.warn(`${source}: events may be missing since ${data.from ?? "the beginning"}: ${data.reason}`);
  } else if (name === "lost") {
    console.warn(`${source}: ${data.count} events were lost: ${data.reason}`);
  } else if (name === "resync.completed" && !data.failed.length) {
    view.isStale = false;
  }
}

function save() {
  fs.fsyncSync(record);
  fs.writeFileSync(STATE_FILE + ".new", JSON.stringify(saved), { flush: true });
  fs.renameSync(STATE_FILE + ".new", STATE_FILE);
}

const connection = await connect({ servers: URL, maxReconnectAttempts: -1 });
// One at a time: what was not acknowledged comes again before anything newer, never behind it.
const config = { durable_name: NAME, ack_policy: AckPolicy.Explicit, ack_wait: 2e9, max_ack_pending: 1 };
await (await jetstreamManager(connection)).consumers.add(STREAM, config);
const messages = await (await jetstream(connection).consumers.get(STREAM, NAME)).consume();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => messages.stop());
for await (const message of messages) {
  // The values are percent-encoded, which the CloudEvents SDK leaves as they are.
  const headers = [...message.headers!].map(([name, [value]]) => [name, decodeURIComponent(value)]);
  accept(HTTP.toEvent({ headers: Object.fromEntries(headers), body: message.string() }) as CloudEvent<any>);
  message.ack();
}
await connection.drain();
