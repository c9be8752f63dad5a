//! The service account of a soak.

use pbx_simulator::Account;

pub(crate) const USER: &str = "bridge";
pub(crate) const PASSWORD: &str = "planted-password";
/// Used while a fault has switched two-factor authentication on.
pub(crate) const TOTP: &str = "PLANTEDSECRETAAAAAAAAAAAAAAAAAAA";

pub(crate) fn service() -> Account {
    Account::new(USER, PASSWORD)
}
