//! The account: the API, login, one-time password, user and profile.

use std::{io::Write, time::Instant};

use jiff::{SignedDuration, Timestamp};

use super::{
    report::Report,
    step::{Component, Fault, Found, Stage},
};
use crate::{
    api::{self, Right},
    auth::{self, Account, AuthError, Claims, Credentials, Grant},
    exit::Exit,
    session::config::Config,
    socket::{ConnectError, Socket},
};

/// Clock offsets from which a warning is raised: one-time passwords are valid for about 90 s.
const APART: SignedDuration = SignedDuration::from_secs(30);

/// Tests whether there is a CTI API, and how far its clock is ahead of ours.
pub(super) async fn probe(client: &api::Client) -> Result<(Option<SignedDuration>, Found), Fault> {
    let date = client.probe().await?;
    let ahead = date.map(|date| auth::skew(date, Timestamp::now()));
    let mut found = Found::well(format!("{} answers", client.url()));
    if let Some(ahead) = ahead {
        found = found.detail("clockAheadSeconds", ahead.as_secs());
        if ahead.abs() >= APART {
            found = found.warn([format!(
                "{}: synchronize both with NTP; event times are this machine's",
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
    component: &Component,
    account: &Account,
    config: &Config,
    ahead: Option<SignedDuration>,
) -> Result<Grant, Stage> {
    let mut stages = account.stages();
    stages.mark_unchanged();
    let persistent = matches!(config.credentials, Credentials::Token(_));
    let began = report.begin(component, Stage::Login);
    let mut under_way = UnderWay { at: auth::Stage::Password, began, persistent };
    let grant = account.grant();
    tokio::pin!(grant);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut grant => break outcome,
            Ok(()) = stages.changed() => {
                let reached = *stages.borrow_and_update();
                under_way.advance(report, component, reached, ahead);
            }
        }
    };
    let reached = *stages.borrow();
    under_way.advance(report, component, reached, ahead);
    match outcome {
        Ok(grant) => {
            // Without a proof of its own, as when a token was still at hand.
            under_way.advance(report, component, auth::Stage::Proof, ahead);
            let found = profile(&grant);
            report.end((component, Stage::Profile), under_way.began, Ok(((), found)));
            Ok(grant)
        }
        Err(error) => {
            let stage = under_way.stage();
            let fault = match backend_down(&error, config).await {
                Some(fault) => fault,
                None => fault(&error),
            };
            report.end::<()>((component, stage), under_way.began, Err(fault));
            Err(stage)
        }
    }
}

/// The stage of the login in progress.
struct UnderWay {
    at: auth::Stage,
    began: Instant,
    /// A persistent token is configured: no password, and no one-time password.
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

    /// Ends the stages before `reached`, and begins that one.
    fn advance<W: Write>(
        &mut self,
        report: &mut Report<W>,
        component: &Component,
        reached: auth::Stage,
        ahead: Option<SignedDuration>,
    ) {
        use auth::Stage as At;
        let found = match (self.at, reached) {
            (At::Password, At::Proof) if self.persistent => {
                Found::well("not needed: a persistent token is configured")
            }
            (At::Password, At::OneTimePassword | At::Proof) => Found::well("credentials accepted"),
            (At::OneTimePassword, At::Proof) => taken(ahead),
            _ => return,
        };
        report.end((component, self.stage()), self.began, Ok(((), found)));
        if (self.at, reached) == (At::Password, At::Proof) {
            let none = if self.persistent { "not needed" } else { "not required by the PBX" };
            report.step_now(component, Stage::Otp, || Ok(((), Found::well(none))));
        }
        self.at = reached;
        self.began = report.begin(component, self.stage());
    }
}

fn taken(ahead: Option<SignedDuration>) -> Found {
    let Some(ahead) = ahead else { return Found::well("one-time password accepted") };
    let found = Found::well(format!("one-time password accepted; {}", clocks(ahead)));
    found.detail("clockAheadSeconds", ahead.as_secs())
}

/// The middleware gives the same answer to a wrong password and while its CTI server is down. Its websocket shows the
/// difference: without the server it is accepted and closed at once.
async fn backend_down(error: &AuthError, config: &Config) -> Option<Fault> {
    let AuthError::Credentials { url, user } = error else { return None };
    let opened = Socket::connect(&config.target(), &config.limits()).await;
    let Err(ConnectError::Dropped { .. }) = opened else { return None };
    let message = format!(
        "{url} refused the login of `{user}`, but its CTI server is down or starting (the websocket is closed at once), and then \
         every password is refused: check on the PBX that the CTI server is running, and try again"
    );
    Some(Fault { exit: Some(Exit::Unavailable), messages: vec![message] })
}

/// A failed request has another exit code than refused credentials.
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
