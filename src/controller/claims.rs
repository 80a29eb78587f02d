//! Who was there first: identities, AWS secrets and targets, each held by the oldest resource that names it.
//!
//! Invariant: of two resources that name one thing, the older (creation time, then UID) has it, in whatever order they are
//! seen. Filled from the cache before the first pass, kept by every pass. Whoever stands back for an older one is woken as
//! soon as something was let go: nothing of its own changes then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mes_core::names::{Identity, Namespace, ObjectName, SecretName, TargetName, Uid};
use mes_core::scope::{Holding, Older};
use mes_core::spec::Own;

/// A resource's age: smaller is older.
type Age = (Timestamp, Uid);

#[derive(Debug, Default)]
struct Index {
    holdings: BTreeMap<Uid, Holding>,
    identities: BTreeMap<Identity, BTreeSet<Age>>,
    secrets: BTreeMap<(ObjectName, SecretName), BTreeSet<Age>>,
    targets: BTreeMap<(Namespace, TargetName), BTreeSet<Age>>,
    /// Who stands back. What for is not kept: some identities are told by values alone.
    standing_back: BTreeMap<Uid, Own>,
}

/// The index over all resources.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Index>);

impl Claims {
    /// Notes what a resource holds, in place of what it held before, and whether it stands back for an older one. Gives who
    /// stands back and may look again.
    pub(super) fn note(&self, holding: Holding, stands_back: bool) -> Vec<Own> {
        let mut index = self.lock();
        let own = holding.own.clone();
        if stands_back {
            index.standing_back.insert(own.uid.clone(), own.clone());
        } else {
            index.standing_back.remove(&own.uid);
        }
        if index.holdings.get(&own.uid).is_some_and(|before| *before == holding) {
            return Vec::new();
        }
        let before = index.withdraw(&own.uid);
        let lets_go = before.is_some_and(|before| {
            !before.identities.is_subset(&holding.identities)
                || !before.targets.is_subset(&holding.targets)
                || before.secret.is_some() && before.secret != holding.secret
        });
        let age = || age(&holding.own);
        for identity in &holding.identities {
            index.identities.entry(identity.clone()).or_default().insert(age());
        }
        if let Some(secret) = &holding.secret {
            index.secrets.entry(secret.clone()).or_default().insert(age());
        }
        for target in &holding.targets {
            index.targets.entry((holding.own.namespace.clone(), target.clone())).or_default().insert(age());
        }
        index.holdings.insert(own.uid.clone(), holding);
        if lets_go { index.waiting_but(&own.uid) } else { Vec::new() }
    }

    /// Forgets a resource that is gone. Gives who stands back and may look again.
    pub(super) fn forget(&self, uid: &Uid) -> Vec<Own> {
        let mut index = self.lock();
        index.standing_back.remove(uid);
        if index.withdraw(uid).is_some() { index.waiting_but(uid) } else { Vec::new() }
    }

    /// Forgets every resource that lives no longer: of one that went without a pass nobody tells. Gives who stands back and
    /// may look again. While nobody stands back it costs nothing, and does nothing.
    pub(super) fn forget_the_dead(&self, lives: impl Fn(&Own) -> bool) -> Vec<Own> {
        let mut index = self.lock();
        if index.standing_back.is_empty() {
            return Vec::new();
        }
        let dead = index.holdings.values().map(|holding| &holding.own).filter(|own| !lives(own));
        let dead: Vec<Uid> = dead.map(|own| own.uid.clone()).collect();
        for uid in &dead {
            index.withdraw(uid);
            index.standing_back.remove(uid);
        }
        if dead.is_empty() { Vec::new() } else { index.standing_back.values().cloned().collect() }
    }

    /// What older resources hold that `own` may want: every identity (a value may name any), and of secrets and targets
    /// those that `asked` names. Only of resources that still live: nobody tells us of one that went without a pass, and a
    /// resource that is made again must not be kept out by what it was before.
    pub(super) fn older(&self, own: &Own, asked: &Holding, lives: impl Fn(&Own) -> bool) -> Older {
        let index = self.lock();
        let age = age(own);
        let alive = |uid: &Uid| index.holdings.get(uid).is_some_and(|holding| lives(&holding.own));
        let taken = |ages: Option<&BTreeSet<Age>>| {
            ages.is_some_and(|ages| ages.iter().take_while(|each| **each < age).any(|(_, uid)| alive(uid)))
        };
        let identities = index.identities.iter().filter(|(_, ages)| taken(Some(ages)));
        let target = |name: &&TargetName| taken(index.targets.get(&(own.namespace.clone(), (*name).clone())));
        Older {
            identities: identities.map(|(identity, _)| identity.clone()).collect(),
            secrets: asked.secret.iter().filter(|secret| taken(index.secrets.get(*secret))).cloned().collect(),
            targets: asked.targets.iter().filter(target).cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn waiting_but(&self, uid: &Uid) -> Vec<Own> {
        self.standing_back.values().filter(|own| own.uid != *uid).cloned().collect()
    }

    fn withdraw(&mut self, uid: &Uid) -> Option<Holding> {
        let holding = self.holdings.remove(uid)?;
        let age = age(&holding.own);
        for identity in &holding.identities {
            remove(&mut self.identities, identity, &age);
        }
        if let Some(secret) = &holding.secret {
            remove(&mut self.secrets, secret, &age);
        }
        for target in &holding.targets {
            remove(&mut self.targets, &(holding.own.namespace.clone(), target.clone()), &age);
        }
        Some(holding)
    }
}

fn age(own: &Own) -> Age {
    (own.created, own.uid.clone())
}

fn remove<K: Ord>(map: &mut BTreeMap<K, BTreeSet<Age>>, key: &K, age: &Age) {
    if let Some(ages) = map.get_mut(key) {
        ages.remove(age);
        if ages.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(namespace: &str, second: i64, uid: &str) -> Holding {
        let own = Own {
            cluster: Uid::parse("cluster").unwrap(),
            namespace: Namespace::parse(namespace).unwrap(),
            namespace_uid: Uid::parse(namespace).unwrap(),
            name: ObjectName::parse(uid).unwrap(),
            uid: Uid::parse(uid).unwrap(),
            created: Timestamp::from_second(second).unwrap(),
        };
        Holding {
            own,
            identities: [Identity::parse("host/same").unwrap()].into(),
            secret: Some((ObjectName::parse("default").unwrap(), SecretName::parse("legacy/same").unwrap())),
            targets: [TargetName::parse("same").unwrap()].into(),
        }
    }

    #[test]
    fn t06_the_oldest_holds_what_several_want_in_every_order_in_which_they_are_seen() {
        let all = [
            holding("payments", 1, "a"),
            holding("other", 2, "b"),
            holding("payments", 2, "c"),
            holding("payments", 3, "d"),
        ];
        let every = |at: usize| [at % 4, at / 4 % 4, at / 16 % 4, at / 64 % 4];
        let orders = (0..256).map(every).filter(|order| (0..4).all(|each| order.contains(&each)));
        for order in orders {
            let claims = Claims::default();
            order.iter().for_each(|at| drop(claims.note(all[*at].clone(), false)));
            let older = |at: usize| claims.older(&all[at].own, &all[at], |_| true);
            assert_eq!(older(0), Older::default());
            assert_eq!(
                (older(1).identities.len(), older(1).secrets.len(), older(1).targets.len()),
                (1, 1, 0),
                "a target belongs to its namespace"
            );
            assert_eq!((older(2).identities.len(), older(2).secrets.len(), older(2).targets.len()), (1, 1, 1));
            // Seen again in the same order, as after a drift: nothing changes hands.
            order.iter().for_each(|at| drop(claims.note(all[*at].clone(), false)));
            assert_eq!((older(0), older(3).targets.len()), (Older::default(), 1));
            // The elder is gone, and only then the next in age has it.
            claims.forget(&all[0].own.uid);
            // Made in the same second: the UID decides, the same way for both.
            assert_eq!(older(1), Older::default());
            assert_eq!(older(2).identities.len(), 1);
            assert!(older(2).targets.is_empty() && older(3).targets.len() == 1);
        }
    }

    #[test]
    fn what_a_resource_no_longer_names_is_free() {
        let claims = Claims::default();
        let (elder, younger) = (holding("payments", 1, "a"), holding("payments", 2, "b"));
        claims.note(elder.clone(), false);
        claims.note(Holding { targets: BTreeSet::new(), ..elder }, false);
        assert!(claims.older(&younger.own, &younger, |_| true).targets.is_empty());
        assert_eq!(claims.older(&younger.own, &younger, |_| true).secrets.len(), 1);
    }

    #[test]
    fn t06_a_resource_that_is_gone_keeps_nobody_out_though_no_pass_saw_it_go() {
        let claims = Claims::default();
        let (elder, younger) = (holding("payments", 1, "a"), holding("payments", 2, "b"));
        claims.note(elder.clone(), false);
        claims.note(younger.clone(), false);
        assert_ne!(claims.older(&younger.own, &younger, |_| true), Older::default());
        assert_eq!(claims.older(&younger.own, &younger, |own| own.uid != elder.own.uid), Older::default());
    }

    #[test]
    fn who_stands_back_is_told_when_the_elder_is_gone_or_lets_go_and_not_before() {
        let (elder, younger) = (holding("payments", 1, "a"), holding("other", 2, "b"));
        let bystander = holding("payments", 3, "c");
        let begun = || {
            let claims = Claims::default();
            assert!(claims.note(elder.clone(), false).is_empty());
            assert!(claims.note(younger.clone(), true).is_empty());
            assert!(claims.note(bystander.clone(), false).is_empty());
            claims
        };
        let waits = vec![younger.own.clone()];
        assert_eq!(begun().forget(&elder.own.uid), waits);
        assert_eq!(begun().note(Holding { identities: BTreeSet::new(), ..elder.clone() }, false), waits);
        assert_eq!(begun().note(Holding { secret: None, ..elder.clone() }, false), waits);
        // Nothing was let go.
        assert!(begun().note(elder.clone(), false).is_empty());
        let more = elder.identities.iter().cloned().chain([Identity::parse("host/more").unwrap()]).collect();
        assert!(begun().note(Holding { identities: more, ..elder.clone() }, false).is_empty());
        // Gone without a pass: found once, told once.
        let claims = begun();
        let lives = |own: &Own| own.uid != elder.own.uid;
        assert!(claims.forget_the_dead(|_| true).is_empty());
        assert_eq!(claims.forget_the_dead(lives), waits);
        assert!(claims.forget_the_dead(lives).is_empty());
        // Served at last, or gone itself: it waits for nobody.
        claims.note(younger.clone(), false);
        assert!(claims.forget(&bystander.own.uid).is_empty());
        let claims = begun();
        assert!(claims.forget(&younger.own.uid).is_empty() && claims.forget(&elder.own.uid).is_empty());
    }
}
