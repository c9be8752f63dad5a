//! Transcripts, summaries and camera frames.

use serde::{Deserialize, Serialize};

/// The summary of a call is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SatelliteSummary {
    /// Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    pub uniqueid: String,
    /// Id shared by all channels of the call, in the same form. May be absent.
    pub linkedid: Option<String>,
    /// Name of the party to show. May be absent.
    pub display_name: Option<String>,
    /// Number of the party to show. May be absent.
    pub display_number: Option<String>,
}

/// A piece of live transcription: what somebody just said in a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SatelliteTranscription {
    /// Asterisk's unique id of the channel: Unix seconds, a dot and a counter, as a string.
    pub uniqueid: String,
    /// What was said.
    pub transcription: String,
    /// Start of the words, in seconds from the start of the conversation, with decimals. Not a Unix time.
    pub timestamp: f64,
    /// Name of the speaker.
    pub speaker_name: String,
    /// Number of the speaker.
    pub speaker_number: String,
    /// Name of the other party.
    pub speaker_counterpart_name: String,
    /// Number of the other party.
    pub speaker_counterpart_number: String,
    /// True for a final result, false for an interim one.
    pub is_final: bool,
}

/// A new frame of a video source, such as a door camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamingSourceUpdate {
    /// The frame.
    pub streaming: StreamingSource,
}

/// The frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamingSource {
    /// Id of the video source.
    pub source: String,
    /// The frame: a JPEG picture in Base64, without a data URI prefix.
    pub image: String,
}
