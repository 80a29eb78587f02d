//! Who was there first: identities, AWS secrets and targets, each held by the oldest resource that names it.
//!
//! Invariant: of two resources that name one thing, the older (creation time, then UID) has it, in whatever order they are
//! seen. Filled from the cache before the first pass, kept by every pass. Whoever stands back for an older one is woken as
//! soon as something was let go: nothing of its own changes then. A look costs what it asks about, however many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mes_core::names::{Identity, Namespace, SecretOfStore, TargetName, Uid};
use mes_core::scope::{Held, Holding, Older};
use mes_core::spec::Own;

/// A resource's age: smaller is older.
type Age = (Timestamp, Uid);

#[derive(Debug, Default)]
struct Index {
    holdings: BTreeMap<Uid, Holding>,
    identities: BTreeMap<Identity, BTreeSet<Age>>,
    secrets: BTreeMap<SecretOfStore, BTreeSet<Age>>,
    targets: BTreeMap<(Namespace, TargetName), BTreeSet<Age>>,
    /// Who stands back. What for is not kept: some identities are told by values alone.
    standing_back: BTreeMap<Uid, Own>,
}

/// The index over all resources.
#[derive(Debug, Default)]
pub(super) struct Claims(Arc<Mutex<Index>>);

impl Claims {
    /// Notes what a resource holds, in place of what it held before, and whether it stands back for an older one. Gives who
    /// stands back and may look again.
    pub(super) fn note(&self, holding: Holding, stands_back: bool) -> Vec<Own> {
        let mut index = lock(&self.0);
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
        let mut index = lock(&self.0);
        index.standing_back.remove(uid);
        if index.withdraw(uid).is_some() { index.waiting_but(uid) } else { Vec::new() }
    }

    /// Forgets every resource that lives no longer: of one that went without a pass nobody tells. Gives who stands back and
    /// may look again. While nobody stands back it costs nothing, and does nothing.
    pub(super) fn forget_the_dead(&self, lives: impl Fn(&Own) -> bool) -> Vec<Own> {
        let mut index = lock(&self.0);
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

    /// What older resources hold that `own` may want: any identity that it asks about (a value may name any), and of
    /// secrets and targets those that `asked` names. Only of resources that still live: nobody tells us of one that went
    /// without a pass, and a resource that is made again must not be kept out by what it was before.
    pub(super) fn older(
        &self,
        own: &Own,
        asked: &Holding,
        lives: impl Fn(&Own) -> bool + Send + Sync + 'static,
    ) -> Older {
        let index = lock(&self.0);
        let age = age(own);
        let taken = |ages| index.taken(ages, &age, &lives);
        let target = |name: &&TargetName| taken(index.targets.get(&(own.namespace.clone(), (*name).clone())));
        let secrets = asked.secret.iter().filter(|secret| taken(index.secrets.get(*secret))).cloned().collect();
        let targets = asked.targets.iter().filter(target).cloned().collect();
        drop(index);
        let index = self.0.clone();
        let held = move |identity: &Identity| {
            let index = lock(&index);
            index.taken(index.identities.get(identity), &age, &lives)
        };
        Older { identities: Held::by(held), secrets, targets }
    }
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Index {
    /// Whether one of these is older than `age`, and lives.
    fn taken(&self, ages: Option<&BTreeSet<Age>>, age: &Age, lives: impl Fn(&Own) -> bool) -> bool {
        let alive = |uid: &Uid| self.holdings.get(uid).is_some_and(|holding| lives(&holding.own));
        ages.is_some_and(|ages| ages.range(..age).any(|(_, uid)| alive(uid)))
    }

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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mes_core::names::{ObjectName, SecretName};

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
            secret: Some(SecretOfStore {
                store: ObjectName::parse("default").unwrap(),
                name: SecretName::parse("legacy/same").unwrap(),
            }),
            targets: [TargetName::parse("same").unwrap()].into(),
        }
    }

    /// How many of its identities, secrets and targets an older resource has.
    fn taken(claims: &Claims, of: &Holding, lives: impl Fn(&Own) -> bool + Send + Sync + 'static) -> [usize; 3] {
        let older = claims.older(&of.own, of, lives);
        let identities = of.identities.iter().filter(|identity| older.identities.has(identity)).count();
        [identities, older.secrets.len(), older.targets.len()]
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
            let older = |at: usize| taken(&claims, &all[at], |_| true);
            assert_eq!(older(0), [0, 0, 0]);
            assert_eq!(older(1), [1, 1, 0], "a target belongs to its namespace");
            assert_eq!(older(2), [1, 1, 1]);
            // Seen again in the same order, as after a drift: nothing changes hands.
            order.iter().for_each(|at| drop(claims.note(all[*at].clone(), false)));
            assert_eq!((older(0), older(3)), ([0, 0, 0], [1, 1, 1]));
            // The elder is gone, and only then the next in age has it.
            claims.forget(&all[0].own.uid);
            // Made in the same second: the UID decides, the same way for both.
            assert_eq!((older(1), older(2), older(3)), ([0, 0, 0], [1, 1, 0], [1, 1, 1]));
        }
    }

    #[test]
    fn what_a_resource_no_longer_names_is_free() {
        let claims = Claims::default();
        let (elder, younger) = (holding("payments", 1, "a"), holding("payments", 2, "b"));
        claims.note(elder.clone(), false);
        claims.note(Holding { targets: BTreeSet::new(), ..elder }, false);
        assert_eq!(taken(&claims, &younger, |_| true), [1, 1, 0]);
    }

    #[test]
    fn t06_a_resource_that_is_gone_keeps_nobody_out_though_no_pass_saw_it_go() {
        let claims = Claims::default();
        let (elder, younger) = (holding("payments", 1, "a"), holding("payments", 2, "b"));
        claims.note(elder.clone(), false);
        claims.note(younger.clone(), false);
        assert_eq!(taken(&claims, &younger, |_| true), [1, 1, 1]);
        assert_eq!(taken(&claims, &younger, move |own| own.uid != elder.own.uid), [0, 0, 0]);
    }

    #[test]
    fn a_look_asks_about_what_its_resource_names_however_many_there_are() {
        let claims = Claims::default();
        let one = |number: i64| {
            let mut one = holding("payments", number, &format!("uid-{number}"));
            let own = SecretName::parse(format!("legacy/{number}")).unwrap();
            one.identities = [Identity::parse(format!("host/{number}")).unwrap()].into();
            one.secret = one.secret.map(|secret| SecretOfStore { name: own, ..secret });
            one.targets = [TargetName::parse(format!("target-{number}")).unwrap()].into();
            one
        };
        (1..=3000).for_each(|number| drop(claims.note(one(number), false)));
        // The youngest wants what one of them has, and what nobody has.
        let youngest = Holding { own: one(3001).own, ..one(7) };
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let lives = move |_: &Own| {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        };
        let older = claims.older(&youngest.own, &youngest, lives);
        assert_eq!((older.secrets.len(), older.targets.len(), asked.load(Ordering::Relaxed)), (1, 1, 2));
        assert!(youngest.identities.iter().all(|identity| older.identities.has(identity)));
        assert!(!older.identities.has(&Identity::parse("host/nobodys").unwrap()));
        assert_eq!(asked.load(Ordering::Relaxed), 3, "one question for each thing that somebody has");
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
