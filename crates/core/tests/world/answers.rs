//! What the world says when it is asked.

use std::collections::BTreeMap;

use mes_core::facts::{
    Acceptance, Glimpse, Holder, Labelled, Look, Ownership, Replica, Replication, ReplicationState, Seed, Sight,
    StoreSecret, Stored, SweepLine, Target,
};
use mes_core::fault::FaultKind;
use mes_core::names::{Arn, Region, Revision, TargetName};

use super::{Kind, REGION, World, fault, uid};

impl World {
    pub(crate) fn glimpse(&self) -> Glimpse {
        let sweep = SweepLine {
            arn: None,
            current: self.current().cloned(),
            versions: self.stages.clone(),
            changed: None,
            scheduled_for_deletion: false,
            debt: None,
        };
        let targets = self.target.iter().map(|(revision, version)| {
            (TargetName::parse("crm").unwrap(), (Revision::parse(revision.to_string()).unwrap(), Some(version.clone())))
        });
        Glimpse { sweep: Some(sweep), targets: targets.collect(), verify_due: false, read_again: false }
    }

    pub(crate) fn answer(&self, look: &Look) -> Sight {
        if let Some(other) = self.answers.get(look) {
            return other.clone();
        }
        match (look, &self.blind) {
            (Look::Credentials { .. }, Some(fault)) => return Sight::Credentials(Err(fault.clone())),
            (Look::Acceptance(_), Some(fault)) => return Sight::Acceptance(Err(fault.clone())),
            (Look::Acceptance(version), None) if self.refuses_candidates && self.current() != Some(version) => {
                return Sight::Acceptance(Ok(Some(Acceptance::Refused)));
            }
            _ => {}
        }
        match look {
            Look::Seed => Sight::Seed(Ok(Some(Seed::Accepted { identity: None }))),
            Look::StoreSecret => Sight::StoreSecret(Ok(self.made.then(|| self.describe()))),
            Look::Replica(_) => Sight::Replica(Ok(self.replica.clone().map(|current| Replica { current }))),
            Look::Version(version) => Sight::Version(Ok(self
                .bytes
                .get(version)
                .map(|_| Stored { problems: vec![], renders: BTreeMap::new() }))),
            Look::Acceptance(version) => {
                let accepted = if self.is_live(version) { Acceptance::Accepted } else { Acceptance::Refused };
                Sight::Acceptance(Ok(self.bytes.get(version).map(|_| accepted)))
            }
            Look::Brought(name) => Sight::Seed(Ok(self.secrets.get(name).map(|(bytes, _)| {
                let refused = !self.live.iter().any(|live| live.bytes == *bytes) && self.kind != Kind::FirstUse;
                if refused { Seed::Refused } else { Seed::Accepted { identity: None } }
            }))),
            Look::Credentials { acting, .. } if self.acts(acting).is_err() => {
                Sight::Credentials(Err(fault(FaultKind::Denied)))
            }
            Look::Credentials { known, .. } => {
                let listed = self.listed.as_ref().unwrap_or(&self.live);
                Sight::Credentials(Ok(Some(listed.iter().map(|live| self.credential(live, known)).collect())))
            }
            Look::Target(_) => Sight::Target(Ok(self.target.as_ref().map(|(revision, version)| Target {
                uid: uid("55555555-0000-4000-8000-000000000000"),
                revision: Revision::parse(revision.to_string()).unwrap(),
                holder: Holder::Us,
                version: Some(version.clone()),
                intact: Some(Some(version) == self.current()),
                wrong_type: false,
                immutable: false,
                render: None,
            }))),
            Look::Rehearsal { version, .. } => Sight::Rehearsal(Ok(self.bytes.get(version).map(|_| ()))),
            Look::Versions => Sight::Versions(Ok(self.made.then(|| self.made_at.clone()))),
            Look::Labelled => Sight::Labelled(Ok(Some(
                self.target
                    .iter()
                    .map(|(revision, version)| Labelled {
                        name: TargetName::parse("crm").unwrap(),
                        uid: uid("55555555-0000-4000-8000-000000000000"),
                        revision: Revision::parse(revision.to_string()).unwrap(),
                        version: Some(version.clone()),
                    })
                    .collect(),
            ))),
        }
    }

    pub(super) fn describe(&self) -> StoreSecret {
        let replica = self.replica.as_ref().map(|_| Replication {
            state: ReplicationState::InSync,
            name_taken: false,
            kms_key: None,
        });
        StoreSecret {
            arn: Arn::parse("arn:aws:secretsmanager:us-west-2:123456789012:secret:p/payments/crm-AbCdEf").unwrap(),
            ownership: match &self.claim {
                Some((namespace, _)) if *namespace != self.resource.own.namespace_uid => Ownership::Anothers,
                Some((_, uid)) if *uid != self.resource.own.uid => Ownership::OursBefore(Some(uid.clone())),
                Some(_) | None => Ownership::Ours,
            },
            secret_type: None,
            owning_service: false,
            rotation: None,
            versions: self.stages.clone(),
            replica_of: None,
            debt: self.debt.clone().map(Box::new),
            scheduled_for_deletion: false,
            replication: replica.into_iter().map(|replica| (Region::parse(REGION).unwrap(), replica)).collect(),
        }
    }
}
