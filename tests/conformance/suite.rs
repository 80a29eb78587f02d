//! The cases. Each takes a bench with a credential in use, and leaves nothing for another.

use managed_external_secrets::clock::SystemRandom;
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::FaultKind;
use mes_core::names::{CredentialId, VersionId};
use mes_core::partner::{Activation, Chooser};
use mes_core::secret::Value;

use crate::bench::{Bench, copy, tag, version, with};

/// Whether the superseded credential still lives once the candidate does: as the contract says.
async fn old_lives(bench: &Bench) -> bool {
    let lives = bench.world.accepts(&bench.current).await;
    assert_eq!(lives, !bench.contract().in_place(), "the contract tells whether both live side by side");
    lives
}

/// What the partner lists, given these values as versions 1, 2, ….
async fn listed(bench: &Bench, known: &[&Value]) -> Vec<Credential> {
    let known: Vec<(VersionId, Value)> = (1..).map(version).zip(known.iter().map(|value| copy(value))).collect();
    bench.partner.list(&bench.bound(), &known).await.unwrap()
}

fn holding<'a>(listed: &'a [Credential], wanted: &VersionId) -> Option<&'a Credential> {
    listed.iter().find(|credential| credential.versions.contains(wanted))
}

pub(crate) async fn it_has_a_contract_for_what_it_is_asked_to_do(bench: &Bench) {
    let described = bench.partner.describe();
    let contract = described.contract(&bench.parameters, bench.admin.is_some()).unwrap();
    assert!(contract.successes >= 1);
    described.check_parameters(&bench.parameters).unwrap();
    described.format.check(&bench.current).unwrap();
    if let Some(admin) = &bench.admin {
        described.operator.unwrap().admin.expect("an admin's format").check(admin).unwrap();
    }
    let identities = described.identities(&bench.parameters, Some(&bench.current)).unwrap();
    assert_eq!(identities, bench.identities.iter().cloned().collect());
    assert_eq!(described.host.of(&bench.current).as_deref(), Some(bench.origin.host.as_str()));
    assert!(bench.origin.account.is_some() || described.is_vendor_host(&bench.origin.host));
}

pub(crate) async fn what_was_made_is_accepted_and_listed_with_its_version(bench: &Bench) {
    let before = listed(bench, &[&bench.current]).await;
    assert_eq!(before.len(), 1, "{before:?}");
    let candidate = bench.candidate().await;
    bench.partner.describe().format.check(&candidate).unwrap();
    assert!(!candidate.same(&bench.current));
    assert_eq!(bench.partner.verify(&bench.bound(), &candidate).await, Ok(Acceptance::Accepted));
    assert!(bench.world.accepts(&candidate).await);
    let old = if old_lives(bench).await { Acceptance::Accepted } else { Acceptance::Refused };
    assert_eq!(bench.partner.verify(&bench.bound(), &bench.current).await, Ok(old));
    let after = listed(bench, &[&bench.current, &candidate]).await;
    if bench.contract().in_place() {
        assert_eq!(after.len(), 1, "{after:?}");
        assert!(holding(&after, &version(2)).is_some() && holding(&after, &version(1)).is_none(), "{after:?}");
        return;
    }
    assert_eq!(after.len(), 2, "{after:?}");
    let (one, two) = (holding(&after, &version(1)).unwrap(), holding(&after, &version(2)).unwrap());
    assert_ne!(one.id, two.id);
    assert_eq!((one.versions.len(), two.versions.len()), (1, 1));
    // The same credential keeps its id, and is found by either of two versions with its bytes.
    assert_eq!(one.id, before[0].id);
    let twice = listed(bench, &[&bench.current, &bench.current]).await;
    assert!(holding(&twice, &version(1)).unwrap().versions.contains(&version(2)));
    if let Some(limit) = bench.contract().live_limit {
        assert!(after.len() <= usize::from(limit));
    }
}

pub(crate) async fn a_wrong_credential_is_refused_one_of_another_host_is_alien_a_maimed_one_malformed(bench: &Bench) {
    let verify = async |value: &Value| bench.partner.verify(&bench.bound(), value).await;
    assert_eq!(verify(&bench.world.wrong(&bench.current)).await, Ok(Acceptance::Refused));
    assert_eq!(verify(&bench.world.elsewhere(&bench.current)).await, Ok(Acceptance::Alien));
    assert_eq!(verify(&with(&bench.current, "surplus", "x")).await, Ok(Acceptance::Malformed));
    for name in bench.current.names() {
        assert_eq!(verify(&with(&bench.current, name, "")).await, Ok(Acceptance::Malformed), "{name}");
    }
    assert_eq!(verify(&bench.current).await, Ok(Acceptance::Accepted));
}

pub(crate) async fn making_it_again_leaves_one_candidate(bench: &Bench) {
    let bound = bench.bound();
    let candidate = match bench.contract().chooser {
        Chooser::Caller => {
            let candidate = bench.candidate().await;
            bench.partner.register(&bound, &candidate).await.unwrap();
            candidate
        }
        Chooser::Partner => {
            assert!(bench.world.lose_the_next_answer());
            let lost = bench.partner.create(&bound, Some(&bench.current), &tag()).await.unwrap_err();
            assert_eq!(lost.kind, FaultKind::Unknown, "{lost:?}");
            bench.candidate().await
        }
    };
    let after = listed(bench, &[&bench.current, &candidate]).await;
    let lives = old_lives(bench).await;
    assert_eq!(after.len(), 1 + usize::from(lives), "{after:?}");
    assert!(after.iter().all(|credential| !credential.versions.is_empty()));
    assert!(bench.world.accepts(&candidate).await);
}

/// From the credential in use to the candidate, as after promotion; gives the candidate and the superseded one's id.
async fn superseded(bench: &Bench) -> (Value, CredentialId) {
    let candidate = bench.candidate().await;
    if bench.contract().activation == Activation::AfterPromotion {
        let bound = bench.bound();
        bench.partner.activate(&bound, &candidate).await.unwrap();
        bench.partner.activate(&bound, &candidate).await.unwrap();
    }
    let after = listed(bench, &[&bench.current, &candidate]).await;
    let old = holding(&after, &version(1)).unwrap();
    assert_eq!(after.len(), 2);
    (candidate, old.id.clone())
}

pub(crate) async fn the_superseded_one_is_revoked_once_and_no_other(bench: &Bench) {
    if bench.contract().in_place() {
        // It is dead already: a revocation of its bytes ends nothing, least of all what took its place.
        let before = listed(bench, &[&bench.current]).await;
        let candidate = bench.candidate().await;
        bench.partner.revoke(&bench.bound(), &before[0].id, Some(&bench.current)).await.unwrap();
        assert!(bench.world.accepts(&candidate).await && !old_lives(bench).await);
        return;
    }
    let (candidate, old) = superseded(bench).await;
    assert!(bench.world.accepts(&bench.current).await, "it lives until it is revoked");
    let bound = if bench.admin.is_some() { bench.bound() } else { bench.acting(copy(&candidate)) };
    for _ in 0..2 {
        bench.partner.revoke(&bound, &old, Some(&bench.current)).await.unwrap();
        assert!(!bench.world.accepts(&bench.current).await);
        assert!(bench.world.accepts(&candidate).await);
    }
    assert_eq!(bench.partner.verify(&bound, &bench.current).await, Ok(Acceptance::Refused));
    assert_eq!(bench.partner.verify(&bound, &candidate).await, Ok(Acceptance::Accepted));
    let known = [(version(1), copy(&bench.current)), (version(2), copy(&candidate))];
    let after = bench.partner.list(&bound, &known).await.unwrap();
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(holding(&after, &version(2)).is_some());
}

pub(crate) async fn a_revocation_ends_only_the_bytes_that_are_held(bench: &Bench) {
    let candidate = bench.candidate().await;
    let known = listed(bench, &[&bench.current, &candidate]).await;
    let id = holding(&known, &version(2)).unwrap().id.clone();
    let bound = bench.bound();
    // Other bytes under the same id: gone already, or not provably the one.
    let stale = bench.world.wrong(&candidate);
    let _ = bench.partner.revoke(&bound, &id, Some(&stale)).await;
    bench.partner.revoke(&bound, &id, None).await.unwrap_err();
    assert!(bench.world.accepts(&candidate).await);
    old_lives(bench).await;
    // A late copy of a revocation, when the same place holds another candidate.
    bench.partner.revoke(&bound, &id, Some(&candidate)).await.unwrap();
    assert!(!bench.world.accepts(&candidate).await);
    old_lives(bench).await;
    let next = bench.candidate().await;
    let _ = bench.partner.revoke(&bound, &id, Some(&candidate)).await;
    assert!(bench.world.accepts(&next).await);
    old_lives(bench).await;
}

pub(crate) async fn verbs_that_the_contract_lacks_are_undeclared(bench: &Bench) {
    let (contract, bound, partner) = (bench.contract(), bench.bound(), &bench.partner);
    let created = partner.create(&bound, Some(&bench.current), &tag()).await;
    let composed = partner.compose(&bound, Some(&bench.current), bench.slots.last(), &SystemRandom);
    let undeclared = |kind: Option<FaultKind>| kind == Some(FaultKind::Undeclared);
    let by_partner = contract.chooser == Chooser::Partner;
    assert_eq!(undeclared(created.err().map(|fault| fault.kind)), !by_partner);
    assert_eq!(undeclared(composed.err().map(|fault| fault.kind)), by_partner);
    if by_partner {
        let registered = partner.register(&bound, &bench.current).await;
        assert!(undeclared(registered.err().map(|fault| fault.kind)));
    }
    let activated = partner.activate(&bound, &bench.current).await;
    let activates = contract.activation == Activation::AfterPromotion;
    assert_eq!(undeclared(activated.err().map(|fault| fault.kind)), !activates);
}

pub(crate) async fn an_outage_is_a_fault_and_never_a_refusal(bench: &Bench) {
    let (bound, partner) = (bench.bound(), &bench.unreachable);
    let verified = partner.verify(&bound, &bench.current).await.unwrap_err();
    let listed = partner.list(&bound, &[(version(1), copy(&bench.current))]).await.unwrap_err();
    let id = CredentialId::parse(version(1).as_str()).unwrap();
    let id = bench.slots.first().map_or(id, |slot| CredentialId::parse(format!("{slot}@{}", version(1))).unwrap());
    let revoked = partner.revoke(&bound, &id, Some(&bench.current)).await.unwrap_err();
    let made = match bench.contract().chooser {
        Chooser::Partner => partner.create(&bound, Some(&bench.current), &tag()).await.map(drop),
        Chooser::Caller => partner.register(&bound, &bench.current).await,
    };
    for fault in [verified, listed, revoked, made.unwrap_err()] {
        assert_eq!(fault.kind, FaultKind::Unsent, "{fault:?}");
    }
    assert!(bench.world.accepts(&bench.current).await);
}

pub(crate) async fn a_foreign_credential_is_listed_without_version_and_never_touched(bench: &Bench) {
    let foreign = bench.world.intrude().await;
    let bound = bench.bound();
    let seen = listed(bench, &[&bench.current]).await;
    let lives = old_lives(bench).await;
    assert_eq!(seen.len(), 1 + usize::from(lives), "{seen:?}");
    assert_eq!(holding(&seen, &version(1)).is_some(), lives);
    let unknown = seen.iter().find(|credential| credential.versions.is_empty()).expect("the foreign one");
    assert_eq!(listed(bench, &[&bench.current]).await, seen, "ids hold");
    for held in [None, Some(&bench.world.wrong(&foreign))] {
        let _ = bench.partner.revoke(&bound, &unknown.id, held).await;
        assert!(bench.world.accepts(&foreign).await);
    }
    if bench.contract().chooser == Chooser::Partner {
        let full = bench.partner.create(&bound, Some(&bench.current), &tag()).await.unwrap_err();
        assert_eq!(full.kind, FaultKind::Limit, "{full:?}");
        let _ = bench.partner.activate(&bound, &bench.current).await;
    }
    assert!(bench.world.accepts(&foreign).await);
    old_lives(bench).await;
}

pub(crate) async fn what_is_told_of_calls_holds_no_value(bench: &Bench) {
    let candidate = bench.candidate().await;
    listed(bench, &[&bench.current, &candidate]).await;
    let told = bench.calls.told();
    assert!(!told.is_empty());
    let described = bench.partner.describe();
    let secret = |name: &&str| described.format.field(name).is_some_and(|field| !field.public);
    for value in [&bench.current, &candidate] {
        for name in value.names().filter(secret) {
            let text = value.get(name).unwrap().expose();
            assert!(told.iter().all(|line| !line.contains(text)), "{name} was told");
        }
    }
    let of_type = |line: &String| line.starts_with(&format!("{} ", described.name));
    assert!(told.iter().all(of_type), "{told:?}");
}
