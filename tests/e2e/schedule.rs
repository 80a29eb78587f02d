//! Schedules and long overlaps on a clock that is ahead: `controller::run` in this process, with the doors of `mes run`.
//!
//! The shipped binary has no flag for this. The sandbox's clock goes along. Kubernetes does not: what waits for a moment
//! is woken by the annotation that asks to read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil::Weekday};
use kube::config::{KubeConfigOptions, Kubeconfig};
use managed_external_secrets::aws::Transport;
use managed_external_secrets::cli::told::Told;
use managed_external_secrets::clock::{Clock, SystemRandom};
use managed_external_secrets::cluster::{Campaign, client, lease, seal};
use managed_external_secrets::controller::{self, CALL, Outside, Settings};
use managed_external_secrets::partners::doors::{self, Egress, Loopback};
use managed_external_secrets::partners::registry;
use managed_external_secrets::telemetry::metrics::Metrics;
use managed_external_secrets::telemetry::server::Readiness;
use mes_core::facts::Bounds;
use mes_core::names::{Namespace, ObjectName, Uid};
use sandbox::RotationFailure;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::world::{World, condition_of, world};

/// So many seconds ahead of the machine's.
#[derive(Debug)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// The SDK renews sessions by the same clock.
#[derive(Debug)]
struct SdkClock(Arc<Ahead>);

impl aws_smithy_async::time::TimeSource for SdkClock {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

/// The controller of this process, and its clock.
struct Shifted {
    clock: Arc<Ahead>,
    stop: Arc<Notify>,
    runtime: Option<Runtime>,
}

impl Shifted {
    /// Starts, as far ahead as the sandbox is by now.
    fn start(world: &World) -> Self {
        // It holds a Lease of its own name.
        world.lend_home();
        let real = Timestamp::now();
        let ahead = world.sandbox.with(|sandbox| sandbox.now(real)).duration_since(real);
        let clock = Arc::new(Ahead(AtomicI64::new(ahead.as_secs())));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let stop = Arc::new(Notify::new());
        let loopback = std::fs::read_to_string(world.partners()).expect("the partners' file");
        let loopback = Loopback::parse(&loopback, world.scratch.path()).expect("partners on this machine");
        let kubeconfig = Kubeconfig::read_from(&world.account).expect("a kubeconfig");
        let uid = world.get(&["namespace", "kube-system"])["metadata"]["uid"].as_str().expect("a UID").to_owned();
        runtime.spawn(operate(clock.clone(), stop.clone(), kubeconfig, loopback, Uid::parse(uid).expect("a UID")));
        Self { clock, stop, runtime: Some(runtime) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Both clocks go on, and the resource is looked at again.
    fn advance(&self, world: &World, by: SignedDuration, resource: [&str; 2]) {
        self.clock.0.fetch_add(by.as_secs(), Ordering::SeqCst);
        world.sandbox.with(|sandbox| sandbox.advance(SignedDuration::from_secs(by.as_secs())));
        let now = format!("managed-secrets.io/sync={}", self.now().as_second());
        world
            .plane
            .kubectl_ok(["annotate", "--overwrite", "mes", "-n", resource[0], resource[1], &now])
            .expect("woken");
    }

    /// To a moment on this clock, and a little further.
    fn advance_to(&self, world: &World, at: Timestamp, resource: [&str; 2]) {
        self.advance(world, at.duration_since(self.now()) + SignedDuration::from_secs(5), resource);
    }
}

impl Drop for Shifted {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

/// What `mes run` does, on this clock and with short bounds.
async fn operate(clock: Arc<Ahead>, stop: Arc<Notify>, kubeconfig: Kubeconfig, loopback: Loopback, cluster: Uid) {
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration");
    let egress = Egress {
        cluster_domain: "cluster.local".to_owned(),
        cluster_networks: Vec::new(),
        self_rotating_hosts: Vec::new(),
        loopback,
    };
    let random = Arc::new(SystemRandom);
    let cluster_client = client::connect(config.clone()).expect("a client");
    let home = Namespace::parse("mes-system").expect("a name");
    let outside = Outside {
        cluster: cluster_client.clone(),
        aws: Transport {
            time: aws_smithy_async::time::SharedTimeSource::new(SdkClock(clock.clone())),
            ..Transport::real()
        },
        partners: doors::open(egress, CALL, Arc::new(|_: &'static str, _: &'static str, _: &str| {})),
        registry: registry(),
        clock: clock.clone(),
        random: random.clone(),
        seal: seal::seal(&cluster_client, &home, &*random).await.expect("the seal"),
    };
    let settings = Settings {
        home: home.clone(),
        bounds: Bounds {
            deadline: SignedDuration::from_secs(3),
            settling: SignedDuration::from_secs(1),
            acceptance: SignedDuration::from_secs(30),
            attempts: 50,
            mints_per_day: 1000,
            spacing: SignedDuration::from_secs(1),
            ..Bounds::default()
        },
        sweep: Duration::from_secs(2),
        verify: Duration::from_secs(3600),
        concurrency: 4,
        instance: "schedule".to_owned(),
        authority_policy: true,
        any_store_endpoint: true,
    };
    let identity = lease::identity("schedule", &*random);
    let named = lease::Settings { namespace: home, name: ObjectName::parse("schedule").expect("a name"), identity };
    let lease_client = client::connect_within(config, lease::REQUEST_TIMEOUT).expect("a client");
    let mut campaign = Campaign::start(lease_client, named, clock.clone());
    assert!(campaign.handle().leads().await, "nobody else wants this Lease");
    let tally = Arc::new(Told { metrics: Metrics::new(clock, false), readiness: Readiness::of(["caches"]) });
    let stopped = async move { stop.notified().await };
    tokio::select! {
        () = controller::run(outside, settings, cluster, campaign.handle(), tally, stopped) => {}
        _ = campaign.ended() => panic!("the Lease was lost"),
    }
}

fn resource(rotation: &Value) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "clock", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_clock_a", "alternateUsername": "payments_clock_b", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": rotation, "targets": [{"name": "clock"}]}})
}

const ROLES: [&str; 2] = ["payments_clock_a", "payments_clock_b"];
const CLOCK: [&str; 2] = ["payments", "clock"];

fn next(world: &World) -> Timestamp {
    world.eventually("a next rotation", 30, |world| {
        let mes = world.get(&["mes", "-n", "payments", "clock"]);
        let settled = mes["status"]["observedGeneration"] == mes["metadata"]["generation"];
        let next = mes["status"]["nextRotationTime"].as_str().filter(|_| settled).and_then(|text| text.parse().ok());
        next.ok_or_else(|| mes["status"].to_string())
    })
}

fn scheduled(world: &World) -> Vec<Value> {
    let by_schedule = |rotation: &Value| rotation["spec"]["trigger"] == "Schedule";
    world.rotations("payments", "clock").into_iter().filter(by_schedule).collect()
}

/// Waits for the `count`-th rotation by schedule to be promoted, and tells its name.
fn promoted(world: &World, count: usize) -> String {
    world.eventually("a rotation by schedule", 60, |world| {
        let rotations = scheduled(world);
        let done = rotations.iter().filter(|each| condition_of(each, "Promoted")["status"] == "True").count();
        match rotations.last() {
            Some(last) if done == count => Ok(last["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
            _ => Err(format!("{rotations:?}")),
        }
    })
}

/// The old credential lives until the overlap has passed on this clock, and not much longer.
fn overlap_is_kept(world: &World, shifted: &Shifted, rotation: &str, overlap: SignedDuration) {
    assert!(world.logs_in("payments", "clock"), "the new one is in use");
    assert_eq!(world.logins(&ROLES), 2, "both live side by side");
    let seen = world.get(&["rot", "-n", "payments", rotation]);
    let until: Timestamp = seen["status"]["revokeAfterTime"].as_str().expect("told").parse().expect("a time");
    let begun: Timestamp = seen["status"]["promoteTime"].as_str().expect("told").parse().expect("a time");
    assert_eq!(until.duration_since(begun), overlap);
    shifted.advance(world, until.duration_since(shifted.now()) - SignedDuration::from_mins(5), CLOCK);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(world.logins(&ROLES), 2, "five minutes before the end of the overlap");
    assert_eq!(condition_of(&world.get(&["rot", "-n", "payments", rotation]), "Complete")["status"], "False");
    shifted.advance_to(world, until, CLOCK);
    world.condition(&["rot", "-n", "payments", rotation], "Complete", "True", Some("Revoked"), 60);
    assert_eq!(world.logins(&ROLES), 1, "afterwards it is dead");
}

#[test]
fn a_rotation_starts_when_the_clock_passes_its_schedule_and_the_old_one_lives_for_the_overlap() {
    let world = world();
    world.roles(&ROLES);
    let shifted = Shifted::start(&world);
    world.apply(&resource(&json!({"schedule": "rate(4 hours)", "overlap": "90m"})));
    world.condition(&["mes", "-n", "payments", "clock"], "Ready", "True", Some("InService"), 90);
    let onboarded = shifted.now();
    let at = next(&world);
    assert!(at.duration_since(onboarded) > SignedDuration::from_hours(2), "{at} is hours after {onboarded}");
    shifted.advance(&world, SignedDuration::from_hours(1), CLOCK);
    std::thread::sleep(Duration::from_secs(3));
    assert!(scheduled(&world).is_empty(), "not before its time");
    shifted.advance_to(&world, at, CLOCK);
    let rotation = promoted(&world, 1);
    overlap_is_kept(&world, &shifted, &rotation, SignedDuration::from_mins(90));

    // A window of three hours on Sunday night, by the clocks of Berlin; two days of overlap.
    world.apply(&resource(
        &json!({"schedule": "cron(0 2 ? * SUN *)", "window": "3h", "timeZone": "Europe/Berlin", "overlap": "48h"}),
    ));
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    let at = next(&world);
    let local = at.to_zoned(berlin);
    assert_eq!(local.weekday(), Weekday::Sunday, "{local}");
    assert!((2..5).contains(&local.hour()), "{local} is in the window");
    shifted.advance(&world, at.duration_since(shifted.now()) - SignedDuration::from_mins(10), CLOCK);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(scheduled(&world).len(), 1, "not before its time");
    shifted.advance_to(&world, at, CLOCK);
    let rotation = promoted(&world, 2);
    overlap_is_kept(&world, &shifted, &rotation, SignedDuration::from_hours(48));
    world.delete(&["mes", "-n", "payments", "clock"]);
    world.delete(&["secret", "-n", "payments", "clock"]);
    world.drop_roles("payments_clock_");
}

#[test]
fn a_later_rotation_that_fails_at_aws_is_shown_once_its_date_has_passed() {
    let world = world();
    let shifted = Shifted::start(&world);
    let set = |failure| {
        world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), |knobs| knobs.rotation_failure = failure))
    };
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": "later-seed", "namespace": "privacy"},
        "stringData": {"hostname": "acme.bigid.cloud", "refreshToken": "seedseed1234567890abcdef"}}));
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "later", "namespace": "privacy"},
        "spec": {"partner": {"type": "BigIDClientSecret"}, "onboard": {"fromSecret": {"name": "later-seed"}},
            "rotation": {"engine": "SecretsManager", "schedule": "rate(30 days)", "window": "4h"}, "targets": [{"name": "later"}]}}));
    world.eventually("AWS has rotated once", 60, |world| {
        let rotations = world.rotations("privacy", "later");
        let told = rotations.iter().any(|each| condition_of(each, "Complete")["reason"] == "RevokedByPartner");
        if told { Ok(()) } else { Err(format!("{rotations:?}")) }
    });
    set(Some(RotationFailure::EmptyPending));
    shifted.advance(&world, SignedDuration::from_hours(32 * 24), ["privacy", "later"]);
    world.condition(&["mes", "-n", "privacy", "later"], "Rotated", "False", Some("RotationFailed"), 30);
    set(None);
    shifted.advance(&world, SignedDuration::from_hours(2), ["privacy", "later"]);
    world.condition(&["mes", "-n", "privacy", "later"], "Rotated", "True", Some("OnSchedule"), 30);
    world.delete(&["mes", "-n", "privacy", "later"]);
    world.delete(&["secret", "-n", "privacy", "later", "later-seed"]);
}
