// An answer of /status, an hour older and with all that can go wrong.

/** What a peer may send: it is to be shown as it is, and to do nothing. */
export const HOSTILE = `<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>&lt;b&gt;'"\``;

const gap = (at, data) => ({ at, source: "pbx1", what: "gap", data });

/** Of an answer of the bridge. */
export function busy(status) {
  const now = "2026-11-29T12:20:00Z";
  const long = "a-name-without-an-end-".repeat(3).slice(0, 64);
  const curve = Array.from({ length: 60 }, (_, minute) => Math.round(90 + 60 * Math.sin(minute / 5)));
  curve.splice(30, 3, 200, 100, 0);
  curve.splice(58, 2, 40, 13);
  const [source] = status.sources;
  const bus = status.sinks.find((sink) => sink.name === "bus");
  const branch = {
    ...source, name: long, state: "failing", since: "2026-11-29T09:00:00Z", reason: `refused: ${HOSTILE}`, url: `https://${long}.example.org/api/`,
    retryAt: "2026-11-29T12:20:40Z", warnings: { certificate: `ends soon: ${HOSTILE}` }, missingRights: ["streaming", "queue_agent"], privacy: true,
  };
  return {
    ...status,
    now, ready: false, started: "2026-11-26T08:00:00Z", instance: `headquarters ${HOSTILE}`,
    sources: [
      {
        ...source, since: "2026-11-29T12:00:05Z", lastSeen: "2026-11-29T12:19:59Z",
        calls: { goingOn: 12, ended: { answered: 1234, missed: 56, abandoned: 0, merged: 0, unknown: 0 } },
      },
      branch,
    ],
    sinks: [
      ...status.sinks.filter((sink) => sink !== bus),
      {
        ...bus, reason: `nats: ${HOSTILE}`, since: "2026-11-29T12:05:00Z", lagEvents: 1_234_567, lagSeconds: 900, heartbeat: "2026-11-29T12:04:58Z",
        ledger: { pbx1: { received: 98_765_432, published: 97_000_000, filtered: 12, deadLettered: 3, pending: 1_234_567, lost: { quota: 1234, expired: 0 } } },
      },
    ],
    journal: { ...status.journal, bytes: 1.4 * 2 ** 30, maxBytes: 2 * 2 ** 30, fullAt: "2026-11-29T15:20:00Z" },
    history: {
      runningSeconds: 20,
      sources: { pbx1: curve, [long]: curve.map(() => 0) },
      sinks: { out: curve.map(() => 0), bus: curve.map((_, minute) => (minute < 45 ? (minute === 20 ? 1200 : 0) : (minute - 44) * 60)) },
    },
    gaps: [
      gap("2026-11-29T12:00:05Z", { reason: "disconnected", from: "2026-11-29T11:59:00Z", to: "2026-11-29T12:00:05Z", certain: false, mayHaveMissed: ["extenUpdate", "queueUpdate"] }),
      gap("2026-11-28T22:15:00Z", { reason: "crashed", from: null, to: "2026-11-28T22:15:00Z", certain: true, mayHaveMissed: [] }),
      gap("2026-11-26T08:00:01Z", { reason: "server_reloaded", from: "2026-11-26T07:59:57.700Z", to: "2026-11-26T08:00:01Z", certain: false, mayHaveMissed: ["extenUpdate"] }),
    ],
    notices: [
      { at: "2026-11-29T12:10:00Z", source: "pbx1", what: "lost", data: { sink: "bus", reason: "quota", count: 1234, from: 1, to: 1234 } },
      { at: "2026-11-29T12:05:00Z", source: "pbx1", what: "auth.failed", data: { reason: HOSTILE } },
      { at: "2026-11-29T12:00:05Z", source: "pbx1", what: "connected", data: { user: HOSTILE } },
    ],
    events: [{ at: "2026-11-29T12:19:59.123456Z", source: "pbx1", event: HOSTILE, sequence: 1_764_000_000_000_123 }, ...status.events],
  };
}
