//! One account's way into one PBX: login, one-time password, proof, renewal, logout.
//!
//! ```text
//! POST /login ─▶ claims: one-time password due? ─▶ POST /2fa/verify-otp ─▶ GET /user/me ─▶ Grant
//!                        └──────────────── no ──────────────────────────────▲
//! a persistent token, a cached one, or a legacy login ──────────────────────┘
//! ```
//!
//! Owns the token. Promises: one login at a time, shared by all who wait for it; a token is handed
//! out only after `/user/me` has answered 200 for it (the middleware answers a login 200 even when
//! its session with the backend is dead); a one-time password is never sent twice; an old token is
//! logged out only after its successor is proven, and never when both are the same text; every
//! failure is an [`AuthError`] that says what to do next ([`AuthError::consequence`]).
//!
//! It does not retry on its own account (only renewal does, which nobody waits for), and does not touch
//! sockets: the PBX re-checks nothing after a socket's login, so a renewal needs no reconnect.

mod account;
mod cache;
mod clock;
mod credentials;
mod enrol;
mod error;
mod get;
mod login;
mod renew;
mod token;
mod totp;

pub use account::{Account, AccountStats, Config, Grant, Stage};
pub use clock::{Clock, System};
pub use credentials::Credentials;
pub use error::{AuthError, Consequence};
pub use get::GetError;
pub use token::{Claims, Token};
pub use totp::{Codes, Totp, TotpError, skew};
