//! Certificates of one run: an authority, and servers' certificates by it. Called by `control_plane` and `servers`.
//!
//! Own, so that clients can check a server's name strictly (`verify-full`): the certificates that servers make for
//! themselves name the machine, or are their own authority.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::failure::{Result, Tried};

/// An authority whose key lives only in this process.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate and key, each as PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new authority, P-256.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate().tried(|| "making a key".into())?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).tried(|| format!("making the authority {name}"))?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's certificate for these names, each a DNS name or an IP address; the first is its common name.
    pub fn issue(&self, names: &[&str]) -> Result<Identity> {
        let name = || format!("making a certificate for {}", names.join(", "));
        let key = KeyPair::generate().tried(name)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).tried(name)?;
        params.distinguished_name.push(DnType::CommonName, names.first().cloned().unwrap_or_default());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).tried(name)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// A key pair for signing ServiceAccount tokens: (private, public), each as PEM.
pub fn signing_key() -> Result<(String, String)> {
    let key = KeyPair::generate().tried(|| "making a key".into())?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}
