//! Certificate expiry.

use std::time::Duration;

use jiff::Timestamp;
use std::sync::Arc;

use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::WebPkiClientVerifier,
};

use super::{Client, Trust, pem::certificates};

/// A certificate that expires sooner raises a warning: renewal is due, and an operator needs time to do it.
const SOON: Duration = Duration::from_hours(14 * 24);
/// The limit of certificates in a chain.
const LONGEST: usize = 8;
/// Later than any certificate's expiry: the year 5138.
const FAR: Duration = Duration::from_secs(100_000_000_000);

impl Client {
    /// The expiry of the chain from this certificate to a trusted authority: the earliest of its certificates; `None` if
    /// nothing is verified.
    ///
    /// Uses the verifier itself with its clock set ahead, and reads the expiry from its error. So
    /// the result agrees with the handshake, and no second certificate parser is needed.
    pub(crate) fn ends(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Option<Timestamp> {
        let (own, between) = chain.split_first()?;
        chain_ends(self.verifier.as_ref()?, (own, between), name)
    }
}

/// See [`Client::ends`].
pub(super) fn chain_ends(
    verifier: &WebPkiServerVerifier,
    (own, between): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    name: &ServerName<'_>,
) -> Option<Timestamp> {
    let mut end = FAR;
    let mut found = None;
    for _ in 0..LONGEST {
        let at = UnixTime::since_unix_epoch(end);
        match verifier.verify_server_cert(own, between, name, &[], at) {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) if not_after.as_secs() < end.as_secs() => {
                end = Duration::from_secs(not_after.as_secs());
                found = Timestamp::from_second(i64::try_from(end.as_secs()).ok()?).ok();
            }
            _ => break,
        }
    }
    found
}

/// The expiry of our own certificate; `None` without one, or if its file can't be read. Reads a file.
///
/// Uses the verifier of the other side, as above.
pub(crate) fn identity_ends(trust: &Trust) -> Option<Timestamp> {
    let chain = certificates(&trust.identity.as_ref()?.0).ok()?;
    let (own, between) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    // Irrelevant, as the expiry is checked before the authority.
    roots.add(chain.last()?.clone()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    match verifier.verify_client_cert(own, between, UnixTime::since_unix_epoch(FAR)) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Timestamp::from_second(i64::try_from(not_after.as_secs()).ok()?).ok()
        }
        _ => None,
    }
}

/// The full days from `now` to the expiry.
pub(crate) fn days_left(ends: Timestamp, now: Timestamp) -> i64 {
    ends.duration_since(now).as_hours().div_euclid(24)
}

/// The warning for a certificate that expires within two weeks.
pub(crate) fn ends_soon(at: &str, ends: Timestamp, now: Timestamp) -> Option<String> {
    if ends > now.checked_add(SOON).ok()? {
        return None;
    }
    let date = ends.strftime("%Y-%m-%d");
    let days = match days_left(ends, now) {
        ..0 => return Some(format!("the certificate of {at} expired on {date}: renew it there")),
        0 => "today".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    };
    Some(format!(
        "the certificate of {at} expires {days}, on {date}: renew it there, or new connections will fail"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    use super::{super::Trust, *};

    fn authority(ends: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority until {ends}"));
        params.not_after = date_time_ymd(ends, 6, 1);
        params
    }

    #[test]
    fn the_earliest_expiry_in_the_chain_counts() {
        let root = CertifiedIssuer::self_signed(authority(2080), KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, root.pem()).unwrap();
        let trust = Trust { ca_file: Some(path), ..Trust::default() };
        let name = ServerName::try_from("pbx.example").unwrap();
        let year = |own: i32, between: i32, trust: &Trust| {
            let between =
                CertifiedIssuer::signed_by(authority(between), KeyPair::generate().unwrap(), &root).unwrap();
            let mut params = CertificateParams::new(vec!["pbx.example".to_owned()]).unwrap();
            params.not_after = date_time_ymd(own, 6, 1);
            let own = params.signed_by(&KeyPair::generate().unwrap(), &between).unwrap();
            let chain = [own.der().clone(), between.der().clone()];
            let ends = trust.client().unwrap().ends(&chain, &name);
            ends.map(|ends| ends.strftime("%Y").to_string())
        };
        assert_eq!(year(2050, 2060, &trust).as_deref(), Some("2050"));
        assert_eq!(year(2070, 2060, &trust).as_deref(), Some("2060"));
        let strangers = Trust::default();
        assert_eq!(
            year(2050, 2060, &strangers).as_deref(),
            Some("2050"),
            "its own expiry is reported nevertheless"
        );
        let reckless = Trust { insecure_skip_verify: true, ..Trust::default() };
        assert_eq!(year(2050, 2060, &reckless), None);
    }

    #[test]
    fn our_own_certificate_has_an_expiry() {
        let directory = tempfile::tempdir().unwrap();
        let (path, key) = (directory.path().join("own.pem"), directory.path().join("own.key"));
        let trust = Trust { identity: Some((path.clone(), key)), ..Trust::default() };
        assert_eq!(identity_ends(&trust), None, "there is no file");
        let root = CertifiedIssuer::self_signed(authority(2080), KeyPair::generate().unwrap()).unwrap();
        for own in [2020, 2050] {
            let mut params = CertificateParams::new(vec!["bridge".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2010, 1, 1);
            params.not_after = date_time_ymd(own, 6, 1);
            let own_pem = params.signed_by(&KeyPair::generate().unwrap(), &root).unwrap().pem();
            for chain in [own_pem.clone(), format!("{own_pem}{}", root.pem())] {
                std::fs::write(&path, chain).unwrap();
                let ends = identity_ends(&trust).unwrap();
                assert_eq!(ends.strftime("%Y-%m-%d").to_string(), format!("{own}-06-01"));
            }
        }
        assert_eq!(identity_ends(&Trust::default()), None);
    }

    #[test]
    fn a_warning_is_raised_two_weeks_before_expiry() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let said = |days: i64| {
            ends_soon(
                "pbx.example",
                now + Duration::from_hours(1) + jiff::SignedDuration::from_hours(24 * days),
                now,
            )
        };
        assert_eq!(said(14), None);
        assert!(said(13).unwrap().contains("expires in 13 days, on 2027-01-28"));
        assert!(said(1).unwrap().contains("in a day") && said(0).unwrap().contains("today"));
        assert!(said(-1).unwrap().contains("expired on"));
    }
}
