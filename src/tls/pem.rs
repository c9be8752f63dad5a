//! Reads PEM files (RFC 7468). The errors are a closed set, because a parser's own message may quote a key.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use secrecy::SecretString;

use crate::text::secrets;

/// The largest file. A chain has a few KiB, and a bundle of all authorities 250.
const LARGEST: u64 = 4 << 20;
/// Byte order marks: UTF-8, UTF-16 in either order.
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// The reason why a PEM file can't be used. It never quotes the content.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PemFault {
    /// The operating system's error.
    #[error("{0}")]
    Read(#[source] io::Error),
    #[error("not a regular file")]
    NotAFile,
    #[error("larger than {} MiB: name the file with the certificate or key alone", LARGEST >> 20)]
    TooLarge,
    #[error("the file is empty")]
    Empty,
    #[error("no PEM block (BEGIN … END) found: the line breaks were lost; write the original file again")]
    LineBreaksLost,
    #[error(
        "no PEM block (BEGIN … END) found: its line breaks are written as \\n; write them as line breaks"
    )]
    LineBreaksEscaped,
    #[error("it begins with a byte order mark, or is UTF-16: save it as plain text, without one")]
    ByteOrderMark,
    #[error("it is DER, not PEM: convert it with `openssl x509 -inform DER` or `openssl pkey -inform DER`")]
    Der,
    #[error("no PEM block (BEGIN … END) found: give a certificate or key as text")]
    NoBlock,
    #[error("a PEM block has no end: the file is incomplete")]
    NoEnd,
    #[error("a PEM block is not valid base64: the file is damaged")]
    NotBase64,
    #[error(
        "encrypted keys are not supported: decrypt it with `openssl pkey`, and protect the file by its mode"
    )]
    Encrypted,
    #[error("keys in the form of OpenSSH are not supported: convert it with `ssh-keygen -p -m PKCS8`")]
    OpenSsh,
    #[error("it contains no private key: are certificate and key swapped?")]
    NoKey,
    #[error("it contains no certificate: are certificate and key swapped?")]
    NoCertificate,
    #[error("a certificate in it is not valid X.509")]
    NotX509,
}

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let bytes = read(path)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(missing(&bytes, PemFault::NoCertificate)),
        Err(error) => Err(fault(&error, &bytes, PemFault::NoCertificate)),
    }
}

/// The first private key of a file: PKCS#8, PKCS#1 or SEC1.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemFault> {
    let bytes = read(path)?;
    secrets::register(&SecretString::from(String::from_utf8_lossy(&bytes).into_owned()));
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(error) => Err(fault(&error, &bytes, PemFault::NoKey)),
    }
}

/// The complete file, within bounds.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, PemFault> {
    // Checked before opening, as opening a pipe without a writer would block forever.
    if !std::fs::metadata(path).map_err(PemFault::Read)?.is_file() {
        return Err(PemFault::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(PemFault::Read)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(PemFault::Read)?;
    if bytes.len() as u64 > LARGEST {
        return Err(PemFault::TooLarge);
    }
    // The first block would be skipped, and the rest of the chain used without it.
    if MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(PemFault::ByteOrderMark);
    }
    Ok(bytes)
}

/// Classifies the parser's error, which quotes the invalid line: only its kind is kept.
fn fault(error: &pem::Error, bytes: &[u8], otherwise: PemFault) -> PemFault {
    if let Some(fault) = damage(bytes) {
        return fault;
    }
    match error {
        pem::Error::MissingSectionEnd { .. } => PemFault::NoEnd,
        pem::Error::IllegalSectionStart { .. } => PemFault::LineBreaksLost,
        pem::Error::Base64Decode(_) => PemFault::NotBase64,
        _ => missing(bytes, otherwise),
    }
}

/// The reason why no PEM block was found.
fn damage(bytes: &[u8]) -> Option<PemFault> {
    let single_line = || bytes.trim_ascii().split(|byte| matches!(byte, b'\n' | b'\r')).count() == 1;
    Some(match bytes {
        [] => PemFault::Empty,
        // A SEQUENCE whose length has more bytes than one.
        [0x30, 0x80..=0x84, ..] => PemFault::Der,
        // PKCS#1 and SEC1.
        _ if holds(bytes, "Proc-Type: 4,ENCRYPTED") => PemFault::Encrypted,
        _ if holds(bytes, "-----\\n") => PemFault::LineBreaksEscaped,
        _ if holds(bytes, "-----BEGIN ") && single_line() => PemFault::LineBreaksLost,
        _ => return None,
    })
}

/// The reason why there is no block of the right kind.
fn missing(bytes: &[u8], otherwise: PemFault) -> PemFault {
    match damage(bytes) {
        Some(fault) => fault,
        None if holds(bytes, "-----BEGIN ENCRYPTED PRIVATE KEY-----") => PemFault::Encrypted,
        None if holds(bytes, "-----BEGIN OPENSSH PRIVATE KEY-----") => PemFault::OpenSsh,
        None if holds(bytes, "-----BEGIN ") => otherwise,
        None => PemFault::NoBlock,
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use data_encoding::{BASE64, HEXLOWER};
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_broken_key_file_is_named_by_its_fault_and_never_shown() {
        let key = KeyPair::generate().unwrap();
        let (pem, der) = (key.serialize_pem(), key.serialize_der());
        let certificate = CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
        let utf16: Vec<u8> = pem.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k.pem");
        for (content, expected) in [
            (pem.replace('\n', " ").into_bytes(), "line breaks were lost"),
            (pem.replace('\n', "").into_bytes(), "line breaks were lost"),
            (pem.replacen('\n', " ", 1).into_bytes(), "line breaks were lost"),
            (pem.replace('\n', "\\n").into_bytes(), "written as \\n"),
            (format!("\u{feff}{pem}").into_bytes(), "byte order mark"),
            ([b"\xfe\xff".to_vec(), utf16].concat(), "byte order mark"),
            (der.clone(), "it is DER"),
            (format!("{der:?}").into_bytes(), "no PEM block"),
            (HEXLOWER.encode(&der).into_bytes(), "no PEM block"),
            (body.clone().into_bytes(), "no PEM block"),
            (pem.replace("-----END", "").into_bytes(), "has no end"),
            (pem.replace(&body[..8], "?!?!?!?!").into_bytes(), "not valid base64"),
            (pem.replace("PRIVATE", "ENCRYPTED PRIVATE").into_bytes(), "encrypted keys"),
            (pem.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n").into_bytes(), "encrypted keys"),
            (pem.replace("PRIVATE", "OPENSSH PRIVATE").into_bytes(), "OpenSSH"),
            (certificate.clone().into_bytes(), "no private key"),
            (Vec::new(), "empty"),
        ] {
            fs::write(&path, &content).unwrap();
            let fault = private_key(&path).unwrap_err();
            let shown = format!("{fault} {fault:?}");
            assert!(shown.contains(expected), "{shown}, expected {expected}");
            let numbers: String = format!("{:?}", &der[..4]);
            let quoted = [&body[..12], &BASE64.encode(&der)[..12], &HEXLOWER.encode(&der)[..12], &numbers];
            assert!(!quoted.iter().any(|part| shown.contains(part)), "{shown}");
            assert!(!shown.contains("[45"), "{shown}");
        }
        fs::write(&path, &pem).unwrap();
        assert!(private_key(&path).is_ok());
        assert!(matches!(certificates(&path), Err(PemFault::NoCertificate)));
        fs::write(&path, format!("{pem}{certificate}")).unwrap();
        assert!(private_key(&path).is_ok() && certificates(&path).is_ok());
        assert!(matches!(private_key(directory.path()), Err(PemFault::NotAFile)));
    }
}
