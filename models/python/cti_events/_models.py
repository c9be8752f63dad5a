"""Models of the data of events. Generated from the schemas by models/generate."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel


class ActionNethLink(RootModel[list[str]]):
    """
    A command to the NethLink desktop client: open a link that controls the user's desk telephone.

    When the user acts on a desk telephone through NethLink, to the user's own sessions. The bridge
    drops and counts it unless `publish_action_nethlink = true`.

    Treat the link as a secret: it can contain the telephone's admin user name and password. Leave it
    switched off unless you need it. There are two arguments, so the data is an array: first the link,
    then its type.

    CloudEvents type: `cti.event.actionNethLink.v1`.
    """

    root: list[str]
    """
    A command to the NethLink desktop client: open a link that controls the user's desk telephone.

    When the user acts on a desk telephone through NethLink, to the user's own sessions. The bridge
    drops and counts it unless `publish_action_nethlink = true`.

    Treat the link as a secret: it can contain the telephone's admin user name and password. Leave it
    switched off unless you need it. There are two arguments, so the data is an array: first the link,
    then its type.

    CloudEvents type: `cti.event.actionNethLink.v1`.
    """


class AnswerWebrtc(RootModel[str]):
    root: str
    """
    A command to the user's browser telephone: answer the ringing call.

    When the user answers through the PBX's API with a browser telephone, to the user's own sessions.

    Meant for the user's client. Nothing to do for a consumer; `extenUpdate` shows the answered call.
    The data is a bare string.

    CloudEvents type: `cti.event.answerWebrtc.v1`.
    """


class BridgeAuthFailed(BaseModel):
    """
    A login failed.

    When the PBX refuses a login or cannot answer it, once for each new reason of an outage.

    Alert somebody if `operator` is true: the bridge cannot solve it alone. `detail` says what to do. No
    events arrive until the next `connected`.

    CloudEvents type: `cti.bridge.auth.failed.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    reason: str
    """
    Why the login failed. `credentials_refused` also occurs while the PBX starts.

    Known values: `credentials_refused`, `credentials_missing`, `otp_required`, `otp_not_enrolled`,
    `otp_refused`, `otp_secret_invalid`, `token_refused`, `token_unrecognised`, `token_withdrawn`,
    `session_dead`, `session_refused`, `session_unanswered`, `unreachable`, `untrusted`, `rate_limited`,
    `server_error`, `no_api`, `configuration`; others may follow.
    """
    detail: str
    """
    The reason in words with the remedy, for people. Its text may change between versions.
    """
    operator: bool
    """
    True if somebody must act.
    """
    failures: int
    """
    Number of consecutive refusals.
    """
    slow: bool
    """
    True if attempts are now minutes apart, because more of them might lock the account.
    """
    retryIn: int
    """
    Time until the next attempt, in seconds.
    """


class BridgeConnected(BaseModel):
    """
    A session with the PBX is live.

    When the PBX has accepted a login, directly after the session's `gap`.

    Check `sees` and `privacy` to learn which events you will never receive and which numbers are
    masked. A change between two sessions means that somebody has edited the profile.

    CloudEvents type: `cti.bridge.connected.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    user: str
    """
    User name of the service account.
    """
    profile: str | None
    """
    Name of the account's profile on the PBX; null if the account has none.
    """
    sees: list[str]
    """
    Rights of the profile that open events or snapshots.
    """
    privacy: bool | None
    """
    True if the PBX masks numbers and names for the account; null if unknown.
    """


class BridgeDeadlettered(BaseModel):
    """
    A broker has refused an event permanently.

    When a broker refuses an event for what it is, such as its size.

    Consumers of that sink miss this event: treat it like a gap of one. A dead letter describes it, and
    a journal on disk keeps the event in its `dead/` directory.

    CloudEvents type: `cti.bridge.deadlettered.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    sink: str
    """
    Name of the sink whose broker refused it.
    """
    sequence: int
    """
    Sequence of the event.
    """
    reason: str
    """
    The broker's reason in words. Its text may change between versions.
    """


class BridgeDisconnected(BaseModel):
    """
    A session has ended.

    When the connection breaks, the PBX ends the session, or the bridge gives it up.

    The state you hold may be stale from here on. Wait for the next `gap`, which says what may have been
    missed.

    CloudEvents type: `cti.bridge.disconnected.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    reason: str
    """
    Why the session ended.

    Known values: `connection_closed`, `connection_failed`, `silent`, `namespace_closed`,
    `login_refused`, `server_reloaded`, `taken_over`, `feed_silent`, `requested`, `stopping`,
    `internal`; others may follow.
    """
    detail: str
    """
    The reason in words, for people. Its text may change between versions.
    """


class BridgeDrift(BaseModel):
    """
    The PBX has sent something that this catalogue does not describe.

    When the bridge finds an unknown event, an unknown or missing field, another type or a new value in
    an event that it samples: the first ten of each name in a session, then one in a thousand. It
    follows that event.

    Check whether your consumer can handle the difference, and report it to the project. The event
    itself is published unchanged. No value ever appears here, only names and places.

    CloudEvents type: `cti.bridge.drift.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    event: str
    """
    Socket.IO name of the event, cut to 64 characters and masked.
    """
    path: str
    """
    Place in the data: a JSON Pointer in which map keys and array indexes are replaced by `*`. Field
    names are cut to 64 characters and masked. `''` is the data itself.
    """
    kind: str
    """
    Kind of the difference. `new_value` is a word that is not among the known ones.

    Known values: `unknown_event`, `unknown_field`, `missing_field`, `other_type`, `new_value`; others
    may follow.
    """
    count: int
    """
    Number of sampled events that have shown the difference since its last notice, including the event
    that caused this one. 1 in the first notice.
    """


class BridgeFeedSilent(BaseModel):
    """
    The session is up, but has delivered nothing for longer than a PBX with queues is ever quiet.

    When the time in `dead_feed_after` has passed without an event. The bridge then opens a new session.

    Treat your state as uncertain since `lastEvent`. A `disconnected` and a `gap` with the reason
    `feed_silent` follow. If it recurs, look for a fault in the PBX or a proxy.

    CloudEvents type: `cti.bridge.feed.silent.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    since: str
    """
    Start of the session. RFC 3339 in UTC with six decimals.
    """
    lastEvent: str | None
    """
    Time of the PBX's last event; null if the session has delivered none. RFC 3339 in UTC with six
    decimals.
    """


class BridgeGap(BaseModel):
    """
    Events may have been missed.

    Before the first event of every session, also after a crash of the bridge.

    Treat your state as uncertain for the events in `mayHaveMissed`. The snapshot events that follow
    repair it; wait for `resync.completed` if you must know. If `mayHaveMissed` is empty, nothing was
    missed. Never take a gap for the end of calls.

    CloudEvents type: `cti.bridge.gap.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    reason: str
    """
    Why events may have been missed.

    Known values: `started`, `disconnected`, `server_reloaded`, `taken_over`, `feed_silent`,
    `requested`, `restarted`, `crashed`; others may follow.
    """
    from_: str | None = Field(..., alias="from")
    """
    Last moment at which the feed was certainly complete; null if unknown. RFC 3339 in UTC with six
    decimals.
    """
    to: str
    """
    Moment from which events are received again. RFC 3339 in UTC with six decimals.
    """
    lastSequence: int | None
    """
    Last sequence before the gap; null if unknown.
    """
    skipped: list[int] | None
    """
    First and last sequence that were never given to an event; null if there are none.
    """
    certain: bool
    """
    True if records are known to be lost, false if they may be.
    """
    mayHaveMissed: list[str]
    """
    State events that may have been missed, among those that the account can see.
    """


class BridgeLost(BaseModel):
    """
    Records will never reach a sink.

    When records are dropped before the sink could deliver them.

    Treat it like a gap for the events of that sequence range. If state events are among them, a resync
    with the reason `lost` follows by itself. Raise the journal's limits or repair the sink, as the
    reason says.

    CloudEvents type: `cti.bridge.lost.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    sink: str
    """
    Name of the sink.
    """
    count: int
    """
    Number of records.
    """
    reason: str
    """
    Why they are lost.

    Known values: `journal_full`, `quota`, `expired`, `disk`, `damaged`, `forgotten`, `superseded`;
    others may follow.
    """
    from_: int | None = Field(..., alias="from")
    """
    First sequence; null if the source of the records is unknown. Every source then gets the notice.
    """
    to: int | None
    """
    Last sequence; null if `from` is.
    """


class BridgeReconfigured(BaseModel):
    """
    A sink has new rules: a reload of the configuration changed what it gets, or in which form.

    When a reload changes a sink's routes, privacy, subject, `dataschema` or heartbeat. Every source
    gets one, right before its first event under the new rules.

    Expect other events, names or values from here on if `sink` is the sink you read from. Nothing is
    lost: it doesn't change `ctigap`.

    CloudEvents type: `cti.bridge.reconfigured.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    sink: str
    """
    Name of the sink.
    """
    generation: int
    """
    Number of its rules since the bridge started. The rules of the start are 1.
    """


class BridgeResyncStarted(BaseModel):
    """
    The bridge reads the PBX's state.

    After each login unless `resync = false`, then every `resync_interval`, on request, and after a
    loss.

    Snapshot events follow, marked `ctiorigin=snapshot`, with live events among them. Apply both in
    order: the newest event of a name and subject is always its newest state.

    CloudEvents type: `cti.bridge.resync.started.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    reason: str
    """
    Why the state is read.

    Known values: `connected`, `scheduled`, `requested`, `retried`, `lost`; others may follow.
    """
    snapshots: list[str]
    """
    Snapshots to read.
    """


class BridgeRewound(BaseModel):
    """
    A broker has lost events that it had acknowledged. The bridge sends them again.

    When a sink reconnects and the broker's newest event is older than the last one it acknowledged.

    Expect events that you have already seen, with the same ids and sequences. Skip every sequence that
    is not above your last one.

    CloudEvents type: `cti.bridge.rewound.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    sink: str
    """
    Name of the sink.
    """
    from_: int = Field(..., alias="from")
    """
    First sequence that is sent again.
    """


class BridgeStarted(BaseModel):
    """
    The bridge has started.

    When the bridge starts, once for each source, before its first session.

    Note the version. No action is needed: what may be missing is announced by `gap`.

    CloudEvents type: `cti.bridge.started.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    version: str
    """
    Version of the bridge.
    """


class BridgeStopping(BaseModel):
    """
    The bridge stops.

    When the bridge has ended its sessions and is about to exit. After a crash it is missing.

    No events follow until the next `started`. What happens on the PBX meanwhile is covered by the next
    `gap` and resync.

    CloudEvents type: `cti.bridge.stopping.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    reason: str
    """
    Why the bridge stops: the name of a signal, or a short sentence.

    Known values: `SIGTERM`, `SIGINT`, `task exited unexpectedly`, `the limit is reached`, `drained`,
    `undelivered`, `a sink's destination is gone`; others may follow.
    """


class BridgeTakenover(BaseModel):
    """
    Another session of the same account and `ua_type` has asked for this session's place.

    When the PBX asks the session to make way.

    Find the other program if `contested` is true, and give each an account of its own. With `until`
    null and the policy `yield`, the bridge stays away until an operator asks for it.

    CloudEvents type: `cti.bridge.takenover.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    policy: str | None
    """
    Policy in effect (`on_takeover`); null if none applies, because the session has no `ua_type`. The
    request is then ignored.

    Known values: `stand-by`, `yield`, `reclaim`; others may follow.
    """
    until: str | None
    """
    When the bridge reconnects; null if it keeps the session, or waits for an operator. RFC 3339 in UTC
    with six decimals.
    """
    contested: bool
    """
    True if the sessions compete: the place has changed hands several times recently.
    """


class BridgeVanished(BaseModel):
    """
    An entity no longer exists on the PBX.

    When two snapshots at least 10 s apart lack an entity that an earlier one had.

    Forget the state of that event and subject. What is deleted while the bridge is stopped is not
    noticed.

    CloudEvents type: `cti.bridge.vanished.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    event: str
    """
    Name of the event that carried the state.

    Known values: `extenUpdate`, `newVoiceMessageCounter`, `parkingUpdate`, `queueMemberUpdate`,
    `queueUpdate`, `trunkUpdate`, `userMainPresenceUpdate`, `userPresenceUpdate`; others may follow.
    """
    subject: str
    """
    CloudEvents `subject` of those events, such as `extension/299`.
    """


class CallLeg(BaseModel):
    """
    A leg: one extension's part in the call.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    extension: str
    """
    Number of the extension.
    """
    user: str | None = None
    """
    User who owns the extension. Absent if nobody does.
    """
    state: str
    """
    Connection state as in ECMA-269 (CSTA). `null` means that the leg has ended.

    Known values: `initiated`, `alerting`, `connected`, `hold`, `null`; others may follow.
    """
    channel: str
    """
    Name of the extension's Asterisk channel, or its unique id if the PBX does not name the channel. It
    can contain a telephone number.
    """
    uniqueid: str
    """
    Asterisk's unique id of the channel. It matches `uniqueid` in the PBX's call detail records.
    """
    since: str
    """
    When the state of the leg changed last. RFC 3339 in UTC with six decimals.
    """
    outcome: str | None = None
    """
    How the leg ended. Absent while it goes on.

    Known values: `answered`, `missed`, `unknown`; others may follow.
    """


class CallParty(BaseModel):
    """
    A party of a call.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    number: str | None = None
    """
    Number, as the PBX shows it. Absent if unknown. If the PBX masks numbers for the account, the last
    three characters are `xxx`.
    """
    name: str | None = None
    """
    Name, as the PBX shows it. Absent if unknown.
    """
    extension: str | None = None
    """
    Extension of the PBX. Absent for an outside party and for a queue.
    """
    user: str | None = None
    """
    User who owns the extension. Absent if unknown.
    """


class CallTransfer(BaseModel):
    """
    The transfer. Only with the step `transferred`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    by: CallParty
    """
    The party that transferred the call.
    """
    from_: CallParty = Field(..., alias="from")
    """
    The party that was replaced.
    """
    to: CallParty
    """
    The party that replaced it.
    """
    kind: str
    """
    `blind` if the new party rang after the transferring one had left, `attended` if the two had a call
    before, `unknown` if that was not visible.

    Known values: `blind`, `attended`, `unknown`; others may follow.
    """


class CallWebrtc(RootModel[str]):
    root: str
    """
    A command to the user's browser telephone: call a number.

    When the user starts a call through the PBX's API with a browser telephone, to the user's own
    sessions.

    Meant for the user's client. Nothing to do for a consumer; `extenUpdate` shows the call. The data is
    a bare string, the number to call, which is often an outside number. It has no subject for that
    reason.

    CloudEvents type: `cti.event.callWebrtc.v1`.
    """


class Channel(BaseModel):
    """
    The channel of one side of a conversation.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    type: str
    """
    Side of the call: `source` is the calling channel, `dest` the called one.

    Known values: `source`, `dest`; others may follow.
    """
    channel: str
    """
    Name of the Asterisk channel, such as `PJSIP/201-0000000a`. It can contain `/`, `@`, `;` and a
    telephone number.
    """
    callerNum: str
    """
    Number of the party on this channel. If the PBX masks numbers for the account, the last three
    characters are `xxx`.
    """
    callerName: str
    """
    Name of the party on this channel; `''` if unknown. If the PBX masks names for the account, it is
    `xxx`.
    """
    bridgedNum: str
    """
    Number of the party on the other channel; `<unknown>` if Asterisk does not know it. If the PBX masks
    numbers for the account, the last three characters are `xxx`.
    """
    bridgedName: str
    """
    Name of the party on the other channel; `''` or `<unknown>` if unknown. If the PBX masks names for
    the account, it is `xxx`.
    """
    bridgedChannel: str | None = None
    """
    Name of the other channel; `''` or absent until both are connected.
    """
    channelStatus: str
    """
    State of the channel in Asterisk.

    Known values: `down`, `reserved`, `offhook`, `dialing`, `ring`, `ringing`, `up`, `busy`,
    `dialing_offhook`, `prering`; others may follow.
    """
    inConference: bool | None = None
    """
    True if the channel is in a conference.
    """
    startTime: int
    """
    When the channel was created: Unix time in milliseconds, rounded down to a second.
    """


class Component(BaseModel):
    """
    Health of a component.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    state: str
    """
    State: `pending` is starting or connecting without a failure so far, `active` works, `failing` does
    not work and is retried.

    Known values: `pending`, `active`, `failing`; others may follow.
    """
    reason: str | None = None
    """
    Why it fails, in words with the remedy. Present only while it fails.
    """
    since: str
    """
    Time of the last change of state; for a failing component, the start of the outage. RFC 3339 in UTC
    with six decimals.
    """
    neverActive: bool | None = None
    """
    True if the component has never worked since the bridge was started; otherwise absent.
    """
    warnings: dict[str, str] | None = None
    """
    Warnings that need attention although the component works; absent if there are none.

    Key: Topic of the warning, such as `certificate`, `privacy` or the name of a missing right.
    """
    missingRights: list[str] | None = None
    """
    Rights that the account lacks. Only for a source, after its first login.
    """
    privacy: bool | None = None
    """
    True if the PBX masks numbers and names for the account. Only for a source, after its first login.
    """
    retryAt: str | None = None
    """
    Time of the next attempt; absent if none is scheduled. RFC 3339 in UTC with six decimals.
    """


class ConfBridgeEnd(BaseModel):
    """
    A conference has ended.

    When the last participant has left or the owner has ended the conference, to the sessions of the
    owner. Newer PBX versions send this event; others send `meetmeConfEnd` instead.

    Forget the participants from `confBridgeUpdate`. A service account without an extension never
    receives it.

    CloudEvents type: `cti.event.confBridgeEnd.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conference: the extension of its owner.
    """


class ConferenceUser(BaseModel):
    """
    A participant.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Number of the participant within the conference, from 1. A number as a string.
    """
    name: str
    """
    Name of the participant.
    """
    owner: bool
    """
    True if the participant owns the conference.
    """
    muted: bool
    """
    True if the participant is muted.
    """
    extenId: str
    """
    Extension of the participant.
    """
    site: str | dict[str, Any] | None = None
    """
    Remote site of the participant. Absent or null for this site.
    """
    prefix: str | None = None
    """
    Prefix to dial for the remote site. Absent or null for this site.
    """


class Conversation(BaseModel):
    """
    A conversation: the extension's view of one call.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty. It
    changes when a channel is replaced, as in a transfer.
    """
    owner: str
    """
    Extension that this view belongs to.
    """
    direction: str
    """
    `out` if the extension called, `in` if it was called.

    Known values: `in`, `out`; others may follow.
    """
    connected: bool
    """
    True once both sides talk. False while it rings.
    """
    duration: int
    """
    Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the
    event, so it differs between two otherwise equal events.
    """
    startTime: int
    """
    When the conversation began: Unix time in milliseconds.
    """
    uniqueId: str
    """
    Asterisk's unique id of the extension's channel: Unix seconds, a dot and a counter. It is a string.
    It matches `uniqueid` in the call detail records.
    """
    linkedId: str
    """
    Id shared by all channels of one call, in the form of `uniqueId`. It can change when two calls are
    joined.
    """
    queueId: str | None = None
    """
    Number of the queue that the call came through; `''` or absent if none.
    """
    throughQueue: bool
    """
    True if the call came through a queue.
    """
    throughTrunk: bool | None = None
    """
    True if the other party is outside. Absent until the PBX knows.
    """
    inConference: bool
    """
    True if the call is part of a conference.
    """
    recording: str
    """
    State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused. In
    many languages the string `"false"` counts as true: compare the text.

    Known values: `false`, `true`, `mute`; others may follow.
    """
    counterpartNum: str
    """
    Number of the other party, inside or outside. If the PBX masks numbers for the account, the last
    three characters are `xxx`.
    """
    counterpartName: str
    """
    Name of the other party; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    """
    chSource: Channel | None
    """
    The calling channel. Null if the conversation has none: while it is being set up, or because the
    call was already ringing when the PBX server started.
    """
    chDest: Channel | None
    """
    The called channel. Null if the conversation has none: while it is being set up, or because the call
    was already ringing when the PBX server started.
    """


class DlqDeadletter(BaseModel):
    """
    An event that a broker has refused permanently.

    When a broker refuses an event for what it is, such as its size. If the dead letter is refused as
    well, it is counted and not sent again.

    Find out why the broker refused it: often a size limit. The CloudEvents id is `<original
    id>-<sink>`. A journal on disk keeps the original in its `dead/` directory. The subject of the
    CloudEvent is that of the original.

    CloudEvents type: `cti.bridge.deadletter.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    sink: str
    """
    Name of the sink whose broker refused the event.
    """
    id: str
    """
    CloudEvents `id` of the event.
    """
    sequence: int
    """
    Sequence of the event.
    """
    source: str
    """
    CloudEvents `source` of the event, `/cti/<source>`.
    """
    type: str
    """
    CloudEvents `type` of the event.
    """
    destination: str
    """
    Subject or topic at the broker.
    """
    reason: str
    """
    The broker's reason in words. Its text may change between versions.
    """
    time: str
    """
    When the bridge read the event: the CloudEvents `time`. RFC 3339 in UTC with six decimals.
    """
    size: int
    """
    Size of the event's data in bytes.
    """
    sha256: str
    """
    SHA-256 of the event's data, in hexadecimal.
    """
    payload: dict[str, Any] | list[Any] | str | float | bool | None = None
    """
    The event's data, masked and filtered as this sink would have published it. Absent if it is not
    valid JSON or too large for the broker.
    """


class ExtenConnected(BaseModel):
    """
    A call of one of the account's own extensions was answered.

    When a call connects, to the sessions of the extension's owner only. `extenConvConnected` follows
    immediately.

    Use `extenConvConnected` instead: it names both parties and the call. The only field has the name of
    the event.

    CloudEvents type: `cti.event.extenConnected.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    extenConnected: str
    """
    The extension.
    """


class ExtenConvConnected(BaseModel):
    """
    A call of one of the account's own extensions was answered, with both parties.

    Immediately after `extenConnected`, to the sessions of the extension's owner only.

    Relate it to `extenUpdate` by `linkedid`. Note the spelling: `uniqueid` and `linkedid` are lower
    case here, `uniqueId` and `linkedId` in conversations.

    CloudEvents type: `cti.event.extenConvConnected.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    num1: str
    """
    Number of one party, usually the account's own extension.
    """
    num2: str
    """
    Number of the other party.
    """
    direction: str
    """
    `out` if the extension called, `in` if it was called.

    Known values: `in`, `out`; others may follow.
    """
    uniqueid: str
    """
    Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    """
    linkedid: str
    """
    Id shared by all channels of one call, in the same form.
    """
    throughTrunk: bool
    """
    True if the other party is outside.
    """


class ExtenHangup(BaseModel):
    """
    A channel of one of the account's own extensions was hung up, with the cause.

    When a channel ends, to the sessions of the extension's owner only.

    The only event that says why a call ended. A service account does not see it and must not guess the
    cause: an id that disappears from `conversations` only says that the call ended.

    CloudEvents type: `cti.event.extenHangup.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    cause: str | None = None
    """
    Cause of the hang-up: a Q.850 cause in words. Absent if the PBX has no word for it.

    Known values: `not_defined`, `unallocated`, `no_route_transit_net`, `no_route_destination`,
    `misdialled_trunk_prefix`, `channel_unacceptable`, `call_awarded_delivered`, `pre_empted`,
    `number_ported_not_here`, `normal_clearing`, `user_busy`, `no_user_response`, `no_answer`,
    `subscriber_absent`, `call_rejected`, `number_changed`, `redirected_to_new_destination`,
    `answered_elsewhere`, `destination_out_of_order`, `invalid_number_format`, `facility_rejected`,
    `response_to_status_enquiry`, `normal_unspecified`, `normal_circuit_congestion`,
    `network_out_of_order`, `normal_temporary_failure`, `switch_congestion`, `access_info_discarded`,
    `requested_chan_unavail`, `facility_not_subscribed`, `outgoing_call_barred`, `incoming_call_barred`,
    `bearercapability_notauth`, `bearercapability_notavail`, `bearercapability_notimpl`,
    `chan_not_implemented`, `facility_not_implemented`, `invalid_call_reference`,
    `incompatible_destination`, `invalid_msg_unspecified`, `mandatory_ie_missing`,
    `message_type_nonexist`, `wrong_message`, `ie_nonexist`, `invalid_ie_contents`, `wrong_call_state`,
    `recovery_on_timer_expire`, `mandatory_ie_length_error`, `protocol_error`, `interworking`; others
    may follow.
    """
    callerNum: str
    """
    Number of the party on the channel.
    """
    channelExten: str
    """
    Extension that the channel belongs to.
    """
    calledNum: str
    """
    Number of the connected party; `<unknown>` if Asterisk does not know it.
    """


class ExtenRinging(BaseModel):
    """
    An extension of the account's user rings, with what the PBX knows about the caller.

    When an extension starts to ring, to the sessions of its owner only.

    Meant for the user's own screen. A service account follows calls through `extenUpdate`. `pbContact`
    is a complete address book record and `callerNotes` are free text: mask or filter them unless you
    need them.

    CloudEvents type: `cti.event.extenRinging.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    numCalled: str
    """
    Extension that rings.
    """
    callerNum: str
    """
    Number of the caller.
    """
    callerName: str
    """
    Name of the caller; `''` if unknown.
    """
    callerHasConf: bool
    """
    True if the caller has a conference.
    """
    pbContact: dict[str, Any] | None = None
    """
    The caller's record in the address book. Its fields depend on the PBX. Absent if there is none, or
    if the user may not see it.
    """
    callerNotes: list[dict[str, Any]] | None = None
    """
    Notes about the caller that the user may see. Absent if there are none.
    """


class ExtenUpdate(BaseModel):
    """
    The complete state of one extension, with its conversations.

    Whenever something about an extension changes: a call rings, is answered, held or ended; a telephone
    registers or drops out; do not disturb, forwarding or recording changes. A resync publishes it for
    every extension (`ctiorigin=snapshot`).

    Keep the newest one for each extension; it replaces the previous state completely. A service account
    owns no extension, so it follows calls through `conversations` only: compare with the previous
    event; a new id is a new call, an id that disappears is an ended call. Relate the views of one call
    by `linkedId`, and expect `chSource` or `chDest` to be null. Short states can be skipped: a call may
    be gone without ever having been `connected`, and a held call shows only as the status `onhold`.

    CloudEvents type: `cti.event.extenUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    exten: str
    """
    Number of the extension.
    """
    name: str
    """
    Name of the extension, usually that of its user.
    """
    username: str | None = None
    """
    User who owns the extension. Absent if nobody does.
    """
    status: str
    """
    State of the extension. `onhold` says that a call is held, but not which one if there are several.

    Known values: `online`, `offline`, `busy`, `ringing`, `busy_ringing`, `onhold`, `dnd`; others may
    follow.
    """
    ip: str | None = None
    """
    IP address of the telephone; `''` or absent if it is not registered.
    """
    port: str | None = None
    """
    Port of the telephone, a number as a string; `''` or absent if it is not registered.
    """
    mac: str | None = None
    """
    MAC address of the telephone; `''` or absent if unknown. With or without colons.
    """
    chanType: str
    """
    Channel technology.

    Known values: `sip`, `pjsip`; others may follow.
    """
    sipuseragent: str | None = None
    """
    User agent of the telephone: model and firmware. `''` or absent if it is not registered. Some models
    append their MAC address.
    """
    codecs: list[str]
    """
    Codecs that the extension may use.
    """
    context: str
    """
    Dialplan context of the extension.
    """
    useWebsocket: bool
    """
    True if the telephone is a browser or an app that connects over WebSocket (WebRTC).
    """
    dnd: bool
    """
    True if do not disturb is on.
    """
    cf: str
    """
    Number to which all calls are forwarded. `''` means off. If the PBX masks numbers for the account,
    the last three characters are `xxx`.
    """
    cfb: str
    """
    Number to which calls are forwarded while the extension is busy. `''` means off. If the PBX masks
    numbers for the account, the last three characters are `xxx`.
    """
    cfu: str
    """
    Number to which calls are forwarded while the extension is unavailable or does not answer. `''`
    means off. If the PBX masks numbers for the account, the last three characters are `xxx`.
    """
    cfVm: str
    """
    Mailbox to which all calls are forwarded. `''` means off.
    """
    cfbVm: str
    """
    Mailbox to which calls are forwarded while the extension is busy. `''` means off.
    """
    cfuVm: str
    """
    Mailbox to which calls are forwarded while the extension is unavailable or does not answer. `''`
    means off.
    """
    conversations: dict[str, Conversation]
    """
    The extension's current conversations; `{}` if it is idle.

    Key: Id of the conversation, as in its `id`.
    """


class FailedSnapshot(BaseModel):
    """
    A snapshot.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    snapshot: str
    """
    Path of the snapshot below the PBX's API.

    Known values: `/astproxy/extensions`, `/user/endpoints/all`, `/astproxy/queues`, `/astproxy/trunks`,
    `/astproxy/parkings`; others may follow.
    """
    reason: str
    """
    The reason in words with the remedy, for people. Its text may change between versions.
    """


class MailboxCounters(BaseModel):
    """
    The counters of the mailbox.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    inbox: str
    """
    Number of new messages. A number as a string.
    """
    old: str
    """
    Number of messages already heard. A number as a string.
    """


class MainPresence(BaseModel):
    """
    The presence.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    username: str
    """
    The user.
    """
    status: str
    """
    The presence. `busy`, `ringing` and `offline` come from the telephone, the others from the user's
    choice.

    Known values: `online`, `dnd`, `voicemail`, `cellphone`, `callforward`, `busy`, `ringing`,
    `offline`; others may follow.
    """
    to: str | None = None
    """
    Number to which calls are forwarded. Present only if the status is `callforward`. It can be an
    inside or an outside number.
    """


class MeetmeConfEnd(BaseModel):
    """
    A conference has ended.

    When the last participant has left or the owner has ended the conference, to the sessions of the
    owner. Older PBX versions send this event; others send `confBridgeEnd` instead.

    Forget the participants from `meetmeConfUpdate`. A service account without an extension never
    receives it.

    CloudEvents type: `cti.event.meetmeConfEnd.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conference: the extension of its owner.
    """


class MeetmeConfUpdate(BaseModel):
    """
    The participants of a conference have changed.

    When somebody joins, leaves, is muted or unmuted, to the sessions of the owner and of each
    participant. Older PBX versions send this event; others send `confBridgeUpdate` instead.

    Take `users` as the complete list of participants, and ignore repeated events. A service account
    without an extension never receives it; `inConference` in `extenUpdate` is what such an account
    sees. Handle `confBridgeUpdate` in the same way.

    CloudEvents type: `cti.event.meetmeConfUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conference: the extension of its owner.
    """
    users: dict[str, ConferenceUser]
    """
    Participants of the conference.

    Key: Extension of the participant, preceded by `prefix` for a participant of a remote site.
    """


class Message(BaseModel):
    """
    A message that one client sent to another through the PBX.

    When a client sends a message to the account's user. The PBX relays it without checks.

    Do not trust it: any client that reaches the PBX can send it, even without a login, with any
    content. Never act on it and never show its text as coming from the PBX.

    CloudEvents type: `cti.event.message.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    message: str | None = None
    """
    Kind of the message. Clients send `videoCallStart`, `screenSharingStart` and `screenSharingStop`,
    among others; any text is possible.
    """
    destUser: str | None = None
    """
    User whom the message is for.
    """
    callUser: str | None = None
    """
    User on the other side of the call. Absent in some messages.
    """
    roomId: str | None = None
    """
    Id of the video room. Absent in some messages.
    """


class NewVoiceMessageCounter(BaseModel):
    """
    The number of new messages in one mailbox.

    When a message is left, heard or deleted. A resync does not cover it.

    Keep the newest one for each mailbox to light a message lamp. After a gap the counter may be stale
    until the next event, because the PBX has no snapshot of it. Read `counter` as a number: it is
    usually a string.

    CloudEvents type: `cti.event.newVoiceMessageCounter.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    voicemail: str
    """
    The mailbox, named after its extension.
    """
    counter: str | int
    """
    Number of new messages. A number as a string; some paths of the PBX send a number.
    """


class ParkedCaller(BaseModel):
    """
    The parked caller; `{}` if the slot is empty, and then without any of its fields.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    num: str | None = None
    """
    Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
    """
    name: str | None = None
    """
    Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    """
    parking: str | None = None
    """
    Number of the slot.
    """
    channel: str | None = None
    """
    Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
    """
    timeout: int | None = None
    """
    Time left until the call returns, in seconds. The PBX computes it each time it writes the event.
    """
    parkeeNum: str | None = None
    """
    Extension that parked the call. If the PBX masks numbers for the account, the last three characters
    are `xxx`.
    """
    parkeeName: str | None = None
    """
    Name of the extension that parked the call. If the PBX masks names for the account, it is `xxx`.
    """


class ParkingUpdate(BaseModel):
    """
    The complete state of one parking slot.

    When a call is parked, fetched, or returns after the timeout; after a start or reload of the PBX
    once for each slot. A resync publishes it for every slot (`ctiorigin=snapshot`).

    Keep the newest one for each slot. An empty slot has `"parkedCaller": {}`, never null: test for
    `num` or `channel`. A parked caller carries a channel but no `linkedId`.

    CloudEvents type: `cti.event.parkingUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    name: str
    """
    Name of the slot, usually its number.
    """
    parking: str
    """
    Number of the slot.
    """
    timeout: int
    """
    Time after which a parked call returns, in seconds, as configured.
    """
    parkedCaller: ParkedCaller
    """
    The parked caller; `{}` if the slot is empty, and then without any of its fields.
    """


class Presence(BaseModel):
    """
    The general presence. Absent if the event is about another of the three presences.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    username: str
    """
    The user.
    """
    status: str
    """
    The presence that the user chose.

    Known values: `online`, `dnd`, `voicemail`, `cellphone`, `callforward`; others may follow.
    """
    to: str | None = None
    """
    Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    inside or an outside number.
    """


class PresenceOnBusy(BaseModel):
    """
    What happens to calls while the user is busy. `online` means that nothing special happens. Absent if
    the event is about another of the three presences.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    username: str
    """
    The user.
    """
    status: str
    """
    The presence that the user chose.

    Known values: `online`, `voicemail`, `cellphone`, `callforward`; others may follow.
    """
    to: str | None = None
    """
    Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    inside or an outside number.
    """


class PresenceOnUnavailable(BaseModel):
    """
    What happens to calls while the telephone is unreachable or nobody answers. `online` means that
    nothing special happens. Absent if the event is about another of the three presences.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    username: str
    """
    The user.
    """
    status: str
    """
    The presence that the user chose.

    Known values: `online`, `voicemail`, `cellphone`, `callforward`; others may follow.
    """
    to: str | None = None
    """
    Number to which calls are forwarded. Present only if the presence forwards to a number. It can be an
    inside or an outside number.
    """


class QmAlarm(BaseModel):
    """
    An alarm of the queue manager was raised, changed or cleared.

    When the PBX's monitoring (collectd) finds that a queue crosses a threshold, in either direction.

    Forward it to the supervisor of the queue. `okay` clears the alarm of the same `alarm` and `queue`.
    Repeated alarms are possible, and a resync does not cover them.

    CloudEvents type: `cti.event.qmAlarm.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    date: str
    """
    When the alarm was raised or cleared: ISO 8601 in UTC with milliseconds.
    """
    status: str
    """
    Severity; `okay` clears the alarm.

    Known values: `failure`, `warning`, `okay`; others may follow.
    """
    alarm: str
    """
    Kind of the alarm.

    Known values: `queueload`; others may follow.
    """
    queue: str
    """
    Number of the queue.
    """


class QueueMember(BaseModel):
    """
    A member, as in `queueMemberUpdate`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    type: str
    """
    `static` members are always in the queue; `dynamic` and `realtime` ones log in and out.

    Known values: `static`, `dynamic`, `realtime`; others may follow.
    """
    name: str
    """
    Name of the member.
    """
    queue: str
    """
    Number of the queue.
    """
    member: str
    """
    Extension of the member.
    """
    paused: bool
    """
    True if the member takes a break from this queue.
    """
    loggedIn: bool
    """
    True if the member is logged in to this queue.
    """
    callsTakenCount: int
    """
    Calls that the member has taken since the queue's statistics were last reset.
    """
    lastCallTimestamp: int
    """
    Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
    """
    lastPausedInReason: str
    """
    Reason of the last break, as chosen or typed by a person; `''` if none was given.
    """
    lastPausedInTimestamp: int
    """
    Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
    values above 100000000000 are milliseconds.
    """
    lastPausedOutTimestamp: int
    """
    End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older
    than the start, the break goes on.
    """


class QueueMemberUpdate(BaseModel):
    """
    The complete state of one member in one queue.

    When a member logs in or out, starts or ends a break, or takes a call of the queue. A resync
    publishes it for every member of every queue (`ctiorigin=snapshot`).

    Keep the newest one for each queue and member. An extension in two queues has two states. Note the
    units: these times are seconds, while those of conversations are milliseconds.

    CloudEvents type: `cti.event.queueMemberUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    type: str
    """
    `static` members are always in the queue; `dynamic` and `realtime` ones log in and out.

    Known values: `static`, `dynamic`, `realtime`; others may follow.
    """
    name: str
    """
    Name of the member.
    """
    queue: str
    """
    Number of the queue.
    """
    member: str
    """
    Extension of the member.
    """
    paused: bool
    """
    True if the member takes a break from this queue.
    """
    loggedIn: bool
    """
    True if the member is logged in to this queue.
    """
    callsTakenCount: int
    """
    Calls that the member has taken since the queue's statistics were last reset.
    """
    lastCallTimestamp: int
    """
    Time of the member's last call from this queue: Unix time in seconds; 0 if there was none.
    """
    lastPausedInReason: str
    """
    Reason of the last break, as chosen or typed by a person; `''` if none was given.
    """
    lastPausedInTimestamp: int
    """
    Start of the last break: Unix time in seconds; 0 if there was none. Some versions send milliseconds:
    values above 100000000000 are milliseconds.
    """
    lastPausedOutTimestamp: int
    """
    End of the last break, in the unit of `lastPausedInTimestamp`; 0 if there was none. If it is older
    than the start, the break goes on.
    """


class SatelliteSummary(BaseModel):
    """
    The summary of a call is ready.

    When a summary that the account's user asked for (`/summary/watch`) is ready. The PBX checks every 5
    s and gives up after 5 minutes. The bridge never asks for one.

    The event only announces the summary; the text itself is read through the PBX's API. Relate it to
    the call by `linkedid`, or by `uniqueid` if that is absent.

    CloudEvents type: `cti.event.satellite=2Fsummary.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    uniqueid: str
    """
    Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    """
    linkedid: str | None = None
    """
    Id shared by all channels of the call, in the same form. May be absent.
    """
    display_name: str | None = None
    """
    Name of the party to show. May be absent.
    """
    display_number: str | None = None
    """
    Number of the party to show. May be absent.
    """


class SatelliteTranscription(BaseModel):
    """
    A piece of live transcription: what somebody just said in a call.

    While a call is transcribed, to sessions that have started transcription and whose user takes part
    in the call. The bridge never starts it.

    Treat it like a call recording, with the same legal duties. Interim results have `is_final` false
    and are replaced by a later event with the same `uniqueid` and `timestamp`; keep only final ones.
    Events may arrive out of order: sort by `timestamp`.

    CloudEvents type: `cti.event.satellite=2Ftranscription.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    uniqueid: str
    """
    Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    """
    transcription: str
    """
    What was said.
    """
    timestamp: float
    """
    Start of the words, in seconds from the start of the conversation, with decimals. Not a Unix time.
    """
    speaker_name: str
    """
    Name of the speaker.
    """
    speaker_number: str
    """
    Number of the speaker.
    """
    speaker_counterpart_name: str
    """
    Name of the other party.
    """
    speaker_counterpart_number: str
    """
    Number of the other party.
    """
    is_final: bool
    """
    True for a final result, false for an interim one.
    """


class ServerReloaded(RootModel[list[Any]]):
    """
    The PBX has applied a new configuration.

    After an administrator has applied changes. While the PBX reloads it sends no updates.

    Nothing to do for a consumer. The bridge opens a new session, because only a new session sees
    changed permissions, and reads the state again: wait for the `gap` and the snapshot events that
    follow. There are no arguments, so the data is `[]`.

    CloudEvents type: `cti.event.serverReloaded.v1`.
    """

    root: list[Any]
    """
    The PBX has applied a new configuration.

    After an administrator has applied changes. While the PBX reloads it sends no updates.

    Nothing to do for a consumer. The bridge opens a new session, because only a new session sees
    changed permissions, and reads the state again: wait for the `gap` and the snapshot events that
    follow. There are no arguments, so the data is `[]`.

    CloudEvents type: `cti.event.serverReloaded.v1`.
    """


class StatusHeartbeatCounters(BaseModel):
    """
    Outcomes of the source's records at this sink, since the sink was added to the journal. `received`
    is the sum of the others and `pending`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    received: int
    """
    All records.
    """
    published: int
    """
    Records that the broker has acknowledged.
    """
    filtered: int
    """
    Records that a filter left out.
    """
    deadLettered: int
    """
    Records that the broker refused permanently.
    """
    lost: dict[str, int]
    """
    Records that were lost before delivery; `{}` if there are none.

    Key: Reason of the loss, as in the notice `lost`.
    """


class StreamingSource(BaseModel):
    """
    The frame.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    source: str
    """
    Id of the video source.
    """
    image: str
    """
    The frame: a JPEG picture in Base64, without a data URI prefix.
    """


class StreamingSourceUpdate(BaseModel):
    """
    A new frame of a video source, such as a door camera.

    Periodically, to accounts that have subscribed to the source through the PBX's API. The bridge does
    not subscribe.

    Expect it only if another program subscribes with the bridge's account. Then drop it with a filter,
    or keep only the newest frame of each source: frames are repeated and large.

    CloudEvents type: `cti.event.streamingSourceUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    streaming: StreamingSource
    """
    The frame.
    """


class TrunkConversation(BaseModel):
    """
    A conversation: the trunk's view of one call.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conversation: the names of its two channels, `source>dest`. Either side can be empty.
    """
    owner: str
    """
    Id of the trunk.
    """
    direction: str
    """
    `in` for a call from outside, `out` for a call to the outside.

    Known values: `in`, `out`; others may follow.
    """
    duration: int
    """
    Age of the conversation in seconds, ringing included. The PBX computes it each time it writes the
    event.
    """
    recording: str
    """
    State of the recording, **as a string**: `"false"`, `"true"`, or `"mute"` while it is paused.

    Known values: `false`, `true`, `mute`; others may follow.
    """
    throughQueue: bool
    """
    True if the call came through a queue.
    """
    internalNum: str | None = None
    """
    Number of the party inside; a queue's number while the caller waits in it. Absent for a call that
    was already ringing when the PBX server started. If the PBX masks numbers for the account, the last
    three characters are `xxx`.
    """
    internalName: str | None = None
    """
    Name of the party inside; `''` or absent if unknown. If the PBX masks names for the account, it is
    `xxx`.
    """
    externalNum: str | None = None
    """
    Number of the party outside. Absent for a call that was already ringing when the PBX server started.
    If the PBX masks numbers for the account, the last three characters are `xxx`.
    """
    externalName: str | None = None
    """
    Name of the party outside; `''` or absent if unknown. If the PBX masks names for the account, it is
    `xxx`.
    """
    chSource: Channel | None
    """
    The calling channel. Null if the conversation has none: while it is being set up, or because the
    call was already ringing when the PBX server started.
    """
    chDest: Channel | None
    """
    The called channel. Null if the conversation has none: while it is being set up, or because the call
    was already ringing when the PBX server started.
    """


class TrunkUpdate(BaseModel):
    """
    The complete state of one trunk: registration and, where enabled, its conversations.

    When the status, the registration or a recording of a trunk changes; with `trunks_events` enabled on
    the PBX, also when a call on it changes. A resync publishes it for every trunk if the profile grants
    `trunks` (`ctiorigin=snapshot`).

    Use it to alert on a trunk that is not `registered`. Do not count calls with it: NethVoice on NS8
    disables `trunks_events` by default, and then `conversations` goes stale; follow calls with
    `extenUpdate`. The event needs the right `presence_panel`; only the snapshot needs `trunks`.

    CloudEvents type: `cti.event.trunkUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    exten: str
    """
    Id of the trunk. Some sites name trunks after their telephone number.
    """
    name: str
    """
    Name of the trunk.
    """
    ip: str | None = None
    """
    IP address of the provider; `''` or absent if unknown.
    """
    port: str | None = None
    """
    Port of the provider, a number as a string; `''` or absent if unknown.
    """
    codecs: list[str]
    """
    Codecs that the trunk may use.
    """
    status: str
    """
    Whether the provider can be reached. `unmonitored` means that the PBX does not check.

    Known values: `online`, `offline`, `busy`, `unmonitored`; others may follow.
    """
    registration: str | None = None
    """
    State of the registration at the provider. `unmonitored` is normal for a trunk that does not
    register. Absent until it is known.

    Known values: `registered`, `unregistered`, `unmonitored`, `sent`, `rejected`, `noauth`, `failed`;
    others may follow.
    """
    chanType: str
    """
    Channel technology.

    Known values: `sip`, `pjsip`, `iax`; others may follow.
    """
    maxChannels: int
    """
    Maximum number of concurrent calls.
    """
    sipuseragent: str | None = None
    """
    User agent of the provider; `''` or absent if unknown.
    """
    conversations: dict[str, TrunkConversation]
    """
    Conversations on the trunk. Stale unless `trunks_events` is enabled on the PBX.

    Key: Id of the conversation, as in its `id`.
    """


class UpdateDefaultDevice(RootModel[str]):
    root: str
    """
    The user has chosen another telephone as the default one.

    When the user changes the default telephone, to the user's own sessions.

    A hint to the user's clients. The data is a bare string, the extension of the telephone.

    CloudEvents type: `cti.event.updateDefaultDevice.v1`.
    """


class UpdateNewVoiceMessages(RootModel[dict[str, MailboxCounters]]):
    """
    The numbers of new and old messages in one mailbox, for the users of that mailbox.

    When a message is left, heard or deleted, to the sessions of the users of that mailbox.

    Prefer `newVoiceMessageCounter`, which every account receives. Here the mailbox is the name of the
    object's only field, and both counters are strings.

    CloudEvents type: `cti.event.updateNewVoiceMessages.v1`.
    """

    root: dict[str, MailboxCounters]


class UserMainPresenceUpdate(BaseModel):
    """
    The effective presence of one user: the presence the user chose, combined with the state of the main
    extension.

    After every `extenUpdate` of an extension that has an owner, even if the presence did not change. A
    resync publishes it for every user (`ctiorigin=snapshot`).

    Use it to show whether a user can take a call. Most of these events repeat the previous one: compare
    before you act. The key is nested, in `mainPresence.username`.

    CloudEvents type: `cti.event.userMainPresenceUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    mainPresence: MainPresence
    """
    The presence.
    """


class UserPresenceUpdate(BaseModel):
    """
    One of the three presences that a user has chosen: the general one, the one for a busy line, or the
    one for an unavailable telephone.

    When a user changes a presence. A resync publishes all three for every user (`ctiorigin=snapshot`).

    Exactly one of the three fields is present. Each is a state of its own, with its own CloudEvents
    subject, so keep them apart. For what callers meet right now, use `userMainPresenceUpdate`.

    CloudEvents type: `cti.event.userPresenceUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    presence: Presence | None = None
    """
    The general presence. Absent if the event is about another of the three presences.
    """
    presence_onbusy: PresenceOnBusy | None = None
    """
    What happens to calls while the user is busy. `online` means that nothing special happens. Absent if
    the event is about another of the three presences.
    """
    presence_onunavailable: PresenceOnUnavailable | None = None
    """
    What happens to calls while the telephone is unreachable or nobody answers. `online` means that
    nothing special happens. Absent if the event is about another of the three presences.
    """


class UserProfileAvatarUpdate(BaseModel):
    """
    The picture of a user has changed.

    When a user sets or removes a picture.

    Store the picture, or drop yours if `avatar` is absent. It is a picture of a person: if you do not
    need it, filter the event out before it reaches your bus. A resync does not cover it.

    CloudEvents type: `cti.event.userProfileAvatarUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    username: str
    """
    The user.
    """
    avatar: str | None = None
    """
    The picture as a data URI, in Base64. Absent if it was removed.
    """


class WaitingCaller(BaseModel):
    """
    A waiting caller.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Same as `channel`.
    """
    channel: str
    """
    Name of the caller's Asterisk channel. It can contain `/`, `@` and `;`.
    """
    num: str
    """
    Number of the caller. If the PBX masks numbers for the account, the last three characters are `xxx`.
    """
    name: str
    """
    Name of the caller; `''` if unknown. If the PBX masks names for the account, it is `xxx`.
    """
    queue: str
    """
    Number of the queue.
    """
    position: str
    """
    Position in the queue, from 1. A number as a string.
    """
    waiting: int
    """
    Time waited so far, in seconds. The PBX computes it each time it writes the event.
    """
    waitingTime: int
    """
    Not a duration: the time at which the caller began to wait, as Unix time in milliseconds.
    """


class BridgeResyncCompleted(BaseModel):
    """
    The bridge has read the PBX's state.

    At the end of each resync. If the session ends first, it is not sent.

    From here on your state is complete, except for the snapshots in `refused`, `failed` and `empty`.
    Those delete nothing. A failed snapshot is retried; a refused one needs another permission in the
    account's profile.

    CloudEvents type: `cti.bridge.resync.completed.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    session: int
    """
    Number of the session, counted per source since the bridge was started.
    """
    counts: dict[str, int]
    """
    Snapshot events that were published.

    Key: Name of the event.
    """
    superseded: int
    """
    Entities that were left out because a newer live event has their state.
    """
    unusable: int
    """
    Values in the answers that describe no entity.
    """
    refused: list[str]
    """
    Snapshots that the account may not read.
    """
    failed: list[FailedSnapshot]
    """
    Snapshots that could not be read. They are retried.
    """
    empty: list[str]
    """
    Snapshots without any entity. They prove nothing: a PBX that is starting answers in the same way.
    """


class Call(BaseModel):
    """
    A step of a call, with the complete call as it is after the step.

    Directly behind the event that caused it, whose id is `causationid`. `ended` comes three seconds
    after the last leg has disappeared. Only if `[derive] calls` is on.

    Take `ringing` for a screen pop, `ended` for missed calls and call detail records. Keep one row per
    source and `call`: each event replaces the previous one completely. To count calls once, count
    `ended` without the outcome `merged`. If `certain` is false, treat times and outcome as estimates.
    The page Calls explains what the PBX shows and what it hides.

    CloudEvents type: `cti.call.started.v1`, `cti.call.ringing.v1`, `cti.call.queued.v1`,
    `cti.call.dequeued.v1`, `cti.call.answered.v1`, `cti.call.joined.v1`, `cti.call.held.v1`,
    `cti.call.resumed.v1`, `cti.call.parked.v1`, `cti.call.unparked.v1`, `cti.call.transferred.v1`,
    `cti.call.merged.v1`, `cti.call.state.v1`, `cti.call.ended.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    call: str
    """
    Key of the call: the number of the event that began it, with `-` and a counter if that event began
    several. It is the last token of the subject. Unique within the source.
    """
    linkedIds: list[str]
    """
    Linked ids that the PBX has given the call, the first one first. Empty until one is known. They
    match `linkedid` in the PBX's call detail records.
    """
    direction: str
    """
    Who called whom: an outside party a local one, a local party an outside one, or local parties each
    other. `unknown` until it is visible.

    Known values: `inbound`, `outbound`, `internal`, `unknown`; others may follow.
    """
    from_: CallParty = Field(..., alias="from")
    """
    The calling party.
    """
    to: CallParty
    """
    The called party: the one that answered, before that the one that was called.
    """
    originalFrom: CallParty
    """
    The first calling party. It never changes, not even when a transfer replaces the caller.
    """
    queue: str | None = None
    """
    Number of the queue that the caller waits in or has waited in. Absent if there was none.
    """
    parking: str | None = None
    """
    Parking slot that the call is in. Absent if it is in none.
    """
    throughTrunk: bool
    """
    True if a party is outside the PBX.
    """
    state: str
    """
    State of the call after the step.

    Known values: `initiated`, `ringing`, `queued`, `connected`, `held`, `parked`, `ended`; others may
    follow.
    """
    startedAt: str
    """
    Start of the call: the PBX's own time where it gives one, otherwise the time at which the bridge saw
    the call first. RFC 3339 in UTC with six decimals.
    """
    answeredAt: str | None = None
    """
    When the call was answered. Absent until then. RFC 3339 in UTC with six decimals.
    """
    endedAt: str | None = None
    """
    When the last leg, queue entry or parking slot disappeared. Only with the step `ended`. RFC 3339 in
    UTC with six decimals.
    """
    waitSeconds: float
    """
    Seconds from the start to the answer; for a call without an answer, to the end or to the step.
    """
    talkSeconds: float
    """
    Seconds from the answer to the end or to the step, including hold; 0 without an answer.
    """
    legs: list[CallLeg]
    """
    Legs in the order of their appearance, ended ones included, at most 64.
    """
    recording: bool
    """
    True while a leg is being recorded.
    """
    certain: bool
    """
    False if the bridge had to infer a part: from a snapshot or across a gap, or because a hold,
    transfer or merge was ambiguous.
    """
    leg: str | None = None
    """
    Channel of the leg that the step is about: the entry of `legs` with this `channel`. Absent if the
    step is about the call.
    """
    transfer: CallTransfer | None = None
    """
    The transfer. Only with the step `transferred`.
    """
    absorbed: str | None = None
    """
    Key of the call that has joined this one. Only with the step `merged`.
    """
    into: str | None = None
    """
    Key of the call that this one has joined. Only with the outcome `merged`.
    """
    outcome: str | None = None
    """
    How the call ended: `answered`; `missed` if nobody answered (not picked up, busy or rejected);
    `abandoned` if the caller left a queue without one; `merged` if it goes on as another call;
    `unknown` if the bridge did not see it. Only with the step `ended`.

    Known values: `answered`, `missed`, `abandoned`, `merged`, `unknown`; others may follow.
    """
    endedBetween: list[str] | None = None
    """
    Earliest and latest time of an end that a gap has hidden. Absent if the end was seen.
    """


class ConfBridgeUpdate(BaseModel):
    """
    The participants of a conference have changed.

    When somebody joins, leaves, is muted or unmuted, to the sessions of the owner and of each
    participant. Newer PBX versions send this event; others send `meetmeConfUpdate` instead.

    Take `users` as the complete list of participants, and ignore repeated events. A service account
    without an extension never receives it; `inConference` in `extenUpdate` is what such an account
    sees. Handle `meetmeConfUpdate` in the same way.

    CloudEvents type: `cti.event.confBridgeUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    id: str
    """
    Id of the conference: the extension of its owner.
    """
    users: dict[str, ConferenceUser]
    """
    Participants of the conference.

    Key: Extension of the participant, preceded by `prefix` for a participant of a remote site.
    """


class QueueUpdate(BaseModel):
    """
    The complete state of one queue: statistics, members and waiting callers.

    Every 60 s for each queue, and whenever a caller joins or leaves it. A resync publishes it for every
    queue (`ctiorigin=snapshot`).

    Keep the newest one for each queue; it replaces the previous state completely. Read the six
    statistics as numbers: they are strings. A waiting caller carries a channel but no `linkedId`, so
    relate callers to calls by channel. Queues named `ctiopqueue…` belong to the operator panel; the
    bridge's resync does not cover them.

    CloudEvents type: `cti.event.queueUpdate.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    queue: str
    """
    Number of the queue.
    """
    name: str
    """
    Name of the queue.
    """
    avgHoldTime: str
    """
    Average time that callers wait, in seconds. A number as a string.
    """
    avgTalkTime: str
    """
    Average duration of answered calls, in seconds. A number as a string.
    """
    completedCallsCount: str
    """
    Answered calls since the statistics were last reset. A number as a string.
    """
    abandonedCallsCount: str
    """
    Calls that ended before they were answered, since the statistics were last reset. A number as a
    string.
    """
    serviceLevelTimePeriod: str
    """
    Time within which a call should be answered, in seconds. A number as a string.
    """
    serviceLevelPercentage: str
    """
    Share of calls that were answered within that time, in percent with one decimal. A number as a
    string, such as `91.4`.
    """
    members: dict[str, QueueMember]
    """
    Members of the queue.

    Key: Extension of the member.
    """
    waitingCallers: dict[str, WaitingCaller]
    """
    Callers who are waiting; `{}` if there are none.

    Key: Channel of the caller.
    """


class StatusHeartbeat(BaseModel):
    """
    The bridge is alive, with its counters and the health of its components.

    Every 10 s from each sink, once for each source. It is neither numbered nor in the journal.

    Alert if it stays away for a minute, or if a component is `failing`. Compare `lastSequence` with
    your last one to see how far you lag behind. A heartbeat that gets lost is not sent again.

    CloudEvents type: `cti.bridge.heartbeat.v1`.
    """

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
    version: str
    """
    Version of the bridge.
    """
    lastSequence: int
    """
    Sequence of the source's newest record.
    """
    pending: int
    """
    Records of the source that this sink has not settled yet.
    """
    badFrames: int
    """
    Malformed frames of the source that were discarded.
    """
    counters: StatusHeartbeatCounters
    """
    Outcomes of the source's records at this sink, since the sink was added to the journal. `received`
    is the sum of the others and `pending`.
    """
    components: dict[str, Component]
    """
    Health of all components, those of other sources and sinks included.

    Key: Name of the component: `source/<name>`, `sink/<name>`, `journal`, `admin`.
    """
