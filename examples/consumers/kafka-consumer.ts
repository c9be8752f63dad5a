/**
 * A durable consumer of the bridge's Kafka topic: handles each event once, in order, and folds the PBX's state.
 *
 * Settings, from the environment: KAFKA_BROKERS; CTI_TOPIC; CTI_CONSUMER, the name of the consumer group
 * and of its files in CTI_DIR: NAME.json has the state, NAME.log a line per handled event. Run one process per name.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import confluent from "@confluentinc/kafka-javascript";
import { type CloudEvent, Kafka } from "cloudevents";

const BROKERS = process.env.KAFKA_BROKERS ?? "127.0.0.1:9092";
const TOPIC = process.env.CTI_TOPIC ?? "cti.events.v1";
const NAME = process.env.CTI_CONSUMER ?? "example-typescript";
const STATE_FILE = path.join(process.env.CTI_DIR ?? ".", `${NAME}.json`);
// Each has the complete state of its subject: the newest one wins.
const STATE_EVENTS = new Set(["extenUpdate", "queueUpdate", "queueMemberUpdate", "trunkUpdate", "parkingUpdate",
  "userMainPresenceUpdate", "userPresenceUpdate", "newVoiceMessageCounter"]);

type View = { seen: string; gap: string; isStale: boolean; entities: Record<string, unknown> };
type Saved = { recorded: number; views: Record<string, View> }; // what is known of each PBX, by partition

// The folded state and the position are saved in one step: a crash keeps both or neither.
const saved: Saved = { recorded: 0, views: {} };
if (fs.existsSync(STATE_FILE)) Object.assign(saved, JSON.parse(fs.readFileSync(STATE_FILE, "utf8")));
const record = fs.openSync(STATE_FILE.replace(/json$/, "log"), "a");
fs.ftruncateSync(record, saved.recorded); // what was recorded but not saved comes again

/** Handles an event unless it was handled before; notices if events before it are missing. */
function accept(event: CloudEvent<any>, partition: number) {
  const [sequence, previous, gap] = [event.sequence, event.ctiprev, event.ctigap].map(String);
  const name = `${event.source} ${partition}`;
  const view = (saved.views[name] ??= { seen: "", gap: "", isStale: true, entities: {} });
  if (sequence <= view.seen) return; // they have 20 digits, so they compare as text
  if (view.seen && previous > view.seen) {
    console.warn(`${name}: events after ${view.seen} are missing in the topic`);
    view.isStale = true;
  }
  if (gap !== view.gap) view.isStale = true; // a new gap, loss or dead letter: its notice has the details
  view.seen = sequence;
  view.gap = gap;
  handle(event, view);
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

// As a static member (group.instance.id) it continues at once after a restart.
const settings = { "bootstrap.servers": BROKERS, "group.id": NAME, "group.instance.id": NAME };
const consumer = new confluent.KafkaJS.Kafka({}).consumer({ ...settings, "auto.offset.reset": "earliest" });
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.disconnect());
await consumer.connect();
await consumer.subscribe({ topic: TOPIC });
// In order; the offsets are committed only after what was handled is saved.
await consumer.run({
  eachBatch: async ({ batch }) => {
    for (const message of batch.messages) {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      const [key, value] = [String(message.key), String(message.value)];
      const parts = { headers: Object.fromEntries(headers), key, value, body: value };
      accept(Kafka.toEvent(parts) as CloudEvent<any>, batch.partition);
    }
    save();
  },
});
