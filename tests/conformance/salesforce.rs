//! Salesforce, as the sandbox stands in for it: over TLS, by an authority of the run.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use managed_external_secrets::partners::{Bound, Partner};
use mes_core::facts::Acceptance;
use mes_core::fault::FaultKind;
use mes_core::names::ObjectName;
use mes_core::partner::Parameters;
use mes_core::scope::Granted;
use mes_core::secret::Value;
use mes_core::spec::Origin;
use sandbox::{App, Fate, Fault, Served};

use crate::bench::{Bench, World, copy, driver, drivers, tag, text, value, version, with};

const HOST: &str = "acme.my.salesforce.com";

struct Org {
    served: Arc<Served>,
    driver: Arc<dyn Partner>,
    current: Value,
    /// The pair of somebody else who may manage the app as well.
    manager: Value,
}

/// An app that may manage itself; the list shows staged bytes.
pub(crate) async fn by_itself() -> Bench {
    let (bench, served) = bench(false).await;
    served.with(|world| world.turn(Timestamp::now(), |knobs| knobs.salesforce_staged_shows_secret = true));
    bench
}

/// An app that is managed by another one's pair; the list hides staged bytes, and what is staged is told flat.
pub(crate) async fn by_an_admin() -> Bench {
    let (bench, served) = bench(true).await;
    served.with(|world| world.turn(Timestamp::now(), |knobs| knobs.salesforce_flat_staged = true));
    bench
}

async fn bench(by_admin: bool) -> (Bench, Arc<Served>) {
    let served = Arc::new(sandbox::serve(sandbox::Options::default()).await.unwrap());
    let app = served.with(|world| world.salesforce_app(HOST, "crm", !by_admin));
    let manager = served.with(|world| world.salesforce_app(HOST, "manager", true));
    let manager = value([("consumerKey", manager.consumer_key.as_str()), ("consumerSecret", &manager.consumer_secret)]);
    let (partner, unreachable, calls) =
        drivers("SalesforceClientSecret", HOST, served.partners_addr().port(), served.ca_path());
    let current = value_of(&app);
    let bench = Bench {
        world: Box::new(Org {
            served: served.clone(),
            driver: partner.clone(),
            current: copy(&current),
            manager: copy(&manager),
        }),
        partner,
        unreachable,
        current,
        slots: Vec::new(),
        origin: origin(by_admin),
        identities: vec![app.app_id],
        parameters: parameters(),
        admin: by_admin.then_some(manager),
        calls,
    };
    (bench, served)
}

fn origin(by_account: bool) -> Origin {
    Origin {
        scheme: "https".to_owned(),
        host: HOST.to_owned(),
        port: 443,
        path: String::new(),
        ca_bundle: None,
        private_networks: Vec::new(),
        account: by_account.then(|| ObjectName::parse("acme").unwrap()),
    }
}

fn parameters() -> Parameters {
    [("apiVersion".to_owned(), "v65.0".to_owned())].into()
}

fn value_of(app: &App) -> Value {
    value([
        ("baseUri", app.base_uri.as_str()),
        ("appId", &app.app_id),
        ("consumerId", &app.consumer_id),
        ("consumerKey", &app.consumer_key),
        ("consumerSecret", &app.consumer_secret),
    ])
}

#[async_trait]
impl World for Org {
    async fn accepts(&self, value: &Value) -> bool {
        let (key, secret) = (text(value, "consumerKey"), text(value, "consumerSecret"));
        self.served.with(|world| world.salesforce_logs_in(key, secret, Timestamp::now())).0
    }

    /// Another program rotates the app: its pair is the main one, ours is on its way out.
    async fn intrude(&self) -> Value {
        let bound = Bound::new(Granted::assume(origin(true)), Some(copy(&self.manager)), parameters(), Vec::new());
        let theirs = self.driver.create(&bound, Some(&self.current), &tag()).await.unwrap();
        self.driver.activate(&bound, &theirs).await.unwrap();
        theirs
    }

    fn lose_the_next_answer(&self) -> bool {
        self.served.with(|world| world.plant(fault("stage", Fate::DropReply)));
        true
    }

    fn wrong(&self, value: &Value) -> Value {
        with(value, "consumerSecret", &"0".repeat(64))
    }

    fn elsewhere(&self, value: &Value) -> Value {
        with(value, "baseUri", "https://other.my.salesforce.com")
    }
}

/// Strikes the next call of this operation.
fn fault(operation: &str, fate: Fate) -> Fault {
    Fault {
        door: Some("salesforce".to_owned()),
        operation: Some(operation.to_owned()),
        count: Some(1),
        ..Fault::of(fate)
    }
}

/// What the driver makes of one bad answer to the call that stages.
async fn staged_badly(bench: &Bench, served: &Served, fate: Fate) -> (FaultKind, String, Option<u32>) {
    served.with(|world| world.plant(fault("stage", fate)));
    let fault = bench.partner.create(&bench.bound(), Some(&bench.current), &tag()).await.unwrap_err();
    (fault.kind, fault.code.to_string(), fault.retry_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_answer_to_an_effect_leaves_it_unknown() {
    let (bench, served) = bench(false).await;
    for (fate, code) in [
        (Fate::Html { status: None }, "NotJson"),
        (Fate::Redirect { location: "https://evil.example/".to_owned() }, "Redirect"),
        (Fate::Huge { bytes: 2 << 20 }, "TooLarge"),
        (Fate::Close, "ConnectionLost"),
        (Fate::Status { status: 503, retry_after: None }, "503"),
    ] {
        let seen = staged_badly(&bench, &served, fate).await;
        assert_eq!(seen, (FaultKind::Unknown, code.to_owned(), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_or_hardly_comes_ends_with_the_budget_and_leaves_the_effect_unknown() {
    let (bench, served) = bench(false).await;
    let budget = std::time::Duration::from_secs(2);
    let partner = driver("SalesforceClientSecret", HOST, served.partners_addr().port(), served.ca_path(), budget);
    for fate in [Fate::Silence, Fate::Slow { ms: 500 }] {
        served.with(|world| world.plant(fault("stage", fate)));
        let began = std::time::Instant::now();
        let fault = partner.create(&bench.bound(), Some(&bench.current), &tag()).await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unknown, "Timeout"));
        assert!(began.elapsed() < 4 * budget);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_name_is_never_spoken_to() {
    let (mut bench, served) = bench(false).await;
    // The stand-in's certificate has a star for one label.
    bench.origin.host = "one.two.three.my.salesforce.com".to_owned();
    let (port, ca) = (served.partners_addr().port(), served.ca_path());
    let (partner, _, _) = drivers("SalesforceClientSecret", &bench.origin.host, port, ca);
    let value = with(&bench.current, "baseUri", "https://one.two.three.my.salesforce.com");
    let fault = partner.verify(&bench.bound(), &value).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "CertificateName"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_effect_did_not_happen_and_an_absurd_delay_is_capped() {
    let (bench, served) = bench(false).await;
    let absurd = Fate::Status { status: 429, retry_after: Some("999999999".to_owned()) };
    let seen = staged_badly(&bench, &served, absurd).await;
    assert_eq!(seen, (FaultKind::Throttled, "429".to_owned(), Some(3600)));
    let nonsense = Fate::Status { status: 429, retry_after: Some("soon".to_owned()) };
    assert_eq!(staged_badly(&bench, &served, nonsense).await, (FaultKind::Throttled, "429".to_owned(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_before_the_effect_is_surely_without_effect() {
    let (bench, served) = bench(false).await;
    for operation in ["token", "main_pair", "list_staged"] {
        served.with(|world| world.plant(fault(operation, Fate::Html { status: None })));
        let fault = bench.partner.create(&bench.bound(), Some(&bench.current), &tag()).await.unwrap_err();
        assert!(fault.surely_nothing_happened(), "{operation}: {fault:?}");
    }
    assert_eq!(bench.partner.list(&bench.bound(), &[(version(1), copy(&bench.current))]).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_acting_credential_is_denied_and_says_nothing_of_the_one_that_is_tried() {
    let (bench, _served) = bench(true).await;
    let dead = bench.acting(with(bench.admin.as_ref().unwrap(), "consumerSecret", "dead"));
    let known = [(version(1), copy(&bench.current))];
    assert_eq!(bench.partner.list(&dead, &known).await.unwrap_err().kind, FaultKind::Denied);
    assert_eq!(bench.partner.verify(&dead, &bench.current).await.unwrap_err().kind, FaultKind::Denied);
    assert_eq!(bench.partner.verify(&bench.bound(), &bench.current).await, Ok(Acceptance::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_hides_its_secrets_is_denied_with_its_reason() {
    let (bench, served) = bench(false).await;
    served.with(|world| world.turn(Timestamp::now(), |knobs| knobs.salesforce_secrets_via_rest = false));
    let fault = bench.partner.create(&bench.bound(), Some(&bench.current), &tag()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Denied, "FUNCTIONALITY_NOT_ENABLED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_another_app_or_of_an_app_that_is_not_granted_is_alien() {
    let (bench, served) = bench(false).await;
    let other = value_of(&served.with(|world| world.salesforce_app(HOST, "other", true)));
    assert_eq!(bench.partner.verify(&bench.bound(), &other).await, Ok(Acceptance::Alien));
    let mixed = with(&bench.current, "consumerKey", text(&other, "consumerKey"));
    let mixed = with(&mixed, "consumerSecret", text(&other, "consumerSecret"));
    assert_eq!(bench.partner.verify(&bench.bound(), &mixed).await, Ok(Acceptance::Alien));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pair_in_use_is_neither_adopted_nor_deleted_while_it_is_still_the_staged_one() {
    for shown in [true, false] {
        let (bench, served) = bench(false).await;
        served.with(|world| world.turn(Timestamp::now(), |knobs| knobs.salesforce_staged_shows_secret = shown));
        let promoted = bench.candidate().await;
        let bound = bench.acting(copy(&promoted));
        let full = bench.partner.create(&bound, Some(&promoted), &tag()).await.unwrap_err();
        assert_eq!(full.kind, FaultKind::Limit, "{full:?}");
        assert!(bench.world.accepts(&promoted).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_pair_that_is_shown_is_given_back_and_none_is_made_beside_it() {
    let bench = by_itself().await;
    let pending = bench.candidate().await;
    assert!(bench.candidate().await.same(&pending));
    // Where it is not shown, nobody has it any more: it makes room for one that somebody has.
    let bench = by_an_admin().await;
    let lost = bench.candidate().await;
    let next = bench.candidate().await;
    assert!(!next.same(&lost) && !bench.world.accepts(&lost).await && bench.world.accepts(&next).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_has_not_spread_is_refused_first_and_accepted_later() {
    let (bench, served) = bench(false).await;
    served.with(|world| world.turn(Timestamp::now(), |knobs| knobs.salesforce_acceptance_lag_ms = 60_000));
    let candidate = bench.candidate().await;
    assert_eq!(bench.partner.verify(&bench.bound(), &candidate).await, Ok(Acceptance::Refused));
    served.with(|world| world.advance(jiff::SignedDuration::from_secs(61)));
    assert_eq!(bench.partner.verify(&bench.bound(), &candidate).await, Ok(Acceptance::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_of_the_acting_pair_is_never_taken_for_the_one_that_is_meant() {
    let (bench, served) = bench(false).await;
    let manager = value_of(&served.with(|world| world.salesforce_app(HOST, "another manager", true)));
    let bound = bench.acting(copy(&manager));
    assert_eq!(bench.partner.list(&bound, &[]).await.unwrap_err().kind, FaultKind::Rejected);
    let made = bench.partner.create(&bound, Some(&bench.current), &tag()).await.unwrap();
    assert_eq!(text(&made, "appId"), text(&bench.current, "appId"));
    assert_eq!(bench.partner.verify(&bound, &made).await, Ok(Acceptance::Accepted));
    // The granted app alone: the manager's own pair is not ours to rotate.
    assert_eq!(bench.partner.create(&bound, Some(&manager), &tag()).await.unwrap_err().kind, FaultKind::Rejected);
}
