//! Types for the data of each event, for consumers written in Rust.
//!
//! They follow the schemas of the catalogue; a test compares them field by field. A PBX or a bridge may be newer: unknown
//! fields are ignored, and a text may have values that its documentation does not list. A field that may be absent or null
//! is an `Option`, and is null when it is serialised.

mod call;
mod client;
mod conference;
mod delivery;
mod extension;
mod media;
mod queue;
mod session;
mod state;
mod trunk;
mod user;
mod voicemail;

pub use call::{Call, CallLeg, CallParty, CallTransfer};
pub use client::{ActionNethLink, AnswerWebrtc, CallWebrtc, Message, ServerReloaded, UpdateDefaultDevice};
pub use conference::{ConfBridgeEnd, ConfBridgeUpdate, ConferenceUser, MeetmeConfEnd, MeetmeConfUpdate};
pub use delivery::{
    BridgeDeadlettered, BridgeLost, BridgeReconfigured, BridgeRewound, Component, DlqDeadletter,
    StatusHeartbeat, StatusHeartbeatCounters,
};
pub use extension::{
    Channel, Conversation, ExtenConnected, ExtenConvConnected, ExtenHangup, ExtenRinging, ExtenUpdate,
};
pub use media::{SatelliteSummary, SatelliteTranscription, StreamingSource, StreamingSourceUpdate};
pub use queue::{QmAlarm, QueueMember, QueueMemberUpdate, QueueUpdate, WaitingCaller};
pub use session::{
    BridgeAuthFailed, BridgeConnected, BridgeDisconnected, BridgeFeedSilent, BridgeGap, BridgeStarted,
    BridgeStopping, BridgeTakenover,
};
pub use state::{BridgeDrift, BridgeResyncCompleted, BridgeResyncStarted, BridgeVanished, FailedSnapshot};
pub use trunk::{ParkedCaller, ParkingUpdate, TrunkConversation, TrunkUpdate};
pub use user::{
    MainPresence, Presence, PresenceOnBusy, PresenceOnUnavailable, UserMainPresenceUpdate,
    UserPresenceUpdate, UserProfileAvatarUpdate,
};
pub use voicemail::{MailboxCounters, NewVoiceMessageCounter, UpdateNewVoiceMessages};

/// Defines [`Data`] from pairs of `CloudEvents` types and type.
macro_rules! data {
    ($($($name:literal)|+ => $model:ident,)*) => {
        /// The data of an event of a known type.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the types say it")]
        #[allow(clippy::large_enum_variant, reason = "a value lives as long as the handling of one event")]
        pub enum Data {
            $($model($model),)*
        }

        impl Data {
            /// Parses the data of an event; `ce_type` is its `CloudEvents` attribute `type`. `None` if this version does
            /// not know the type.
            ///
            /// # Errors
            /// The data has not the shape of that type.
            pub fn parse(ce_type: &str, data: &[u8]) -> Result<Option<Self>, serde_json::Error> {
                Ok(Some(match ce_type {
                    $($($name)|+ => Self::$model(serde_json::from_slice(data)?),)*
                    _ => return Ok(None),
                }))
            }
        }
    };
}

data! {
    "cti.event.extenUpdate.v1" => ExtenUpdate,
    "cti.event.extenRinging.v1" => ExtenRinging,
    "cti.event.extenConnected.v1" => ExtenConnected,
    "cti.event.extenConvConnected.v1" => ExtenConvConnected,
    "cti.event.extenHangup.v1" => ExtenHangup,
    "cti.event.actionNethLink.v1" => ActionNethLink,
    "cti.event.answerWebrtc.v1" => AnswerWebrtc,
    "cti.event.callWebrtc.v1" => CallWebrtc,
    "cti.event.updateDefaultDevice.v1" => UpdateDefaultDevice,
    "cti.event.message.v1" => Message,
    "cti.event.serverReloaded.v1" => ServerReloaded,
    "cti.event.trunkUpdate.v1" => TrunkUpdate,
    "cti.event.parkingUpdate.v1" => ParkingUpdate,
    "cti.event.queueUpdate.v1" => QueueUpdate,
    "cti.event.queueMemberUpdate.v1" => QueueMemberUpdate,
    "cti.event.qmAlarm.v1" => QmAlarm,
    "cti.event.userMainPresenceUpdate.v1" => UserMainPresenceUpdate,
    "cti.event.userPresenceUpdate.v1" => UserPresenceUpdate,
    "cti.event.userProfileAvatarUpdate.v1" => UserProfileAvatarUpdate,
    "cti.event.newVoiceMessageCounter.v1" => NewVoiceMessageCounter,
    "cti.event.updateNewVoiceMessages.v1" => UpdateNewVoiceMessages,
    "cti.event.confBridgeUpdate.v1" => ConfBridgeUpdate,
    "cti.event.confBridgeEnd.v1" => ConfBridgeEnd,
    "cti.event.meetmeConfUpdate.v1" => MeetmeConfUpdate,
    "cti.event.meetmeConfEnd.v1" => MeetmeConfEnd,
    "cti.event.satellite=2Fsummary.v1" => SatelliteSummary,
    "cti.event.satellite=2Ftranscription.v1" => SatelliteTranscription,
    "cti.event.streamingSourceUpdate.v1" => StreamingSourceUpdate,
    "cti.bridge.started.v1" => BridgeStarted,
    "cti.bridge.connected.v1" => BridgeConnected,
    "cti.bridge.disconnected.v1" => BridgeDisconnected,
    "cti.bridge.gap.v1" => BridgeGap,
    "cti.bridge.auth.failed.v1" => BridgeAuthFailed,
    "cti.bridge.takenover.v1" => BridgeTakenover,
    "cti.bridge.feed.silent.v1" => BridgeFeedSilent,
    "cti.bridge.stopping.v1" => BridgeStopping,
    "cti.bridge.deadlettered.v1" => BridgeDeadlettered,
    "cti.bridge.lost.v1" => BridgeLost,
    "cti.bridge.reconfigured.v1" => BridgeReconfigured,
    "cti.bridge.rewound.v1" => BridgeRewound,
    "cti.bridge.deadletter.v1" => DlqDeadletter,
    "cti.bridge.heartbeat.v1" => StatusHeartbeat,
    "cti.bridge.resync.started.v1" => BridgeResyncStarted,
    "cti.bridge.resync.completed.v1" => BridgeResyncCompleted,
    "cti.bridge.vanished.v1" => BridgeVanished,
    "cti.bridge.drift.v1" => BridgeDrift,
    "cti.call.started.v1" | "cti.call.ringing.v1" | "cti.call.queued.v1" | "cti.call.dequeued.v1" | "cti.call.answered.v1" | "cti.call.joined.v1" | "cti.call.held.v1" | "cti.call.resumed.v1" | "cti.call.parked.v1" | "cti.call.unparked.v1" | "cti.call.transferred.v1" | "cti.call.merged.v1" | "cti.call.state.v1" | "cti.call.ended.v1" => Call,
}

#[cfg(test)]
mod tests;
