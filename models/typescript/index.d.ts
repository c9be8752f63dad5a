import type { EventData } from "./events.js";

export type * from "./events.js";

/**
 * An event of a known type. `type` is the CloudEvents attribute; comparing it narrows `data`. Handle other types in `default`: the PBX
 * and the bridge may send events that this version does not know.
 */
export type CtiEvent = { [T in keyof EventData]: { type: T; data: EventData[T] } }[keyof EventData];
