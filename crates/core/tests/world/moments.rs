//! The moments in a life at which a test stops, and what is under way there.

use mes_core::decide::{Step, Verdict};
use mes_core::effect::Effect;
use mes_core::journal::Entry;
use mes_core::names::VersionId;
use mes_core::spec::Onboard;

use super::{Kind, World};

pub(crate) fn records(effect: &Effect, entry: impl Fn(&Entry) -> bool) -> bool {
    matches!(effect, Effect::Record { entries, .. } if entries.iter().any(entry))
}

pub(crate) fn is_intend(effect: &Effect) -> bool {
    records(effect, |entry| matches!(entry, Entry::Intend { .. }))
}

pub(crate) fn is_mint(effect: &Effect) -> bool {
    matches!(effect, Effect::Mint { .. })
}

pub(crate) fn is_register(effect: &Effect) -> bool {
    matches!(effect, Effect::Register { .. })
}

pub(crate) fn is_promoting(effect: &Effect) -> bool {
    records(effect, |entry| *entry == Entry::Promoting)
}

pub(crate) fn is_promote(effect: &Effect) -> bool {
    matches!(effect, Effect::Promote { .. })
}

/// The effect that is next, if one is.
pub(crate) fn effect(next: &Verdict) -> Option<&Effect> {
    match next {
        Err(Step::Act(effect)) => Some(effect),
        _ => None,
    }
}

/// Onboarded from a seed; its first rotation is about to do what `stop` names.
pub(crate) fn rotating(kind: Kind, what: &str, stop: impl Fn(&Effect) -> bool) -> (World, Effect) {
    let mut world = World::new(kind, Onboard::FromSecret);
    let effect = world.until(what, stop);
    (world, effect)
}

/// The version that the open rotation brings in.
pub(crate) fn candidate(world: &World) -> VersionId {
    world.journal.open().and_then(|open| open.version()).cloned().unwrap()
}

/// The version that the open rotation supersedes.
pub(crate) fn superseded(world: &World) -> VersionId {
    world.journal.open().and_then(|open| open.attempt.as_ref()).and_then(|attempt| attempt.supersedes.clone()).unwrap()
}
