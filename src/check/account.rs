//! The account: the API, login, one-time password, user and profile.

use std::{io::Write, time::Instant};

use jiff::{SignedDuration, Timestamp};

use super::{
    report::Report,
    step::{Fault, Found, Part, Stage},
};
use crate::{
    api::{self, Right},
    auth::{self, Account, AuthError, Claims, Credentials, Grant},
    exit::Exit,
    session::config::Config,
    socket::{ConnectError, Socket},
};

/// Clocks further apart than this want attention: one-time passwords are good for about 90 s.
const APART: SignedDuration = SignedDuration::from_secs(30);

/// Whether there is a CTI API, and how far its clock is ahead of ours.
pub(super) async fn probe(client: &api::Client) -> Result<(Option<SignedDuration>, Found), Fault> {
    let date = client.probe().await?;
    let ahead = date.map(|date| auth::skew(date, Timestamp::now()));
    let mut found = Found::well(format!("{} answers", client.url()));
    if let Some(ahead) = ahead {
        found = found.detail("clockAheadSeconds", ahead.as_secs());
        if ahead.abs() >= APART {
            found = found.warn([format!(
                "{}: let both follow NTP; times of events are this machine's",
                clocks(ahead)
            )]);
        }
    }
    Ok((ahead, found))
}

fn clocks(ahead: SignedDuration) -> String {
    match ahead.as_secs() {
        0 => "the clocks of the PBX and of this machine agree".to_owned(),
        seconds @ 1.. => format!("the PBX's clock is {seconds} s ahead of this machine's"),
        seconds => format!("the PBX's clock is {} s behind this machine's", -seconds),
    }
}

/// Logs in, and shows each of its stages as it is reached.
pub(super) async fn login<W: Write>(
    report: &mut Report<W>,
    part: &Part,
    account: &Account,
    config: &Config,
    ahead: Option<SignedDuration>,
) -> Result<Grant, Stage> {
    let mut stages = account.stages();
    stages.mark_unchanged();
    let persistent = matches!(config.credentials, Credentials::Token(_));
    let began = report.begin(part, Stage::Login);
    let mut under_way = UnderWay { at: auth::Stage::Password, began, persistent };
    let grant = account.grant();
    tokio::pin!(grant);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut grant => break outcome,
            Ok(()) = stages.changed() => {
                let reached = *stages.borrow_and_update();
                under_way.advance(report, part, reached, ahead);
            }
        }
    };
    let reached = *stages.borrow();
    under_way.advance(report, part, reached, ahead);
    match outcome {
        Ok(grant) => {
            // Without a proof of its own, as when a token was still at hand.
            under_way.advance(report, part, auth::Stage::Proof, ahead);
            let found = profile(&grant);
            report.end((part, Stage::Profile), under_way.began, Ok(((), found)));
            Ok(grant)
        }
        Err(error) => {
            let stage = under_way.stage();
            let fault = match backend_down(&error, config).await {
                Some(fault) => fault,
                None => fault(&error),
            };
            report.end::<()>((part, stage), under_way.began, Err(fault));
            Err(stage)
        }
    }
}

/// The stage of the login that is shown as under way.
struct UnderWay {
    at: auth::Stage,
    began: Instant,
    /// There is a token already: no password, and no one-time password.
    persistent: bool,
}

impl UnderWay {
    fn stage(&self) -> Stage {
        match self.at {
            auth::Stage::Password => Stage::Login,
            auth::Stage::OneTimePassword => Stage::Otp,
            auth::Stage::Proof => Stage::Profile,
        }
    }

    /// Ends what lies before `reached`, and begins that.
    fn advance<W: Write>(
        &mut self,
        report: &mut Report<W>,
        part: &Part,
        reached: auth::Stage,
        ahead: Option<SignedDuration>,
    ) {
        use auth::Stage as At;
        let found = match (self.at, reached) {
            (At::Password, At::Proof) if self.persistent => {
                Found::well("none is needed: a persistent token is configured")
            }
            (At::Password, At::OneTimePassword | At::Proof) => {
                Found::well("user name and password are taken")
            }
            (At::OneTimePassword, At::Proof) => taken(ahead),
            _ => return,
        };
        report.end((part, self.stage()), self.began, Ok(((), found)));
        if (self.at, reached) == (At::Password, At::Proof) {
            let none = if self.persistent { "none is needed" } else { "the PBX asks for none" };
            report.step_now(part, Stage::Otp, || Ok(((), Found::well(none))));
        }
        self.at = reached;
        self.began = report.begin(part, self.stage());
    }
}

fn taken(ahead: Option<SignedDuration>) -> Found {
    let Some(ahead) = ahead else { return Found::well("the one-time password is taken") };
    let found = Found::well(format!("the one-time password is taken; {}", clocks(ahead)));
    found.detail("clockAheadSeconds", ahead.as_secs())
}

/// The middleware answers a login alike whether the password is wrong or its CTI server is down. Its websocket tells them
/// apart: without the server it is accepted and closed at once.
async fn backend_down(error: &AuthError, config: &Config) -> Option<Fault> {
    let AuthError::Credentials { url, user } = error else { return None };
    let opened = Socket::connect(&config.target(), &config.limits()).await;
    let Err(ConnectError::Dropped { .. }) = opened else { return None };
    let message = format!(
        "{url} refused the login of `{user}`, but its CTI server is down or starting (the websocket is closed at once), and then \
         every password is refused: check on the PBX that the CTI server runs, and check again"
    );
    Some(Fault { exit: Some(Exit::Unavailable), messages: vec![message] })
}

/// A request that failed, rather than credentials that were refused, is told apart.
fn fault(error: &AuthError) -> Fault {
    let persistent = matches!(error, AuthError::TokenRefused { .. } | AuthError::TokenAsleep { .. });
    let exit = Some(Exit::from(error)).filter(|exit| persistent || *exit != Exit::Refused);
    Fault { exit, messages: vec![error.to_string()] }
}

fn profile(grant: &Grant) -> Found {
    let api::Me { username, profile, rights, privacy } = &grant.me;
    let user = username.as_deref().unwrap_or(&grant.username);
    let name = profile.as_ref().map(|profile| profile.name.as_str());
    let on: Vec<&str> = rights.iter().map(Right::as_str).collect();
    let off: Vec<&str> = rights.missing().map(Right::as_str).collect();
    let findings = grant.me.findings().into_iter().map(|finding| finding.sentence);
    let found = Found::well(format!(
        "user {user}, profile {}; it may see {}",
        name.unwrap_or("none"),
        if on.is_empty() { "no more than extensions".to_owned() } else { on.join(", ") }
    ))
    .warn(findings);
    let found = found.detail("user", user).detail("profile", name).detail("privacy", *privacy);
    let otp = grant.token.claims().is_some_and(|Claims { two_fa, .. }| *two_fa);
    found.detail("rights", on).detail("missingRights", off).detail("twoFactor", otp)
}
