//! Every identifier as a type of its own, parsed once at the edge.
//!
//! Invariant: a value of one of these types is well formed; none of them holds secret bytes, so all may be shown.
//! `VersionId::of` and `VersionId::first` are the only makers of version ids that we write.

use std::fmt;

/// A text that is not of the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {expected}")]
pub struct Malformed {
    /// What was to be read.
    pub kind: &'static str,
    /// The form that is taken.
    pub expected: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $expected:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` if it has the form of this type.
            pub fn parse(text: impl Into<String>) -> Result<Self, Malformed> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(Malformed { kind: stringify!($name), expected: $expected }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// A Kubernetes namespace (RFC 1123 label).
    Namespace: "a DNS label", |text| text.len() <= 63 && dns_label(text);
    /// The name of a Kubernetes object (RFC 1123 subdomain, at most 253 characters).
    ObjectName: "a DNS subdomain of at most 253 characters", |text| text.len() <= 253 && text.split('.').all(dns_label);
    /// The name of a target: a native Secret in the resource's own namespace.
    TargetName: "a DNS subdomain of at most 253 characters", |text| text.len() <= 253 && text.split('.').all(dns_label);
    /// The UID of a Kubernetes object or of the cluster (that of namespace `kube-system`).
    Uid: "1 to 64 letters, digits and hyphens", |text| within(text, 1, 64, |c| c.is_ascii_alphanumeric() || c == '-');
    /// A `metadata.resourceVersion`: opaque, compared for equality alone.
    Revision: "1 to 128 printable characters", |text| within(text, 1, 128, |c| c.is_ascii_graphic());
    /// An AWS Region (API model: `^([a-z]+-)+\d+$`).
    Region: "an AWS Region such as eu-west-1", region;
    /// An AWS account: twelve digits.
    AccountId: "12 digits", |text| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    /// A KMS key: id, ARN or `alias/…`.
    KmsKey: "a KMS key id, ARN or alias/…", |text| within(text, 1, 2048, |c| c.is_ascii_alphanumeric() || "-_/:".contains(c));
    /// The name of a secret in Secrets Manager (`A-Za-z0-9/_+=.@-`, at most 512).
    SecretName: "1 to 512 of A-Za-z0-9/_+=.@-", |text| within(text, 1, 512, |c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c));
    /// The full ARN of a secret.
    Arn: "an ARN", |text| text.starts_with("arn:") && within(text, 20, 2048, |c| c.is_ascii_graphic());
    /// The ARN of an IAM role.
    RoleArn: "the ARN of an IAM role", |text| text.starts_with("arn:") && text.contains(":role/") && within(text, 20, 2048, |c| c.is_ascii_graphic());
    /// A version of a secret (`ClientRequestToken`: 32 to 64 characters).
    VersionId: "32 to 64 characters", |text| within(text, 32, 64, |c| c.is_ascii_graphic());
    /// A staging label (`AWSCURRENT`, `AWSPENDING`, …).
    Stage: "1 to 256 printable characters", |text| within(text, 1, 256, |c| c.is_ascii_graphic());
    /// A credential at its partner, as its driver names it. Never made of secret bytes.
    CredentialId: "1 to 200 of A-Za-z0-9._~:/@-", |text| within(text, 1, 200, |c| c.is_ascii_alphanumeric() || "._~:/@-".contains(c));
    /// The marker that an attempt leaves at a partner which takes one (`mes-<cluster8>-<versionID>`).
    Tag: "1 to 128 of a-z0-9-", |text| within(text, 1, 128, |c| c.is_ascii_alphanumeric() || c == '-');
    /// The name of a partner type, as AWS spells it where AWS has it.
    PartnerTypeName: "1 to 63 letters and digits", |text| within(text, 1, 63, |c| c.is_ascii_alphanumeric()) && !text.starts_with(|c: char| c.is_ascii_digit());
    /// Who is rotated, at which host: `HOST/IDENTITY`. Belongs to one resource of the cluster.
    Identity: "1 to 320 printable characters", |text| within(text, 1, 320, |c| c.is_ascii_graphic());
    /// Where a slot contract keeps one of its two credentials (a role's name).
    Slot: "1 to 128 printable characters", |text| within(text, 1, 128, |c| c.is_ascii_graphic());
}

/// An AWS secret by the SecretsManagerStore that it is in. Names are unique in one account and region alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretOfStore {
    /// The SecretsManagerStore.
    pub store: ObjectName,
    /// Its name in AWS.
    pub name: SecretName,
}

impl VersionId {
    /// The version that attempt `attempt` of the Rotation with `uid` writes: `<uid>-<attempt>`, 38 to 42 characters,
    /// so that a restart repeats the same `ClientRequestToken`, and a person can read it.
    pub fn of(uid: &Uid, attempt: u16) -> Self {
        Self(format!("{uid}-{attempt}"))
    }

    /// The `n`-th try at the first version of a resource onboarded from a seed: `<resource uid>-<n>`.
    pub fn first(resource: &Uid, n: u16) -> Self {
        Self(format!("{resource}-{n}"))
    }

    /// Whether it is of the form that [`VersionId::of`] gives: the version of an attempt, whichever Rotation's, also of one
    /// that is gone. A person's versions (a bare UUID, mostly) are not, and neither is a first value of any resource, which
    /// is numbered from 0.
    pub fn is_attempts(&self) -> bool {
        const UID: usize = 36;
        let number = |uid: &str, number: &str| uid.len() == UID && number.parse().is_ok_and(|number: u16| number > 0);
        self.0.rsplit_once('-').is_some_and(|(uid, attempt)| number(uid, attempt))
    }
}

impl Uid {
    /// A number that is always the same for one UID and spread evenly over many (FNV-1a): a moment of its own for each
    /// resource. Not a secret, so no key.
    pub fn spread(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

impl Tag {
    /// The marker of the attempt that writes `version`, in the cluster with `cluster` as UID (≤ 55 characters).
    pub fn of(cluster: &Uid, version: &VersionId) -> Self {
        let cluster: String = cluster.as_str().chars().take(8).collect();
        Self(format!("mes-{cluster}-{version}"))
    }

    /// The version that the attempt with this marker writes, if it is one of the cluster with `cluster` as UID.
    pub fn version(&self, cluster: &Uid) -> Option<VersionId> {
        let cluster: String = cluster.as_str().chars().take(8).collect();
        let version = self.0.strip_prefix("mes-")?.strip_prefix(cluster.as_str())?.strip_prefix('-')?;
        VersionId::parse(version).ok()
    }
}

impl Stage {
    /// The label of the version in use.
    pub const CURRENT: &'static str = "AWSCURRENT";
    /// The label of the version that AWSCURRENT left last.
    pub const PREVIOUS: &'static str = "AWSPREVIOUS";
    /// The label of a candidate.
    pub const PENDING: &'static str = "AWSPENDING";
}

fn within(text: &str, least: usize, most: usize, each: impl Fn(char) -> bool) -> bool {
    (least..=most).contains(&text.len()) && text.chars().all(each)
}

fn dns_label(text: &str) -> bool {
    within(text, 1, 253, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let Some(number) = parts.pop() else { return false };
    within(number, 1, 3, |c| c.is_ascii_digit())
        && !parts.is_empty()
        && parts.iter().all(|part| within(part, 1, 20, |c| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_is_made_of_the_rotation_and_its_attempt_and_fits_aws() {
        let uid = Uid::parse("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11").unwrap();
        let version = VersionId::of(&uid, 65535);
        assert_eq!(VersionId::parse(version.as_str()).unwrap(), version);
        assert!((32..=64).contains(&version.as_str().len()));
        assert!(Tag::of(&uid, &version).as_str().len() <= 55);
    }

    #[test]
    fn only_well_formed_names_are_taken() {
        for good in ["us-west-2", "eu-central-1", "us-gov-west-1"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "us", "us-west", "US-west-2", "us_west_2", "us-west-2a", "-1"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
        assert!(Namespace::parse("payments").is_ok());
        assert!(Namespace::parse("Pay").is_err() && Namespace::parse("-a").is_err() && Namespace::parse("").is_err());
        assert!(ObjectName::parse("a.b-c").is_ok() && ObjectName::parse("a..b").is_err());
        assert!(AccountId::parse("123456789012").is_ok() && AccountId::parse("12345678901").is_err());
    }

    #[test]
    fn the_version_of_an_attempt_is_told_from_a_first_value_and_from_a_persons() {
        let uid = Uid::parse("33333333-0000-4000-8000-000000000000").unwrap();
        assert!(VersionId::of(&uid, 1).is_attempts() && VersionId::of(&uid, u16::MAX).is_attempts());
        assert!(!VersionId::first(&uid, 0).is_attempts());
        let persons = VersionId::parse("33333333-0000-4000-8000-000000000001").unwrap();
        assert!(!persons.is_attempts());
    }
}
