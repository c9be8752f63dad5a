// Generated from the schemas by models/generate.

/**
 * A command to the NethLink desktop client: open a link that controls the user's desk telephone.
 *
 * When the user acts on a desk telephone through NethLink, to the user's own sessions. The bridge
 * drops and counts it unless `publish_action_nethlink = true`.
 *
 * Treat the link as a secret: it can contain the telephone's admin user name and password. Leave it
 * switched off unless you need it. There are two arguments, so the data is an array: first the link,
 * then its type.
 *
 * CloudEvents type: `cti.event.actionNethLink.v1`.
 *
 * @minItems 2
 * @maxItems 2
 *
 * Items: First the link: an HTTP URL of the telephone. Then the type of the action.
 */
export type ActionNethLink = [string, string];
/**
 * A command to the user's browser telephone: answer the ringing call.
 *
 * When the user answers through the PBX's API with a browser telephone, to the user's own sessions.
 *
 * Meant for the user's client. Nothing to do for a consumer; `extenUpdate` shows the answered call.
 * The data is a bare string.
 *
 * CloudEvents type: `cti.event.answerWebrtc.v1`.
 */
export type AnswerWebrtc = string;
/**
 * A command to the user's browser telephone: call a number.
 *
 * When the user starts a call through the PBX's API with a browser telephone, to the user's own
 * sessions.
 *
 * Meant for the user's client. Nothing to do for a consumer; `extenUpdate` shows the call. The data is
 * a bare string, the number to call, which is often an outside number. It has no subject for that
 * reason.
 *
 * CloudEvents type: `cti.event.callWebrtc.v1`.
 */
export type CallWebrtc = string;
/**
 * The PBX has applied a new configuration.
 *
 * After an administrator has applied changes. While the PBX reloads it sends no updates.
 *
 * Nothing to do for a consumer. The bridge opens a new session, because only a new session sees
 * changed permissions, and reads the state again: wait for the `gap` and the snapshot events that
 * follow. There are no arguments, so the data is `[]`.
 *
 * CloudEvents type: `cti.event.serverReloaded.v1`.
 *
 * @maxItems 0
 */
export type ServerReloaded = [];
/**
 * The user has chosen another telephone as the default one.
 *
 * When the user changes the default telephone, to the user's own sessions.
 *
 * A hint to the user's clients. The data is a bare string, the extension of the telephone.
 *
 * CloudEvents type: `cti.event.updateDefaultDevice.v1`.
 */
export type UpdateDefaultDevice = string;

/**
 * Data of each CloudEvents type.
 */
export interface EventData {
  "cti.event.actionNethLink.v1": ActionNethLink;
  "cti.event.answerWebrtc.v1": AnswerWebrtc;
  "cti.bridge.auth.failed.v1": BridgeAuthFailed;
  "cti.bridge.connected.v1": BridgeConnected;
  "cti.bridge.deadlettered.v1": BridgeDeadlettered;
  "cti.bridge.disconnected.v1": BridgeDisconnected;
  "cti.bridge.drift.v1": BridgeDrift;
  "cti.bridge.feed.silent.v1": BridgeFeedSilent;
  "cti.bridge.gap.v1": BridgeGap;
  "cti.bridge.lost.v1": BridgeLost;
  "cti.bridge.reconfigured.v1": BridgeReconfigured;
  "cti.bridge.resync.completed.v1": BridgeResyncCompleted;
  "cti.bridge.resync.started.v1": BridgeResyncStarted;
  "cti.bridge.rewound.v1": BridgeRewound;
  "cti.bridge.started.v1": BridgeStarted;
  "cti.bridge.stopping.v1": BridgeStopping;
  "cti.bridge.takenover.v1": BridgeTakenover;
  "cti.bridge.vanished.v1": BridgeVanished;
  "cti.call.started.v1": Call;
  "cti.call.ringing.v1": Call;
  "cti.call.queued.v1": Call;
  "cti.call.dequeued.v1": Call;
  "cti.call.answered.v1": Call;
  "cti.call.joined.v1": Call;
  "cti.call.held.v1": Call;
  "cti.call.resumed.v1": Call;
  "cti.call.parked.v1": Call;
  "cti.call.unparked.v1": Call;
  "cti.call.transferred.v1": Call;
  "cti.call.merged.v1": Call;
  "cti.call.state.v1": Call;
  "cti.call.ended.v1": Call;
  "cti.event.callWebrtc.v1": CallWebrtc;
  "cti.event.confBridgeEnd.v1": ConfBridgeEnd;
  "cti.event.confBridgeUpdate.v1": ConfBridgeUpdate;
  "cti.bridge.deadletter.v1": DlqDeadletter;
  "cti.event.extenConnected.v1": ExtenConnected;
  "cti.event.extenConvConnected.v1": ExtenConvConnected;
  "cti.event.extenHangup.v1": ExtenHangup;
  "cti.event.extenRinging.v1": ExtenRinging;
  "cti.event.extenUpdate.v1": ExtenUpdate;
  "cti.event.meetmeConfEnd.v1": MeetmeConfEnd;
  "cti.event.meetmeConfUpdate.v1": MeetmeConfUpdate;
  "cti.event.message.v1": Message;
  "cti.event.newVoiceMessageCounter.v1": NewVoiceMessageCounter;
  "cti.event.parkingUpdate.v1": ParkingUpdate;
  "cti.event.qmAlarm.v1": QmAlarm;
  "cti.event.queueMemberUpdate.v1": QueueMemberUpdate;
  "cti.event.queueUpdate.v1": QueueUpdate;
  "cti.event.satellite=2Fsummary.v1": SatelliteSummary;
  "cti.event.satellite=2Ftranscription.v1": SatelliteTranscription;
  "cti.event.serverReloaded.v1": ServerReloaded;
  "cti.bridge.heartbeat.v1": StatusHeartbeat;
  "cti.event.streamingSourceUpdate.v1": StreamingSourceUpdate;
  "cti.event.trunkUpdate.v1": TrunkUpdate;
  "cti.event.updateDefaultDevice.v1": UpdateDefaultDevice;
  "cti.event.updateNewVoiceMessages.v1": UpdateNewVoiceMessages;
  "cti.event.userMainPresenceUpdate.v1": UserMainPresenceUpdate;
  "cti.event.userPresenceUpdate.v1": UserPresenceUpdate;
  "cti.event.userProfileAvatarUpdate.v1": UserProfileAvatarUpdate;
}
/**
 * A login failed.
 *
 * When the PBX refuses a login or cannot answer it, once for each new reason of an outage.
 *
 * Alert somebody if `operator` is true: the bridge cannot solve it alone. `detail` says what to do. No
 * events arrive until the next `connected`.
 *
 * CloudEvents type: `cti.bridge.auth.failed.v1`.
 */
export interface BridgeAuthFailed {
  /**
   * Why the login failed. `credentials_refused` also occurs while the PBX starts.
   *
   * Known values: `credentials_refused`, `credentials_missing`, `otp_required`, `otp_not_enrolled`,
   * `otp_refused`, `otp_secret_invalid`, `token_refused`, `token_unrecognised`, `token_withdrawn`,
   * `session_dead`, `session_refused`, `session_unanswered`, `unreachable`, `untrusted`, `rate_limited`,
   * `server_error`, `no_api`, `configuration`; others may follow.
   */
  reason:
    | "credentials_refused"
    | "credentials_missing"
    | "otp_required"
    | "otp_not_enrolled"
    | "otp_refused"
    | "otp_secret_invalid"
    | "token_refused"
    | "token_unrecognised"
    | "token_withdrawn"
    | "session_dead"
    | "session_refused"
    | "session_unanswered"
    | "unreachable"
    | "untrusted"
    | "rate_limited"
    | "server_error"
    | "no_api"
    | "configuration"
    | (string & {});
  /**
   * The reason in words with the remedy, for people. Its text may change between versions.
   */
  detail: string;
  /**
   * True if somebody must act.
   */
  operator: boolean;
  /**
   * Number of consecutive refusals.
   */
  failures: number;
  /**
   * True if attempts are now minutes apart, because more of them might lock the account.
   */
  slow: boolean;
  /**
   * Time until the next attempt, in seconds.
   */
  retryIn: number;
}
/**
 * A session with the PBX is live.
 *
 * When the PBX has accepted a login, directly after the session's `gap`.
 *
 * Check `sees` and `privacy` to learn which events you will never receive and which numbers are
 * masked. A change between two sessions means that somebody has edited the profile.
 *
 * CloudEvents type: `cti.bridge.connected.v1`.
 */
export interface BridgeConnected {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * User name of the service account.
   */
  user: string;
  /**
   * Name of the account's profile on the PBX; null if the account has none.
   */
  profile: string | null;
  /**
   * Rights of the profile that open events or snapshots.
   *
   * Items: Name of a right.
   *
   * Known values: `presence_panel`, `trunks`, `queue_agent`, `ad_queue_agent`, `parkings`, `qmanager`,
   * `operator_panel`, `streaming`; others may follow.
   */
  sees:
    | "presence_panel"
    | "trunks"
    | "queue_agent"
    | "ad_queue_agent"
    | "parkings"
    | "qmanager"
    | "operator_panel"
    | "streaming"
    | (string & {})[];
  /**
   * True if the PBX masks numbers and names for the account; null if unknown.
   */
  privacy: boolean | null;
}
/**
 * A broker has refused an event permanently.
 *
 * When a broker refuses an event for what it is, such as its size.
 *
 * Consumers of that sink miss this event: treat it like a gap of one. A dead letter describes it, and
 * a journal on disk keeps the event in its `dead/` directory.
 *
 * CloudEvents type: `cti.bridge.deadlettered.v1`.
 */
export interface BridgeDeadlettered {
  /**
   * Name of the sink whose broker refused it.
   */
  sink: string;
  /**
   * Sequence of the event.
   */
  sequence: number;
  /**
   * The broker's reason in words. Its text may change between versions.
   */
  reason: string;
}
/**
 * A session has ended.
 *
 * When the connection breaks, the PBX ends the session, or the bridge gives it up.
 *
 * The state you hold may be stale from here on. Wait for the next `gap`, which says what may have been
 * missed.
 *
 * CloudEvents type: `cti.bridge.disconnected.v1`.
 */
export interface BridgeDisconnected {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * Why the session ended.
   *
   * Known values: `connection_closed`, `connection_failed`, `silent`, `namespace_closed`,
   * `login_refused`, `server_reloaded`, `taken_over`, `feed_silent`, `requested`, `stopping`,
   * `internal`; others may follow.
   */
  reason:
    | "connection_closed"
    | "connection_failed"
    | "silent"
    | "namespace_closed"
    | "login_refused"
    | "server_reloaded"
    | "taken_over"
    | "feed_silent"
    | "requested"
    | "stopping"
    | "internal"
    | (string & {});
  /**
   * The reason in words, for people. Its text may change between versions.
   */
  detail: string;
}
/**
 * The PBX has sent something that this catalogue does not describe.
 *
 * When the bridge finds an unknown event, an unknown or missing field, another type or a new value in
 * an event that it samples: the first ten of each name in a session, then one in a thousand. It
 * follows that event.
 *
 * Check whether your consumer can handle the difference, and report it to the project. The event
 * itself is published unchanged. No value ever appears here, only names and places.
 *
 * CloudEvents type: `cti.bridge.drift.v1`.
 */
export interface BridgeDrift {
  /**
   * Socket.IO name of the event, cut to 64 characters and masked.
   */
  event: string;
  /**
   * Place in the data: a JSON Pointer in which map keys and array indexes are replaced by `*`. Field
   * names are cut to 64 characters and masked. `''` is the data itself.
   */
  path: string;
  /**
   * Kind of the difference. `new_value` is a word that is not among the known ones.
   *
   * Known values: `unknown_event`, `unknown_field`, `missing_field`, `other_type`, `new_value`; others
   * may follow.
   */
  kind:
    | "unknown_event"
    | "unknown_field"
    | "missing_field"
    | "other_type"
    | "new_value"
    | (string & {});
  /**
   * Number of sampled events that have shown the difference since its last notice, including the event
   * that caused this one. 1 in the first notice.
   */
  count: number;
}
/**
 * The session is up, but has delivered nothing for longer than a PBX with queues is ever quiet.
 *
 * When the time in `dead_feed_after` has passed without an event. The bridge then opens a new session.
 *
 * Treat your state as uncertain since `lastEvent`. A `disconnected` and a `gap` with the reason
 * `feed_silent` follow. If it recurs, look for a fault in the PBX or a proxy.
 *
 * CloudEvents type: `cti.bridge.feed.silent.v1`.
 */
export interface BridgeFeedSilent {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * Start of the session. RFC 3339 in UTC with six decimals.
   */
  since: string;
  /**
   * Time of the PBX's last event; null if the session has delivered none. RFC 3339 in UTC with six
   * decimals.
   */
  lastEvent: string | null;
}
/**
 * Events may have been missed.
 *
 * Before the first event of every session, also after a crash of the bridge.
 *
 * Treat your state as uncertain for the events in `mayHaveMissed`. The snapshot events that follow
 * repair it; wait for `resync.completed` if you must know. If `mayHaveMissed` is empty, nothing was
 * missed. Never take a gap for the end of calls.
 *
 * CloudEvents type: `cti.bridge.gap.v1`.
 */
export interface BridgeGap {
  /**
   * Why events may have been missed.
   *
   * Known values: `started`, `disconnected`, `server_reloaded`, `taken_over`, `feed_silent`,
   * `requested`, `restarted`, `crashed`; others may follow.
   */
  reason:
    | "started"
    | "disconnected"
    | "server_reloaded"
    | "taken_over"
    | "feed_silent"
    | "requested"
    | "restarted"
    | "crashed"
    | (string & {});
  /**
   * Last moment at which the feed was certainly complete; null if unknown. RFC 3339 in UTC with six
   * decimals.
   */
  from: string | null;
  /**
   * Moment from which events are received again. RFC 3339 in UTC with six decimals.
   */
  to: string;
  /**
   * Last sequence before the gap; null if unknown.
   */
  lastSequence: number | null;
  /**
   * First and last sequence that were never given to an event; null if there are none.
   */
  skipped: [number, number] | null;
  /**
   * True if records are known to be lost, false if they may be.
   */
  certain: boolean;
  /**
   * State events that may have been missed, among those that the account can see.
   *
   * Items: Name of a state event.
   *
   * Known values: `extenUpdate`, `newVoiceMessageCounter`, `parkingUpdate`, `queueMemberUpdate`,
   * `queueUpdate`, `trunkUpdate`, `userMainPresenceUpdate`, `userPresenceUpdate`; others may follow.
   */
  mayHaveMissed:
    | "extenUpdate"
    | "newVoiceMessageCounter"
    | "parkingUpdate"
    | "queueMemberUpdate"
    | "queueUpdate"
    | "trunkUpdate"
    | "userMainPresenceUpdate"
    | "userPresenceUpdate"
    | (string & {})[];
}
/**
 * Records will never reach a sink.
 *
 * When records are dropped before the sink could deliver them.
 *
 * Treat it like a gap for the events of that sequence range. If state events are among them, a resync
 * with the reason `lost` follows by itself. Raise the journal's limits or repair the sink, as the
 * reason says.
 *
 * CloudEvents type: `cti.bridge.lost.v1`.
 */
export interface BridgeLost {
  /**
   * Name of the sink.
   */
  sink: string;
  /**
   * Number of records.
   */
  count: number;
  /**
   * Why they are lost.
   *
   * Known values: `journal_full`, `quota`, `expired`, `disk`, `damaged`, `forgotten`, `superseded`;
   * others may follow.
   */
  reason:
    | "journal_full"
    | "quota"
    | "expired"
    | "disk"
    | "damaged"
    | "forgotten"
    | "superseded"
    | (string & {});
  /**
   * First sequence; null if the source of the records is unknown. Every source then gets the notice.
   */
  from: number | null;
  /**
   * Last sequence; null if `from` is.
   */
  to: number | null;
}
/**
 * A sink has new rules: a reload of the configuration changed what it gets, or in which form.
 *
 * When a reload changes a sink's routes, privacy, subject, `dataschema` or heartbeat. Every source
 * gets one, right before its first event under the new rules.
 *
 * Expect other events, names or values from here on if `sink` is the sink you read from. Nothing is
 * lost: it doesn't change `ctigap`.
 *
 * CloudEvents type: `cti.bridge.reconfigured.v1`.
 */
export interface BridgeReconfigured {
  /**
   * Name of the sink.
   */
  sink: string;
  /**
   * Number of its rules since the bridge started. The rules of the start are 1.
   */
  generation: number;
}
/**
 * The bridge has read the PBX's state.
 *
 * At the end of each resync. If the session ends first, it is not sent.
 *
 * From here on your state is complete, except for the snapshots in `refused`, `failed` and `empty`.
 * Those delete nothing. A failed snapshot is retried; a refused one needs another permission in the
 * account's profile.
 *
 * CloudEvents type: `cti.bridge.resync.completed.v1`.
 */
export interface BridgeResyncCompleted {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * Snapshot events that were published.
   *
   * Key: Name of the event.
   */
  counts: {
    /**
     * Number of events.
     */
    [k: string]: number;
  };
  /**
   * Entities that were left out because a newer live event has their state.
   */
  superseded: number;
  /**
   * Values in the answers that describe no entity.
   */
  unusable: number;
  /**
   * Snapshots that the account may not read.
   *
   * Items: Path of the snapshot below the PBX's API.
   *
   * Known values: `/astproxy/extensions`, `/user/endpoints/all`, `/astproxy/queues`, `/astproxy/trunks`,
   * `/astproxy/parkings`; others may follow.
   */
  refused:
    | "/astproxy/extensions"
    | "/user/endpoints/all"
    | "/astproxy/queues"
    | "/astproxy/trunks"
    | "/astproxy/parkings"
    | (string & {})[];
  /**
   * Snapshots that could not be read. They are retried.
   *
   * Items: A snapshot.
   */
  failed: FailedSnapshot[];
  /**
   * Snapshots without any entity. They prove nothing: a PBX that is starting answers in the same way.
   *
   * Items: Path of the snapshot below the PBX's API.
   *
   * Known values: `/astproxy/extensions`, `/user/endpoints/all`, `/astproxy/queues`, `/astproxy/trunks`,
   * `/astproxy/parkings`; others may follow.
   */
  empty:
    | "/astproxy/extensions"
    | "/user/endpoints/all"
    | "/astproxy/queues"
    | "/astproxy/trunks"
    | "/astproxy/parkings"
    | (string & {})[];
}
/**
 * A snapshot.
 */
export interface FailedSnapshot {
  /**
   * Path of the snapshot below the PBX's API.
   *
   * Known values: `/astproxy/extensions`, `/user/endpoints/all`, `/astproxy/queues`, `/astproxy/trunks`,
   * `/astproxy/parkings`; others may follow.
   */
  snapshot:
    | "/astproxy/extensions"
    | "/user/endpoints/all"
    | "/astproxy/queues"
    | "/astproxy/trunks"
    | "/astproxy/parkings"
    | (string & {});
  /**
   * The reason in words with the remedy, for people. Its text may change between versions.
   */
  reason: string;
}
/**
 * The bridge reads the PBX's state.
 *
 * After each login unless `resync = false`, then every `resync_interval`, on request, and after a
 * loss.
 *
 * Snapshot events follow, marked `ctiorigin=snapshot`, with live events among them. Apply both in
 * order: the newest event of a name and subject is always its newest state.
 *
 * CloudEvents type: `cti.bridge.resync.started.v1`.
 */
export interface BridgeResyncStarted {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * Why the state is read.
   *
   * Known values: `connected`, `scheduled`, `requested`, `retried`, `lost`; others may follow.
   */
  reason: "connected" | "scheduled" | "requested" | "retried" | "lost" | (string & {});
  /**
   * Snapshots to read.
   *
   * Items: Path of the snapshot below the PBX's API.
   *
   * Known values: `/astproxy/extensions`, `/user/endpoints/all`, `/astproxy/queues`, `/astproxy/trunks`,
   * `/astproxy/parkings`; others may follow.
   */
  snapshots:
    | "/astproxy/extensions"
    | "/user/endpoints/all"
    | "/astproxy/queues"
    | "/astproxy/trunks"
    | "/astproxy/parkings"
    | (string & {})[];
}
/**
 * A broker has lost events that it had acknowledged. The bridge sends them again.
 *
 * When a sink reconnects and the broker's newest event is older than the last one it acknowledged.
 *
 * Expect events that you have already seen, with the same ids and sequences. Skip every sequence that
 * is not above your last one.
 *
 * CloudEvents type: `cti.bridge.rewound.v1`.
 */
export interface BridgeRewound {
  /**
   * Name of the sink.
   */
  sink: string;
  /**
   * First sequence that is sent again.
   */
  from: number;
}
/**
 * The bridge has started.
 *
 * When the bridge starts, once for each source, before its first session.
 *
 * Note the version. No action is needed: what may be missing is announced by `gap`.
 *
 * CloudEvents type: `cti.bridge.started.v1`.
 */
export interface BridgeStarted {
  /**
   * Version of the bridge.
   */
  version: string;
}
/**
 * The bridge stops.
 *
 * When the bridge has ended its sessions and is about to exit. After a crash it is missing.
 *
 * No events follow until the next `started`. What happens on the PBX meanwhile is covered by the next
 * `gap` and resync.
 *
 * CloudEvents type: `cti.bridge.stopping.v1`.
 */
export interface BridgeStopping {
  /**
   * Why the bridge stops: the name of a signal, or a short sentence.
   *
   * Known values: `SIGTERM`, `SIGINT`, `task exited unexpectedly`, `the limit is reached`, `drained`,
   * `undelivered`, `a sink's destination is gone`; others may follow.
   */
  reason:
    | "SIGTERM"
    | "SIGINT"
    | "task exited unexpectedly"
    | "the limit is reached"
    | "drained"
    | "undelivered"
    | "a sink's destination is gone"
    | (string & {});
}
/**
 * Another session of the same account and `ua_type` has asked for this session's place.
 *
 * When the PBX asks the session to make way.
 *
 * Find the other program if `contested` is true, and give each an account of its own. With `until`
 * null and the policy `yield`, the bridge stays away until an operator asks for it.
 *
 * CloudEvents type: `cti.bridge.takenover.v1`.
 */
export interface BridgeTakenover {
  /**
   * Number of the session, counted per source since the bridge was started.
   */
  session: number;
  /**
   * Policy in effect (`on_takeover`); null if none applies, because the session has no `ua_type`. The
   * request is then ignored.
   *
   * Known values: `stand-by`, `yield`, `reclaim`; others may follow.
   */
  policy: "stand-by" | "yield" | "reclaim" | (string & {}) | null;
  /**
   * When the bridge reconnects; null if it keeps the session, or waits for an operator. RFC 3339 in UTC
   * with six decimals.
   */
  until: string | null;
  /**
   * True if the sessions compete: the place has changed hands several times recently.
   */
  contested: boolean;
}
/**
 * An entity no longer exists on the PBX.
 *
 * When two snapshots at least 10 s apart lack an entity that an earlier one had.
 *
 * Forget the state of that event and subject. What is deleted while the bridge is stopped is not
 * noticed.
 *
 * CloudEvents type: `cti.bridge.vanished.v1`.
 */
export interface BridgeVanished {
  /**
   * Name of the event that carried the state.
   *
   * Known values: `extenUpdate`, `newVoiceMessageCounter`, `parkingUpdate`, `queueMemberUpdate`,
   * `queueUpdate`, `trunkUpdate`, `userMainPresenceUpdate`, `userPresenceUpdate`; others may follow.
   */
  event:
    | "extenUpdate"
    | "newVoiceMessageCounter"
    | "parkingUpdate"
    | "queueMemberUpdate"
    | "queueUpdate"
    | "trunkUpdate"
    | "userMainPresenceUpdate"
    | "userPresenceUpdate"
    | (string & {});
  /**
   * CloudEvents `subject` of those events, such as `extension/299`.
   */
  subject: string;
}
/**
 * A step of a call, with the complete call as it is after the step.
 *
 * Directly behind the event that caused it, whose id is `causationid`. `ended` comes three seconds
 * after the last leg has disappeared. Only if `[derive] calls` is on.
 *
 * Take `ringing` for a screen pop, `ended` for missed calls and call detail records. Keep one row per
 * source and `call`: each event replaces the previous one completely. To count calls once, count
 * `ended` without the outcome `merged`. If `certain` is false, treat times and outcome as estimates.
 * The page Calls explains what the PBX shows and what it hides.
 *
 * CloudEvents type: `cti.call.started.v1`, `cti.call.ringing.v1`, `cti.call.queued.v1`,
 * `cti.call.dequeued.v1`, `cti.call.answered.v1`, `cti.call.joined.v1`, `cti.call.held.v1`,
 * `cti.call.resumed.v1`, `cti.call.parked.v1`, `cti.call.unparked.v1`, `cti.call.transferred.v1`,
 * `cti.call.merged.v1`, `cti.call.state.v1`, `cti.call.ended.v1`.
 */
export interface Call {
  /**
   * Key of the call: the number of the event that began it, with `-` and a counter if that event began
   * several. It is the last token of the subject. Unique within the source.
   */
  call: string;
  /**
   * Linked ids that the PBX has given the call, the first one first. Empty until one is known. They
   * match `linkedid` in the PBX's call detail records.
   *
   * Items: A linked id: Unix seconds, a dot and a counter.
   */
  linkedIds: string[];
  /**
   * Who called whom: an outside party a local one, a local party an outside one, or local parties each
   * other. `unknown` until it is visible.
   *
   * Known values: `inbound`, `outbound`, `internal`, `unknown`; others may follow.
   */
  direction: "inbound" | "outbound" | "internal" | "unknown" | (string & {});
  /**
   * The calling party.
   */
  from: CallParty;
  /**
   * The called party: the one that answered, before that the one that was called.
   */
  to: CallParty;
  /**
   * The first calling party. It never changes, not even when a transfer replaces the caller.
   */
  originalFrom: CallParty;
  /**
   * Number of the queue that the caller waits in or has waited in. Absent if there was none.
   */
  queue?: string;
  /**
   * Parking slot that the call is in. Absent if it is in none.
   */
  parking?: string;
  /**
   * True if a party is outside the PBX.
   */
  throughTrunk: boolean;
  /**
   * State of the call after the step.
   *
   * Known values: `initiated`, `ringing`, `queued`, `connected`, `held`, `parked`, `ended`; others may
   * follow.
   */
  state:
    "initiated" | "ringing" | "queued" | "connected" | "held" | "parked" | "ended" | (string & {});
  /**
   * Start of the call: the PBX's own time where it gives one, otherwise the time at which the bridge saw
   * the call first. RFC 3339 in UTC with six decimals.
   */
  startedAt: string;
  /**
   * When the call was answered. Absent until then. RFC 3339 in UTC with six decimals.
   */
  answeredAt?: string;
  /**
   * When the last leg, queue entry or parking slot disappeared. Only with the step `ended`. RFC 3339 in
   * UTC with six decimals.
   */
  endedAt?: string;
  /**
   * Seconds from the start to the answer; for a call without an answer, to the end or to the step.
   */
  waitSeconds: number;
  /**
   * Seconds from the answer to the end or to the step, including hold; 0 without an answer.
   */
  talkSeconds: number;
  /**
   * Legs in the order of their appearance, ended ones included, at most 64.
   *
   * Items: A leg: one extension's part in the call.
   */
  legs: CallLeg[];
  /**
   * True while a leg is being recorded.
   */
  recording: boolean;
  /**
   * False if the bridge had to infer a part: from a snapshot or across a gap, or because a hold,
   * transfer or merge was ambiguous.
   */
  certain: boolean;
  /**
   * Channel of the leg that the step is about: the entry of `legs` with this `channel`. Absent if the
   * step is about the call.
   */
  leg?: string;
  /**
   * The transfer. Only with the step `transferred`.
   */
  transfer?: CallTransfer;
  /**
   * Key of the call that has joined this one. Only with the step `merged`.
   */
  absorbed?: string;
  /**
   * Key of the call that this one has joined. Only with the outcome `merged`.
   */
  into?: string;
  /**
   * How the call ended: `answered`; `missed` if nobody answered (not picked up, busy or rejected);
   * `abandoned` if the caller left a queue without one; `merged` if it goes on as another call;
   * `unknown` if the bridge did not see it. Only with the step `ended`.
   *
   * Known values: `answered`, `missed`, `abandoned`, `merged`, `unknown`; others may follow.
   */
  outcome?: "answered" | "missed" | "abandoned" | "merged" | "unknown" | (string & {});
  /**
   * Earliest and latest time of an end that a gap has hidden. Absent if the end was seen.
   *
   * @minItems 2
   * @maxItems 2
   *
   * Items: A time. RFC 3339 in UTC with six decimals.
   */
  endedBetween?: [string, string];
}
/**
 * A party of a call.
 */
export interface CallParty {
  /**
   * Number, as the PBX shows it. Absent if unknown. If the PBX masks numbers for the account, the last
   * three characters are `xxx`.
   */
  number?: string;
  /**
   * Name, as the PBX shows it. Absent if unknown.
   */
  name?: string;
  /**
   * Extension of the PBX. Absent for an outside party and for a queue.
   */
  extension?: string;
  /**
   * User who owns the extension. Absent if unknown.
   */
  user?: string;
}
/**
 * A leg: one extension's part in the call.
 */
export interface CallLeg {
  /**
   * Number of the extension.
   */
  extension: string;
  /**
   * User who owns the extension. Absent if nobody does.
   */
  user?: string;
  /**
   * Connection state as in ECMA-269 (CSTA). `null` means that the leg has ended.
   *
   * Known values: `initiated`, `alerting`, `connected`, `hold`, `null`; others may follow.
   */
  state: "initiated" | "alerting" | "connected" | "hold" | "null" | (string & {});
  /**
   * Name of the extension's Asterisk channel, or its unique id if the PBX does not name the channel. It
   * can contain a telephone number.
   */
  channel: string;
  /**
   * Asterisk's unique id of the channel. It matches `uniqueid` in the PBX's call detail records.
   */
  uniqueid: string;
  /**
   * When the state of the leg changed last. RFC 3339 in UTC with six decimals.
   */
  since: string;
  /**
   * How the leg ended. Absent while it goes on.
   *
   * Known values: `answered`, `missed`, `unknown`; others may follow.
   */
  outcome?: "answered" | "missed" | "unknown" | (string & {});
}
/**
 * The transfer. Only with the step `transferred`.
 */
export interface CallTransfer {
  /**
   * The party that transferred the call.
   */
  by: CallParty;
  /**
   * The party that was replaced.
   */
  from: CallParty;
  /**
   * The party that replaced it.
   */
  to: CallParty;
  /**
   * `blind` if the new party rang after the transferring one had left, `attended` if the two had a call
   * before, `unknown` if that was not visible.
   *
   * Known values: `blind`, `attended`, `unknown`; others may follow.
   */
  kind: "blind" | "attended" | "unknown" | (string & {});
}
/**
 * A conference has ended.
 *
 * When the last participant has left or the owner has ended the conference, to the sessions of the
 * owner. Newer PBX versions send this event; others send `meetmeConfEnd` instead.
 *
 * Forget the participants from `confBridgeUpdate`. A service account without an extension never
 * receives it.
 *
 * CloudEvents type: `cti.event.confBridgeEnd.v1`.
 */
export interface ConfBridgeEnd {
  /**
   * Id of the conference: the extension of its owner.
   */
  id: string;
}
/**
 * The participants of a conference have changed.
 *
 * When somebody joins, leaves, is muted or unmuted, to the sessions of the owner and of each
 * participant. Newer PBX versions send this event; others send `meetmeConfUpdate` instead.
 *
 * Take `users` as the complete list of participants, and ignore repeated events. A service account
 * without an extension never receives it; `inConference` in `extenUpdate` is what such an account
 * sees. Handle `meetmeConfUpdate` in the same way.
 *
 * CloudEvents type: `cti.event.confBridgeUpdate.v1`.
 */
export interface ConfBridgeUpdate {
  /**
   * Id of the conference: the extension of its owner.
   */
  id: string;
  /**
   * Participants of the conference.
   *
   * Key: Extension of the participant, preceded by `prefix` for a participant of a remote site.
   */
  users: {
    /**
     * A participant.
     */
    [k: string]: ConferenceUser;
  };
}
/**
 * A participant.
 */
export interface ConferenceUser {
  /**
   * Number of the participant within the conference, from 1. A number as a string.
   */
  id: string;
  /**
   * Name of the participant.
   */
  name: string;
  /**
   * True if the participant owns the conference.
   */
  owner: boolean;
  /**
   * True if the participant is muted.
   */
  muted: boolean;
  /**
   * Extension of the participant.
   */
  extenId: string;
  /**
   * Remote site of the participant. Absent or null for this site.
   */
  site?: (string | {}) | null;
  /**
   * Prefix to dial for the remote site. Absent or null for this site.
   */
  prefix?: string | null;
}
/**
 * An event that a broker has refused permanently.
 *
 * When a broker refuses an event for what it is, such as its size. If the dead letter is refused as
 * well, it is counted and not sent again.
 *
 * Find out why the broker refused it: often a size limit. The CloudEvents id is `<original
 * id>-<sink>`. A journal on disk keeps the original in its `dead/` directory. The subject of the
 * CloudEvent is that of the original.
 *
 * CloudEvents type: `cti.bridge.deadletter.v1`.
 */
export interface DlqDeadletter {
  /**
   * Name of the sink whose broker refused the event.
   */
  sink: string;
  /**
   * CloudEvents `id` of the event.
   */
  id: string;
  /**
   * Sequence of the event.
   */
  sequence: number;
  /**
   * CloudEvents `source` of the event, `/cti/<source>`.
   */
  source: string;
  /**
   * CloudEvents `type` of the event.
   */
  type: string;
  /**
   * Subject or topic at the broker.
   */
  destination: string;
  /**
   * The broker's reason in words. Its text may change between versions.
   */
  reason: string;
  /**
   * When the bridge read the event: the CloudEvents `time`. RFC 3339 in UTC with six decimals.
   */
  time: string;
  /**
   * Size of the event's data in bytes.
   */
  size: number;
  /**
   * SHA-256 of the event's data, in hexadecimal.
   */
  sha256: string;
  /**
   * The event's data, masked and filtered as this sink would have published it. Absent if it is not
   * valid JSON or too large for the broker.
   */
  payload?: ({} | unknown[] | string | number | boolean) | null;
}
/**
 * A call of one of the account's own extensions was answered.
 *
 * When a call connects, to the sessions of the extension's owner only. `extenConvConnected` follows
 * immediately.
 *
 * Use `extenConvConnected` instead: it names both parties and the call. The only field has the name of
 * the event.
 *
 * CloudEvents type: `cti.event.extenConnected.v1`.
 */
export interface ExtenConnected {
  /**
   * The extension.
   */
  extenConnected: string;
}
/**
 * A call of one of the account's own extensions was answered, with both parties.
 *
 * Immediately after `extenConnected`, to the sessions of the extension's owner only.
 *
 * Relate it to `extenUpdate` by `linkedid`. Note the spelling: `uniqueid` and `linkedid` are lower
 * case here, `uniqueId` and `linkedId` in conversations.
 *
 * CloudEvents type: `cti.event.extenConvConnected.v1`.
 */
export interface ExtenConvConnected {
  /**
   * Number of one party, usually the account's own extension.
   */
  num1: string;
  /**
   * Number of the other party.
   */
  num2: string;
  /**
   * `out` if the extension called, `in` if it was called.
   *
   * Known values: `in`, `out`; others may follow.
   */
  direction: "in" | "out" | (string & {});
  /**
   * Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
   */
  uniqueid: string;
  /**
   * Id shared by all channels of one call, in the same form.
   */
  linkedid: string;
  /**
   * True if the other party is outside.
   */
  throughTrunk: boolean;
}
/**
 * A channel of one of the account's own extensions was hung up, with the cause.
 *
 * When a channel ends, to the sessions of the extension's owner only.
 *
 * The only event that says why a call ended. A service account does not see it and must not guess the
 * cause: an id that disappears from `conversations` only says that the call ended.
 *
 * CloudEvents type: `cti.event.extenHangup.v1`.
 */
export interface ExtenHangup {
  /**
   * Cause of the hang-up: a Q.850 cause in words. Absent if the PBX has no word for it.
   *
   * Known values: `not_defined`, `unallocated`, `no_route_transit_net`, `no_route_destination`,
   * `misdialled_trunk_prefix`, `channel_unacceptable`, `call_awarded_delivered`, `pre_empted`,
   * `number_ported_not_here`, `normal_clearing`, `user_busy`, `no_user_response`, `no_answer`,
   * `subscriber_absent`, `call_rejected`, `number_changed`, `redirected_to_new_destination`,
   * `answered_elsewhere`, `destination_out_of_order`, `invalid_number_format`, `facility_rejected`,
   * `response_to_status_enquiry`, `normal_unspecified`, `normal_circuit_congestion`,
   * `network_out_of_order`, `normal_temporary_failure`, `switch_congestion`, `access_info_discarded`,
   * `requested_chan_unavail`, `facility_not_subscribed`, `outgoing_call_barred`, `incoming_call_barred`,
   * `bearercapability_notauth`, `bearercapability_notavail`, `bearercapability_notimpl`,
   * `chan_not_implemented`, `facility_not_implemented`, `invalid_call_reference`,
   * `incompatible_destination`, `invalid_msg_unspecified`, `mandatory_ie_missing`,
   * `message_type_nonexist`, `wrong_message`, `ie_nonexist`, `invalid_ie_contents`, `wrong_call_state`,
   * `recovery_on_timer_expire`, `mandatory_ie_length_error`, `protocol_error`, `interworking`; others
   * may follow.
   */
  cause?:
    | "not_defined"
    | "unallocated"
    | "no_route_transit_net"
    | "no_route_destination"
    | "misdialled_trunk_prefix"
    | "channel_unacceptable"
    | "call_awarded_delivered"
    | "pre_empted"
    | "number_ported_not_here"
    | "normal_clearing"
    | "user_busy"
    | "no_user_response"
    | "no_answer"
    | "subscriber_absent"
    | "call_rejected"
    | "number_changed"
    | "redirected_to_new_destination"
    | "answered_elsewhere"
    | "destination_out_of_order"
    | "invalid_number_format"
    | "facility_rejected"
    | "response_to_status_enquiry"
    | "normal_unspecified"
    | "normal_circuit_congestion"
    | "network_out_of_order"
    | "normal_temporary_failure"
    | "switch_congestion"
    | "access_info_discarded"
    | "requested_chan_unavail"
    | "facility_not_subscribed"
    | "outgoing_call_barred"
    | "incoming_call_barred"
    | "bearercapability_notauth"
    | "bearercapability_notavail"
    | "bearercapability_notimpl"
    | "chan_not_implemented"
    | "facility_not_implemented"
    | "invalid_call_reference"
    | "incompatible_destination"
    | "invalid_msg_unspecified"
    | "mandatory_ie_missing"
    | "message_type_nonexist"
    | "wrong_message"
    | "ie_nonexist"
    | "invalid_ie_contents"
    | "wrong_call_state"
    | "recovery_on_timer_expire"
    | "mandatory_ie_length_error"
    | "protocol_error"
    | "interworking"
    | (string & {});
  /**
   * Number of the party on the channel.
   */
  callerNum: string;
  /**
   * Extension that the channel belongs to.
   */
  channelExten: string;
  /**
   * Number of the connected party; `<unknown>` if Asterisk does not know it.
   */
  calledNum: string;
}
/**
 * An extension of the account's user rings, with what the PBX knows about the caller.
 *
 * When an extension starts to ring, to the sessions of its owner only.
 *
 * Meant for the user's own screen. A service account follows calls through `extenUpdate`. `pbContact`
 * is a complete address book record and `callerNotes` are free text: mask or filter them unless you
 * need them.
 *
 * CloudEvents type: `cti.event.extenRinging.v1`.
 */
export interface ExtenRinging {
  /**
   * Extension that rings.
   */
  numCalled: string;
  /**
   * Number of the caller.
   */
  callerNum: string;
  /**
   * Name of the caller; `''` if unknown.
   */
  callerName: string;
  /**
   * True if the caller has a conference.
   */
  callerHasConf: boolean;
  /**
   * The caller's record in the address book. Its fields depend on the PBX. Absent if there is none, or
   * if the user may not see it.
   */
  pbContact?: {
    [k: string]: unknown;
  };
  /**
   * Notes about the caller that the user may see. Absent if there are none.
   *
   * Items: A note. Its fields depend on the PBX.
   */
  callerNotes?: {
    [k: string]: unknown;
  }[];
}
/**
 * The complete state of one extension, with its conversations.
 *
 * Whenever something about an extension changes: a call rings, is answered, held or ended; a telephone
 * registers or drops out; do not disturb, forwarding or recording changes. A resync publishes it for
 * every extension (`ctiorigin=snapshot`).
 *
 * Keep the newest one for each extension; it replaces the previous state completely. A service account
 * owns no extension, so it follows calls through `conversations` only: compare with the previous
 * event; a new id is a new call, an id that disappears is an ended call. Relate the views of one call
 * by `linkedId`, and expect `chSource` or `chDest` to be null. Short states can be skipped: a call may
 * be gone without ever having been `connected`, and a held call shows only as the status `onhold`.
 *
 * CloudEvents type: `cti.event.extenUpdate.v1`.
 */
export interface ExtenUpdate {
  /**
   * Number of the extension.
   */
  exten: string;
  /**
   * Name of the extension, usually that of its user.
   */
  name: string;
  /**
   * User who owns the extension. Absent if nobody does.
   */
  username?: string;
  /**
   * State of the extension. `onhold` says that a call is held, but not which one if there are several.
   *
   * Known values: `online`, `offline`, `busy`, `ringing`, `busy_ringing`, `onhold`, `dnd`; others may
   * follow.
   */
  status:
    "online" | "offline" | "busy" | "ringing" | "busy_ringing" | "onhold" | "dnd" | (string & {});
  /**
   * IP address of the telephone; `''` or absent if it is not registered.
   */
  ip?: string;
  /**
   * Port of the telephone, a number as a string; `''` or absent if it is not registered.
   */
  port?: string;
  /**
   * MAC address of the telephone; `''` or absent if unknown. With or without colons.
   */
  mac?: string;
  /**
   * Channel technology.
   *
   * Known values: `sip`, `pjsip`; others may follow.
   */
  chanType: "sip" | "pjsip" | (string & {});
  /**
   * User agent of the telephone: model and firmware. `''` or absent if it is not registered. Some models
   * append their MAC address.
   */
  sipuseragent?: string;
  /**
   * Codecs that the extension may use.
   *
   * Items: Name of a codec, such as `alaw`.
   */
  codecs: string[];
  /**
   * Dialplan context of the extension.
   */
  context: string;
  /**
   * True if the telephone is a browser or an app that connects over WebSocket (WebRTC).
   */
  useWebsocket: boolean;
  /**
   * True if do not disturb is on.
   */
  dnd: boolean;
  /**
   * Number to which all calls are forwarded. `''` means off. If the PBX masks numbers for the account,
   * the last three characters are `xxx`.
   */
  cf: string;
  /**
   * Number to which calls are forwarded while the extension is busy. `''` means off. If the PBX masks
   * numbers for the account, the last three characters are `xxx`.
   */
  cfb: string;
  /**
   * Number to which calls are forwarded while the extension is unavailable or does not answer. `''`
   * means off. If the PBX masks numbers for the account, the last three characters are `xxx`.
   */
  cfu: string;
  /**
   * Mailbox to which all calls are forwarded. `''` means off.
   */
  cfVm: string;
  /**
   * Mailbox to which calls are forwarded while the extension is busy. `''` means off.
   */
  cfbVm: string;
  /**
   * Mailbox to which calls are forwarded while the extension is unavailable or does not answer. `''`
   * means off.
   */
  cfuVm: string;
  /**
   * The extension's current conversations; `{}` if it is idle.
   *
   * Key: Id of the conversation, as in its `id`.
   */
  conversations: {
    /**
     * A conversation: the extension's view of one call.
     */
    [k: string]: Conversation;
  };
}
/**
 * A conversation: the extension's view of one call.
 */
export interface Conversation {
  /**
   * Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty. It
   * changes when a channel is replaced, as in a transfer.
   */
  id: string;
  /**
   * Extension that this view belongs to.
   */
  owner: string;
  /**
   * `out` if the extension called, `in` if it was called.
   *
   * Known values: `in`, `out`; others may follow.
   */
  direction: "in" | "out" | (string & {});
  /**
   * True once both sides talk. False while it rings.
   */
  connected: boolean;
  /**
   * Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the
   * event, so it differs between two otherwise equal events.
   */
  duration: number;
  /**
   * When the conversation began: Unix time in milliseconds.
   */
  startTime: number;
  /**
   * Asterisk's unique id of the extension's channel: Unix seconds, a dot and a counter. It is a string.
   * It matches `uniqueid` in the call detail records.
   */
  uniqueId: string;
  /**
   * Id shared by all channels of one call, in the form of `uniqueId`. It can change when two calls are
   * joined.
   */
  linkedId: string;
  /**
   * Number of the queue that the call came through; `''` or absent if none.
   */
  queueId?: string;
  /**
   * True if the call came through a queue.
   */
  throughQueue: boolean;
  /**
   * True if the other party is outside. Absent until the PBX knows.
   */
  throughTrunk?: boolean;
  /**
   * True if the call is part of a conference.
   */
  inConference: boolean;
  /**
   * State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused. In
   * many languages the string `"false"` counts as true: compare the text.
   *
   * Known values: `false`, `true`, `mute`; others may follow.
   */
  recording: "false" | "true" | "mute" | (string & {});
  /**
   * Number of the other party, inside or outside. If the PBX masks numbers for the account, the last
   * three characters are `xxx`.
   */
  counterpartNum: string;
  /**
   * Name of the other party; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
   */
  counterpartName: string;
  /**
   * The calling channel. Null if the conversation has none: while it is being set up, or because the
   * call was already ringing when the PBX server started.
   */
  chSource: Channel | null;
  /**
   * The called channel. Null if the conversation has none: while it is being set up, or because the call
   * was already ringing when the PBX server started.
   */
  chDest: Channel | null;
}
/**
 * The channel of one side of a conversation.
 */
export interface Channel {
  /**
   * Side of the call: `source` is the calling channel, `dest` the called one.
   *
   * Known values: `source`, `dest`; others may follow.
   */
  type: "source" | "dest" | (string & {});
  /**
   * Name of the Asterisk channel, such as `PJSIP/201-0000000a`. It can contain `/`, `@`, `;` and a
   * telephone number.
   */
  channel: string;
  /**
   * Number of the party on this channel. If the PBX masks numbers for the account, the last three
   * characters are `xxx`.
   */
  callerNum: string;
  /**
   * Name of the party on this channel; `''` if unknown. If the PBX masks names for the account, it is
   * `xxx`.
   */
  callerName: string;
  /**
   * Number of the party on the other channel; `<unknown>` if Asterisk does not know it. If the PBX masks
   * numbers for the account, the last three characters are `xxx`.
   */
  bridgedNum: string;
  /**
   * Name of the party on the other channel; `''` or `<unknown>` if unknown. If the PBX masks names for
   * the account, it is `xxx`.
   */
  bridgedName: string;
  /**
   * Name of the other channel; `''` or absent until both are connected.
   */
  bridgedChannel?: string;
  /**
   * State of the channel in Asterisk.
   *
   * Known values: `down`, `reserved`, `offhook`, `dialing`, `ring`, `ringing`, `up`, `busy`,
   * `dialing_offhook`, `prering`; others may follow.
   */
  channelStatus:
    | "down"
    | "reserved"
    | "offhook"
    | "dialing"
    | "ring"
    | "ringing"
    | "up"
    | "busy"
    | "dialing_offhook"
    | "prering"
    | (string & {});
  /**
   * True if the channel is in a conference.
   */
  inConference?: boolean;
  /**
   * When the channel was created: Unix time in milliseconds, rounded down to a second.
   */
  startTime: number;
}
/**
 * A conference has ended.
 *
 * When the last participant has left or the owner has ended the conference, to the sessions of the
 * owner. Older PBX versions send this event; others send `confBridgeEnd` instead.
 *
 * Forget the participants from `meetmeConfUpdate`. A service account without an extension never
 * receives it.
 *
 * CloudEvents type: `cti.event.meetmeConfEnd.v1`.
 */
export interface MeetmeConfEnd {
  /**
   * Id of the conference: the extension of its owner.
   */
  id: string;
}
/**
 * The participants of a conference have changed.
 *
 * When somebody joins, leaves, is muted or unmuted, to the sessions of the owner and of each
 * participant. Older PBX versions send this event; others send `confBridgeUpdate` instead.
 *
 * Take `users` as the complete list of participants, and ignore repeated events. A service account
 * without an extension never receives it; `inConference` in `extenUpdate` is what such an account
 * sees. Handle `confBridgeUpdate` in the same way.
 *
 * CloudEvents type: `cti.event.meetmeConfUpdate.v1`.
 */
export interface MeetmeConfUpdate {
  /**
   * Id of the conference: the extension of its owner.
   */
  id: string;
  /**
   * Participants of the conference.
   *
   * Key: Extension of the participant, preceded by `prefix` for a participant of a remote site.
   */
  users: {
    /**
     * A participant.
     */
    [k: string]: ConferenceUser;
  };
}
/**
 * A message that one client sent to another through the PBX.
 *
 * When a client sends a message to the account's user. The PBX relays it without checks.
 *
 * Do not trust it: any client that reaches the PBX can send it, even without a login, with any
 * content. Never act on it and never show its text as coming from the PBX.
 *
 * CloudEvents type: `cti.event.message.v1`.
 */
export interface Message {
  /**
   * Kind of the message. Clients send `videoCallStart`, `screenSharingStart` and `screenSharingStop`,
   * among others; any text is possible.
   */
  message?: string;
  /**
   * User whom the message is for.
   */
  destUser?: string;
  /**
   * User on the other side of the call. Absent in some messages.
   */
  callUser?: string;
  /**
   * Id of the video room. Absent in some messages.
   */
  roomId?: string;
}
/**
 * The number of new messages in one mailbox.
 *
 * When a message is left, heard or deleted. A resync does not cover it.
 *
 * Keep the newest one for each mailbox to light a message lamp. After a gap the counter may be stale
 * until the next event, because the PBX has no snapshot of it. Read `counter` as a number: it is
 * usually a string.
 *
 * CloudEvents type: `cti.event.newVoiceMessageCounter.v1`.
 */
export interface NewVoiceMessageCounter {
  /**
   * The mailbox, named after its extension.
   */
  voicemail: string;
  /**
   * Number of new messages. A number as a string; some paths of the PBX send a number.
   */
  counter: string | number;
}
/**
 * The complete state of one parking slot.
 *
 * When a call is parked, fetched, or returns after the timeout; after a start or reload of the PBX
 * once for each slot. A resync publishes it for every slot (`ctiorigin=snapshot`).
 *
 * Keep the newest one for each slot. An empty slot has `"parkedCaller": {}`, never null: test for
 * `num` or `channel`. A parked caller carries a channel but no `linkedId`.
 *
 * CloudEvents type: `cti.event.parkingUpdate.v1`.
 */
export interface ParkingUpdate {
  /**
   * Name of the slot, usually its number.
   */
  name: string;
  /**
   * Number of the slot.
   */
  parking: string;
  /**
   * Time after which a parked call returns, in seconds, as configured.
   */
  timeout: number;
  /**
   * The parked caller; `{}` if the slot is empty, and then without any of its fields.
   */
  parkedCaller: ParkedCaller;
}
/**
 * The parked caller; `{}` if the slot is empty, and then without any of its fields.
 */
export interface ParkedCaller {
  /**
   * Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
   */
  num?: string;
  /**
   * Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
   */
  name?: string;
  /**
   * Number of the slot.
   */
  parking?: string;
  /**
   * Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
   */
  channel?: string;
  /**
   * Time left until the call returns, in seconds. The PBX computes it each time it writes the event.
   */
  timeout?: number;
  /**
   * Extension that parked the call. If the PBX masks numbers for the account, the last three characters
   * are `xxx`.
   */
  parkeeNum?: string;
  /**
   * Name of the extension that parked the call. If the PBX masks names for the account, it is `xxx`.
   */
  parkeeName?: string;
}
/**
 * An alarm of the queue manager was raised, changed or cleared.
 *
 * When the PBX's monitoring (collectd) finds that a queue crosses a threshold, in either direction.
 *
 * Forward it to the supervisor of the queue. `okay` clears the alarm of the same `alarm` and `queue`.
 * Repeated alarms are possible, and a resync does not cover them.
 *
 * CloudEvents type: `cti.event.qmAlarm.v1`.
 */
export interface QmAlarm {
  /**
   * When the alarm was raised or cleared: ISO 8601 in UTC with milliseconds.
   */
  date: string;
  /**
   * Severity; `okay` clears the alarm.
   *
   * Known values: `failure`, `warning`, `okay`; others may follow.
   */
  status: "failure" | "warning" | "okay" | (string & {});
  /**
   * Kind of the alarm.
   *
   * Known values: `queueload`; others may follow.
   */
  alarm: "queueload" | (string & {});
  /**
   * Number of the queue.
   */
  queue: string;
}
/**
 * The complete state of one member in one queue.
 *
 * When a member logs in or out, starts or ends a break, or takes a call of the queue. A resync
 * publishes it for every member of every queue (`ctiorigin=snapshot`).
 *
 * Keep the newest one for each queue and member. An extension in two queues has two states. Note the
 * units: these times are seconds, while those of conversations are milliseconds.
 *
 * CloudEvents type: `cti.event.queueMemberUpdate.v1`.
 */
export interface QueueMemberUpdate {
  /**
   * `static` members are always in the queue; `dynamic` and `realtime` ones log in and out.
   *
   * Known values: `static`, `dynamic`, `realtime`; others may follow.
   */
  type: "static" | "dynamic" | "realtime" | (string & {});
  /**
   * Name of the member.
   */
  name: string;
  /**
   * Number of the queue.
   */
  queue: string;
  /**
   * Extension of the member.
   */
  member: string;
  /**
   * True if the member takes a break from this queue.
   */
  paused: boolean;
  /**
   * True if the member is logged in to this queue.
   */
  loggedIn: boolean;
  /**
   * Calls that the member has taken since the queue's statistics were last reset.
   */
  callsTakenCount: number;
  /**
   * Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
   */
  lastCallTimestamp: number;
  /**
   * Reason of the last break, as chosen or typed by a person; `''` if none was given.
   */
  lastPausedInReason: string;
  /**
   * Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
   * values above 100000000000 are milliseconds.
   */
  lastPausedInTimestamp: number;
  /**
   * End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older
   * than the start, the break goes on.
   */
  lastPausedOutTimestamp: number;
}
/**
 * The complete state of one queue: statistics, members and waiting callers.
 *
 * Every 60 s for each queue, and whenever a caller joins or leaves it. A resync publishes it for every
 * queue (`ctiorigin=snapshot`).
 *
 * Keep the newest one for each queue; it replaces the previous state completely. Read the six
 * statistics as numbers: they are strings. A waiting caller carries a channel but no `linkedId`, so
 * relate callers to calls by channel. Queues named `ctiopqueue…` belong to the operator panel; the
 * bridge's resync does not cover them.
 *
 * CloudEvents type: `cti.event.queueUpdate.v1`.
 */
export interface QueueUpdate {
  /**
   * Number of the queue.
   */
  queue: string;
  /**
   * Name of the queue.
   */
  name: string;
  /**
   * Average time that callers wait, in seconds. A number as a string.
   */
  avgHoldTime: string;
  /**
   * Average duration of answered calls, in seconds. A number as a string.
   */
  avgTalkTime: string;
  /**
   * Answered calls since the statistics were last reset. A number as a string.
   */
  completedCallsCount: string;
  /**
   * Calls that ended before they were answered, since the statistics were last reset. A number as a
   * string.
   */
  abandonedCallsCount: string;
  /**
   * Time within which a call should be answered, in seconds. A number as a string.
   */
  serviceLevelTimePeriod: string;
  /**
   * Share of calls that were answered within that time, in percent with one decimal. A number as a
   * string, such as `91.4`.
   */
  serviceLevelPercentage: string;
  /**
   * Members of the queue.
   *
   * Key: Extension of the member.
   */
  members: {
    /**
     * A member, as in `queueMemberUpdate`.
     */
    [k: string]: QueueMember;
  };
  /**
   * Callers who are waiting; `{}` if there are none.
   *
   * Key: Channel of the caller.
   */
  waitingCallers: {
    /**
     * A waiting caller.
     */
    [k: string]: WaitingCaller;
  };
}
/**
 * A member, as in `queueMemberUpdate`.
 */
export interface QueueMember {
  /**
   * `static` members are always in the queue; `dynamic` and `realtime` ones log in and out.
   *
   * Known values: `static`, `dynamic`, `realtime`; others may follow.
   */
  type: "static" | "dynamic" | "realtime" | (string & {});
  /**
   * Name of the member.
   */
  name: string;
  /**
   * Number of the queue.
   */
  queue: string;
  /**
   * Extension of the member.
   */
  member: string;
  /**
   * True if the member takes a break from this queue.
   */
  paused: boolean;
  /**
   * True if the member is logged in to this queue.
   */
  loggedIn: boolean;
  /**
   * Calls that the member has taken since the queue's statistics were last reset.
   */
  callsTakenCount: number;
  /**
   * Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
   */
  lastCallTimestamp: number;
  /**
   * Reason of the last break, as chosen or typed by a person; `''` if none was given.
   */
  lastPausedInReason: string;
  /**
   * Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
   * values above 100000000000 are milliseconds.
   */
  lastPausedInTimestamp: number;
  /**
   * End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older
   * than the start, the break goes on.
   */
  lastPausedOutTimestamp: number;
}
/**
 * A waiting caller.
 */
export interface WaitingCaller {
  /**
   * Same as `channel`.
   */
  id: string;
  /**
   * Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
   */
  channel: string;
  /**
   * Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
   */
  num: string;
  /**
   * Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
   */
  name: string;
  /**
   * Number of the queue.
   */
  queue: string;
  /**
   * Position in the queue, from 1. A number as a string.
   */
  position: string;
  /**
   * Time waited so far, in seconds. The PBX computes it each time it writes the event.
   */
  waiting: number;
  /**
   * Not a duration: the time at which the caller began to wait, as Unix time in milliseconds.
   */
  waitingTime: number;
}
/**
 * The summary of a call is ready.
 *
 * When a summary that the account's user asked for (`/summary/watch`) is ready. The PBX checks every 5
 * s and gives up after 5 minutes. The bridge never asks for one.
 *
 * The event only announces the summary; the text itself is read through the PBX's API. Relate it to
 * the call by `linkedid`, or by `uniqueid` if that is absent.
 *
 * CloudEvents type: `cti.event.satellite=2Fsummary.v1`.
 */
export interface SatelliteSummary {
  /**
   * Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
   */
  uniqueid: string;
  /**
   * Id shared by all channels of the call, in the same form. May be absent.
   */
  linkedid?: string;
  /**
   * Name of the party to show. May be absent.
   */
  display_name?: string;
  /**
   * Number of the party to show. May be absent.
   */
  display_number?: string;
}
/**
 * A piece of live transcription: what somebody just said in a call.
 *
 * While a call is transcribed, to sessions that have started transcription and whose user takes part
 * in the call. The bridge never starts it.
 *
 * Treat it like a call recording, with the same legal duties. Interim results have `is_final` false
 * and are replaced by a later event with the same `uniqueid` and `timestamp`; keep only final ones.
 * Events may arrive out of order: sort by `timestamp`.
 *
 * CloudEvents type: `cti.event.satellite=2Ftranscription.v1`.
 */
export interface SatelliteTranscription {
  /**
   * Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
   */
  uniqueid: string;
  /**
   * What was said.
   */
  transcription: string;
  /**
   * Start of the words, in seconds from the start of the conversation, with decimals. Not a Unix time.
   */
  timestamp: number;
  /**
   * Name of the speaker.
   */
  speaker_name: string;
  /**
   * Number of the speaker.
   */
  speaker_number: string;
  /**
   * Name of the other party.
   */
  speaker_counterpart_name: string;
  /**
   * Number of the other party.
   */
  speaker_counterpart_number: string;
  /**
   * True for a final result, false for an interim one.
   */
  is_final: boolean;
}
/**
 * The bridge is alive, with its counters and the health of its components.
 *
 * Every 10 s from each sink, once for each source. It is neither numbered nor in the journal.
 *
 * Alert if it stays away for a minute, or if a component is `failing`. Compare `lastSequence` with
 * your last one to see how far you lag behind. A heartbeat that gets lost is not sent again.
 *
 * CloudEvents type: `cti.bridge.heartbeat.v1`.
 */
export interface StatusHeartbeat {
  /**
   * Version of the bridge.
   */
  version: string;
  /**
   * Sequence of the source's newest record.
   */
  lastSequence: number;
  /**
   * Records of the source that this sink has not settled yet.
   */
  pending: number;
  /**
   * Malformed frames of the source that were discarded.
   */
  badFrames: number;
  /**
   * Outcomes of the source's records at this sink, since the sink was added to the journal. `received`
   * is the sum of the others and `pending`.
   */
  counters: StatusHeartbeatCounters;
  /**
   * Health of all components, those of other sources and sinks included.
   *
   * Key: Name of the component: `source/<name>`, `sink/<name>`, `journal`, `admin`.
   */
  components: {
    /**
     * Health of a component.
     */
    [k: string]: Component;
  };
}
/**
 * Outcomes of the source's records at this sink, since the sink was added to the journal. `received`
 * is the sum of the others and `pending`.
 */
export interface StatusHeartbeatCounters {
  /**
   * All records.
   */
  received: number;
  /**
   * Records that the broker has acknowledged.
   */
  published: number;
  /**
   * Records that a filter left out.
   */
  filtered: number;
  /**
   * Records that the broker refused permanently.
   */
  deadLettered: number;
  /**
   * Records that were lost before delivery; `{}` if there are none.
   *
   * Key: Reason of the loss, as in the notice `lost`.
   */
  lost: {
    /**
     * Number of records.
     */
    [k: string]: number;
  };
}
/**
 * Health of a component.
 */
export interface Component {
  /**
   * State: `pending` is starting or connecting without a failure so far, `active` works, `failing` does
   * not work and is retried.
   *
   * Known values: `pending`, `active`, `failing`; others may follow.
   */
  state: "pending" | "active" | "failing" | (string & {});
  /**
   * Why it fails, in words with the remedy. Present only while it fails.
   */
  reason?: string;
  /**
   * Time of the last change of state; for a failing component, the start of the outage. RFC 3339 in UTC
   * with six decimals.
   */
  since: string;
  /**
   * True if the component has never worked since the bridge was started; otherwise absent.
   */
  neverActive?: boolean;
  /**
   * Warnings that need attention although the component works; absent if there are none.
   *
   * Key: Topic of the warning, such as `certificate`, `privacy` or the name of a missing right.
   */
  warnings?: {
    /**
     * A sentence with the remedy.
     */
    [k: string]: string;
  };
  /**
   * Rights that the account lacks. Only for a source, after its first login.
   *
   * Items: Name of a right.
   *
   * Known values: `presence_panel`, `trunks`, `queue_agent`, `ad_queue_agent`, `parkings`, `qmanager`,
   * `operator_panel`, `streaming`; others may follow.
   */
  missingRights?:
    | "presence_panel"
    | "trunks"
    | "queue_agent"
    | "ad_queue_agent"
    | "parkings"
    | "qmanager"
    | "operator_panel"
    | "streaming"
    | (string & {})[];
  /**
   * True if the PBX masks numbers and names for the account. Only for a source, after its first login.
   */
  privacy?: boolean;
  /**
   * Time of the next attempt; absent if none is scheduled. RFC 3339 in UTC with six decimals.
   */
  retryAt?: string;
}
/**
 * A new frame of a video source, such as a door camera.
 *
 * Periodically, to accounts that have subscribed to the source through the PBX's API. The bridge does
 * not subscribe.
 *
 * Expect it only if another program subscribes with the bridge's account. Then drop it with a filter,
 * or keep only the newest frame of each source: frames are repeated and large.
 *
 * CloudEvents type: `cti.event.streamingSourceUpdate.v1`.
 */
export interface StreamingSourceUpdate {
  /**
   * The frame.
   */
  streaming: StreamingSource;
}
/**
 * The frame.
 */
export interface StreamingSource {
  /**
   * Id of the video source.
   */
  source: string;
  /**
   * The frame: a JPEG picture in Base64, without a data URI prefix.
   */
  image: string;
}
/**
 * The complete state of one trunk: registration and, where enabled, its conversations.
 *
 * When the status, the registration or a recording of a trunk changes; with `trunks_events` enabled on
 * the PBX, also when a call on it changes. A resync publishes it for every trunk if the profile grants
 * `trunks` (`ctiorigin=snapshot`).
 *
 * Use it to alert on a trunk that is not `registered`. Do not count calls with it: NethVoice on NS8
 * disables `trunks_events` by default, and then `conversations` goes stale; follow calls with
 * `extenUpdate`. The event needs the right `presence_panel`; only the snapshot needs `trunks`.
 *
 * CloudEvents type: `cti.event.trunkUpdate.v1`.
 */
export interface TrunkUpdate {
  /**
   * Id of the trunk. Some sites name trunks after their telephone number.
   */
  exten: string;
  /**
   * Name of the trunk.
   */
  name: string;
  /**
   * IP address of the provider; `''` or absent if unknown.
   */
  ip?: string;
  /**
   * Port of the provider, a number as a string; `''` or absent if unknown.
   */
  port?: string;
  /**
   * Codecs that the trunk may use.
   *
   * Items: Name of a codec, such as `alaw`.
   */
  codecs: string[];
  /**
   * Whether the provider can be reached. `unmonitored` means that the PBX does not check.
   *
   * Known values: `online`, `offline`, `busy`, `unmonitored`; others may follow.
   */
  status: "online" | "offline" | "busy" | "unmonitored" | (string & {});
  /**
   * State of the registration at the provider. `unmonitored` is normal for a trunk that does not
   * register. Absent until it is known.
   *
   * Known values: `registered`, `unregistered`, `unmonitored`, `sent`, `rejected`, `noauth`, `failed`;
   * others may follow.
   */
  registration?:
    | "registered"
    | "unregistered"
    | "unmonitored"
    | "sent"
    | "rejected"
    | "noauth"
    | "failed"
    | (string & {});
  /**
   * Channel technology.
   *
   * Known values: `sip`, `pjsip`, `iax`; others may follow.
   */
  chanType: "sip" | "pjsip" | "iax" | (string & {});
  /**
   * Maximum number of concurrent calls.
   */
  maxChannels: number;
  /**
   * User agent of the provider; `''` or absent if unknown.
   */
  sipuseragent?: string;
  /**
   * Conversations on the trunk. Stale unless `trunks_events` is enabled on the PBX.
   *
   * Key: Id of the conversation, as in its `id`.
   */
  conversations: {
    /**
     * A conversation: the trunk's view of one call.
     */
    [k: string]: TrunkConversation;
  };
}
/**
 * A conversation: the trunk's view of one call.
 */
export interface TrunkConversation {
  /**
   * Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty.
   */
  id: string;
  /**
   * Id of the trunk.
   */
  owner: string;
  /**
   * `in` for a call from outside, `out` for a call to the outside.
   *
   * Known values: `in`, `out`; others may follow.
   */
  direction: "in" | "out" | (string & {});
  /**
   * Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the
   * event.
   */
  duration: number;
  /**
   * State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused.
   *
   * Known values: `false`, `true`, `mute`; others may follow.
   */
  recording: "false" | "true" | "mute" | (string & {});
  /**
   * True if the call came through a queue.
   */
  throughQueue: boolean;
  /**
   * Number of the party inside; a queue's number while the caller waits in it. Absent for a call that
   * was already ringing when the PBX server started. If the PBX masks numbers for the account, the last
   * three characters are `xxx`.
   */
  internalNum?: string;
  /**
   * Name of the party inside; `''` or absent if unknown. If the PBX masks names for the account, it is
   * `xxx`.
   */
  internalName?: string;
  /**
   * Number of the party outside. Absent for a call that was already ringing when the PBX server started.
   * If the PBX masks numbers for the account, the last three characters are `xxx`.
   */
  externalNum?: string;
  /**
   * Name of the party outside; `''` or absent if unknown. If the PBX masks names for the account, it is
   * `xxx`.
   */
  externalName?: string;
  /**
   * The calling channel. Null if the conversation has none: while it is being set up, or because the
   * call was already ringing when the PBX server started.
   */
  chSource: Channel | null;
  /**
   * The called channel. Null if the conversation has none: while it is being set up, or because the call
   * was already ringing when the PBX server started.
   */
  chDest: Channel | null;
}
/**
 * The numbers of new and old messages in one mailbox, for the users of that mailbox.
 *
 * When a message is left, heard or deleted, to the sessions of the users of that mailbox.
 *
 * Prefer `newVoiceMessageCounter`, which every account receives. Here the mailbox is the name of the
 * object's only field, and both counters are strings.
 *
 * CloudEvents type: `cti.event.updateNewVoiceMessages.v1`.
 */
export interface UpdateNewVoiceMessages {
  /**
   * The counters of the mailbox.
   */
  [k: string]: MailboxCounters;
}
/**
 * The counters of the mailbox.
 */
export interface MailboxCounters {
  /**
   * Number of new messages. A number as a string.
   */
  inbox: string;
  /**
   * Number of messages already heard. A number as a string.
   */
  old: string;
}
/**
 * The effective presence of one user: the presence the user chose, combined with the state of the main
 * extension.
 *
 * After every `extenUpdate` of an extension that has an owner, even if the presence did not change. A
 * resync publishes it for every user (`ctiorigin=snapshot`).
 *
 * Use it to show whether a user can take a call. Most of these events repeat the previous one: compare
 * before you act. The key is nested, in `mainPresence.username`.
 *
 * CloudEvents type: `cti.event.userMainPresenceUpdate.v1`.
 */
export interface UserMainPresenceUpdate {
  /**
   * The presence.
   */
  mainPresence: MainPresence;
}
/**
 * The presence.
 */
export interface MainPresence {
  /**
   * The user.
   */
  username: string;
  /**
   * The presence. `busy`, `ringing` and `offline` come from the telephone, the others from the user's
   * choice.
   *
   * Known values: `online`, `dnd`, `voicemail`, `cellphone`, `callforward`, `busy`, `ringing`,
   * `offline`; others may follow.
   */
  status:
    | "online"
    | "dnd"
    | "voicemail"
    | "cellphone"
    | "callforward"
    | "busy"
    | "ringing"
    | "offline"
    | (string & {});
  /**
   * Number to which calls are forwarded. Present only if the status is `callforward`. It can be an
   * inside or an outside number.
   */
  to?: string;
}
/**
 * One of the three presences that a user has chosen: the general one, the one for a busy line, or the
 * one for an unavailable telephone.
 *
 * When a user changes a presence. A resync publishes all three for every user (`ctiorigin=snapshot`).
 *
 * Exactly one of the three fields is present. Each is a state of its own, with its own CloudEvents
 * subject, so keep them apart. For what callers meet right now, use `userMainPresenceUpdate`.
 *
 * CloudEvents type: `cti.event.userPresenceUpdate.v1`.
 */
export interface UserPresenceUpdate {
  /**
   * The general presence. Absent if the event is about another of the three presences.
   */
  presence?: Presence;
  /**
   * What happens to calls while the user is busy. `online` means that nothing special happens. Absent if
   * the event is about another of the three presences.
   */
  presence_onbusy?: PresenceOnBusy;
  /**
   * What happens to calls while the telephone is unreachable or nobody answers. `online` means that
   * nothing special happens. Absent if the event is about another of the three presences.
   */
  presence_onunavailable?: PresenceOnUnavailable;
}
/**
 * The general presence. Absent if the event is about another of the three presences.
 */
export interface Presence {
  /**
   * The user.
   */
  username: string;
  /**
   * The presence that the user chose.
   *
   * Known values: `online`, `dnd`, `voicemail`, `cellphone`, `callforward`; others may follow.
   */
  status: "online" | "dnd" | "voicemail" | "cellphone" | "callforward" | (string & {});
  /**
   * Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
   * inside or an outside number.
   */
  to?: string;
}
/**
 * What happens to calls while the user is busy. `online` means that nothing special happens. Absent if
 * the event is about another of the three presences.
 */
export interface PresenceOnBusy {
  /**
   * The user.
   */
  username: string;
  /**
   * The presence that the user chose.
   *
   * Known values: `online`, `voicemail`, `cellphone`, `callforward`; others may follow.
   */
  status: "online" | "voicemail" | "cellphone" | "callforward" | (string & {});
  /**
   * Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
   * inside or an outside number.
   */
  to?: string;
}
/**
 * What happens to calls while the telephone is unreachable or nobody answers. `online` means that
 * nothing special happens. Absent if the event is about another of the three presences.
 */
export interface PresenceOnUnavailable {
  /**
   * The user.
   */
  username: string;
  /**
   * The presence that the user chose.
   *
   * Known values: `online`, `voicemail`, `cellphone`, `callforward`; others may follow.
   */
  status: "online" | "voicemail" | "cellphone" | "callforward" | (string & {});
  /**
   * Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
   * inside or an outside number.
   */
  to?: string;
}
/**
 * The picture of a user has changed.
 *
 * When a user sets or removes a picture.
 *
 * Store the picture, or drop yours if `avatar` is absent. It is a picture of a person: if you do not
 * need it, filter the event out before it reaches your bus. A resync does not cover it.
 *
 * CloudEvents type: `cti.event.userProfileAvatarUpdate.v1`.
 */
export interface UserProfileAvatarUpdate {
  /**
   * The user.
   */
  username: string;
  /**
   * The picture as a data URI, in Base64. Absent if it was removed.
   */
  avatar?: string;
}
