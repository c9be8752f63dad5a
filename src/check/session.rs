//! A session of the check's own, beside that of a running bridge: without `uaType`, so it takes over no other.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::step::{Fault, Found};
use crate::{
    auth::Grant,
    session::{
        config::{Config, UaType},
        frames::{Control, control},
        login::{LoginError, LoginLimit, login},
    },
    socket::{Incoming, Socket},
};

pub(super) async fn open(config: &Config) -> Result<(Socket, Found), Fault> {
    let socket = Socket::connect(&config.target(), &config.limits()).await?;
    Ok((socket, Found::well(format!("{} is open, and the namespace joined", config.websocket()))))
}

pub(super) async fn log_in(
    socket: &mut Socket,
    grant: &Grant,
    limit: Duration,
) -> Result<((), Found), Fault> {
    socket.emit("login", Some(&login(grant, UaType::None))).await.map_err(LoginError::Closed)?;
    let mut time = LoginLimit::new(Instant::now() + limit);
    loop {
        let Ok(incoming) = timeout_at(time.due(), socket.next()).await else {
            if time.is_over(socket.is_receiving()) {
                return Err(LoginError::Unanswered(limit).into());
            }
            continue;
        };
        match incoming.map_err(LoginError::Closed)? {
            Incoming::Event(frame) => match control(&frame) {
                Some(Control::Accepted) => {
                    return Ok(((), Found::well("the session is accepted (authe_ok)")));
                }
                Some(Control::Refused) => return Err(LoginError::Refused.into()),
                _ => {}
            },
            Incoming::Disconnected => return Err(LoginError::NamespaceClosed.into()),
            Incoming::Bad(_) | Incoming::Barrier(_) => {}
        }
    }
}

/// Waits for an event that is not the session's own.
pub(super) async fn event(socket: &mut Socket, limit: Duration) -> Result<((), Found), Fault> {
    let by = Instant::now() + limit;
    loop {
        let Ok(incoming) = timeout_at(by, socket.next()).await else {
            let limit = humantime::format_duration(limit);
            return Err(Fault {
                exit: None,
                messages: vec![format!(
                    "no event was received within {limit}: a PBX sends each call, and each queue every minute to an account with \
                     `queue_agent`; wait longer, or check the profile's permissions"
                )],
            });
        };
        match incoming? {
            Incoming::Event(frame) if control(&frame).is_none() => {
                let name = crate::event::escape(&frame.name()).into_owned();
                return Ok(((), Found::well(format!("event received: {name}")).detail("event", name)));
            }
            Incoming::Disconnected => return Err(LoginError::NamespaceClosed.into()),
            _ => {}
        }
    }
}
