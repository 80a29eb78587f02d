//! When and by whom it is rotated: schedule, overlap, and what AWS is told.

use jiff::SignedDuration;

use super::partner::{Rotates, Served};
use super::{AdminReference, First, Named, Source, Store, Written};
use crate::duration;
use crate::names::PartnerTypeName;
use crate::reason::Reason;
use crate::schedule::Schedule;
use crate::spec::{Delegation, Engine, RotationSpec};

/// `spec.rotation`, which the type, its contract and the store can keep.
pub(super) fn wanted(
    written: &Written,
    served: Option<&Served<'_>>,
    store: &Store,
    named: &Named<'_>,
) -> Result<RotationSpec, Reason> {
    let Some(served) = served else { return observed(written) };
    let wish = &written.rotation;
    if wish.schedule.is_none() && (wish.window.is_some() || wish.zone.is_some()) {
        return Err(super::invalid("rotation.schedule", "set where rotation.window or rotation.timeZone is"));
    }
    let schedule = wish.schedule.as_deref();
    let schedule = schedule.map(|text| Schedule::parse(text, wish.window.as_deref(), wish.zone.as_deref()));
    let schedule = schedule.transpose().map_err(Reason::InvalidSchedule)?;
    let interval = schedule.as_ref().map(Schedule::interval);
    let first_immediately = match (wish.first, &written.onboard) {
        (Some(first), _) => first == First::Immediate,
        // A person knows the seed; nobody knows what was minted; an adopted one has users that we don't know.
        (None, source) => matches!(source, Source::FromSecret(_)),
    };
    let (engine, overlap) = match &served.rotation {
        Rotates::Operator(contract) => {
            let stated = wish.overlap.as_deref().map(duration::parse).transpose().map_err(Reason::InvalidDuration)?;
            let overlap = contract.overlap(stated, interval).map_err(Reason::InvalidOverlap)?;
            (Engine::Operator(*contract), overlap)
        }
        Rotates::SecretsManager => {
            if wish.overlap.is_some() {
                return Err(super::invalid("rotation.overlap", "absent with engine SecretsManager: AWS decides"));
            }
            if wish.zone.is_some() {
                return Err(super::invalid("rotation.timeZone", "absent with engine SecretsManager: AWS reads UTC"));
            }
            let problem = interval.and_then(|interval| served.type_.interval_problem(&served.parameters, interval));
            if let Some(problem) = problem {
                return Err(Reason::InvalidInterval(problem));
            }
            let delegation = delegation(written, served, store, named, first_immediately)?;
            (Engine::SecretsManager(delegation), SignedDuration::ZERO)
        }
    };
    Ok(RotationSpec { engine, schedule, first_immediately, overlap })
}

fn observed(written: &Written) -> Result<RotationSpec, Reason> {
    if written.rotation.schedule.is_some() || written.rotation.overlap.is_some() {
        return Err(super::invalid("rotation", "absent with onboard.observe, which only reads"));
    }
    Ok(RotationSpec { engine: Engine::None, schedule: None, first_immediately: false, overlap: SignedDuration::ZERO })
}

/// What AWS is told. Role and admin secret are never the team's: a role in its hands would be `iam:PassRole` for all.
fn delegation(
    written: &Written,
    served: &Served<'_>,
    store: &Store,
    named: &Named<'_>,
    immediately: bool,
) -> Result<Delegation, Reason> {
    let role = store.rotation_role.clone().ok_or_else(|| Reason::RotationRoleMissing(store.name.clone()))?;
    let partner_type = PartnerTypeName::parse(served.type_.name).map_err(|_| Reason::UnknownPartnerType)?;
    let account = served.account.filter(|_| served.admin.is_some());
    let admin_arn = match account {
        Some(account) if matches!(account.admin, Some(AdminReference::StoreSecret { .. })) => {
            Some(named.admin_arn.ok_or_else(|| Reason::AdminUnseen(account.name.clone()))?)
        }
        _ => None,
    };
    Ok(Delegation {
        partner_type,
        metadata: served.type_.metadata(&served.parameters, admin_arn.map(|arn| arn.as_str())),
        role,
        schedule: written.rotation.schedule.clone(),
        window: written.rotation.window.clone(),
        immediately,
    })
}
