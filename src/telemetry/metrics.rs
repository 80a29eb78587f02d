//! Metrics: what is counted, and what each resource looks like now.
//!
//! Invariant: labels are built of shown types and of our own words, never of ids, ARNs or free text; what is said of a
//! resource is computed at each scrape from a snapshot, so no series outlives its resource. Called by `controller`
//! (counts, snapshot), by the adapters (calls) and by `server` (scrape).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mes_core::fault::{Fault, Place};
use mes_core::journal::{Outcome, Trigger};
use mes_core::names::{Namespace, ObjectName, PartnerTypeName, Uid};
use mes_core::shown::Code;
use mes_core::status::{outcome_code, trigger_code};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::clock::Clock;

/// What `/metrics` is served as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One metric, as the docs list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Its name, as it is scraped.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// Whether the switch for series of single resources turns it off.
    pub per_object: bool,
}

const fn described(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Description {
    Description { name, kind, labels, help, per_object: false }
}

const ROTATIONS: Description = described(
    "mes_rotations_total",
    "counter",
    &["partner_type", "trigger", "result"],
    "Rotations that ended, by how they did",
);
const CALLS: Description = described(
    "mes_calls_total",
    "counter",
    &["place", "partner_type", "verb", "code"],
    "Calls to AWS and to partners, by their answer's short code (OK where they succeeded)",
);
const RECONCILE_ERRORS: Description = described(
    "mes_reconcile_errors_total",
    "counter",
    &["place", "category"],
    "Passes over a resource that a fault cut short",
);
const BUILD_INFO: Description = described("mes_build_info", "gauge", &["version"], "1, with the version that runs");
const LEADER: Description = described("mes_leader", "gauge", &[], "1 while this process leads");
const RESOURCES: Description = described(
    "mes_resources",
    "gauge",
    &["partner_type", "ready", "reason"],
    "ManagedExternalSecrets, by condition Ready and its reason",
);
const OVERDUE_MOST: Description = described(
    "mes_overdue_seconds_max",
    "gauge",
    &[],
    "Seconds that the most overdue rotation or revocation is late; 0 where none is",
);
const PENDING_ALL: Description =
    described("mes_pending_revocations", "gauge", &[], "Superseded credentials that are still to be revoked");
const OWING: Description = described(
    "mes_owing_secrets",
    "gauge",
    &["store"],
    "AWS secrets that owe a revocation after their resource was deleted",
);
const RESOURCE_READY: Description = Description {
    per_object: true,
    ..described(
        "mes_resource_ready",
        "gauge",
        &["namespace", "name", "reason"],
        "1 where condition Ready of the ManagedExternalSecret is True, else 0",
    )
};
const RESOURCE_OVERDUE: Description = Description {
    per_object: true,
    ..described(
        "mes_resource_overdue_seconds",
        "gauge",
        &["namespace", "name"],
        "Seconds that a rotation or revocation of the ManagedExternalSecret is late; 0 where it is not",
    )
};
const RESOURCE_PENDING: Description = Description {
    per_object: true,
    ..described(
        "mes_resource_pending_revocations",
        "gauge",
        &["namespace", "name"],
        "Superseded credentials of the ManagedExternalSecret that are still to be revoked",
    )
};

/// Every metric: the docs are generated from it, and a test holds it to what is scraped.
pub fn table() -> Vec<Description> {
    vec![
        ROTATIONS,
        CALLS,
        RECONCILE_ERRORS,
        BUILD_INFO,
        LEADER,
        RESOURCES,
        OVERDUE_MOST,
        PENDING_ALL,
        OWING,
        RESOURCE_READY,
        RESOURCE_OVERDUE,
        RESOURCE_PENDING,
    ]
}

/// A resource as metrics tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
    /// Its partner type; absent with `observe`.
    pub partner_type: Option<PartnerTypeName>,
    /// Condition `Ready`; `None`: Unknown.
    pub ready: Option<bool>,
    /// Its reason.
    pub reason: Code,
    /// Superseded credentials that are still to be revoked.
    pub pending_revocations: usize,
    /// Since when a rotation or revocation is late.
    pub overdue_since: Option<Timestamp>,
}

/// All metrics of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    rotations: Family<RotationLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    leader: Gauge,
    owing: Family<[(&'static str, String); 1], Gauge>,
    snapshot: Arc<Snapshot>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RotationLabels {
    partner_type: String,
    trigger: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    place: &'static str,
    partner_type: String,
    verb: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    place: &'static str,
    category: &'static str,
}

impl Metrics {
    /// None counted yet. `per_object`: whether single resources have series of their own.
    pub fn new(clock: Arc<dyn Clock>, per_object: bool) -> Self {
        let mut registry = Registry::default();
        let snapshot = Arc::new(Snapshot { clock, per_object, lines: Mutex::default() });
        let rotations = register(&mut registry, ROTATIONS, Family::default());
        let calls = register(&mut registry, CALLS, Family::default());
        let errors = register(&mut registry, RECONCILE_ERRORS, Family::default());
        let leader = register(&mut registry, LEADER, Gauge::default());
        let owing = register(&mut registry, OWING, Family::default());
        let build = register(&mut registry, BUILD_INFO, Family::<[(&str, &str); 1], Gauge>::default());
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register_collector(Box::new(Arc::clone(&snapshot)));
        Self(Arc::new(Inner { registry, rotations, calls, errors, leader, owing, snapshot }))
    }

    /// A rotation ended.
    pub fn rotation_ended(&self, partner_type: Option<&PartnerTypeName>, trigger: Trigger, outcome: Outcome) {
        let labels = RotationLabels {
            partner_type: text_of(partner_type),
            trigger: trigger_code(trigger),
            result: outcome_code(outcome),
        };
        self.0.rotations.get_or_create(&labels).inc();
    }

    /// A call to AWS or a partner was answered with `code` (`OK` for success), or not. `partner_type` is empty for AWS;
    /// `verb` is one of the adapter's own words.
    pub fn counted(&self, place: Place, partner_type: &str, verb: &'static str, code: &str) {
        let labels = CallLabels {
            place: place_name(place),
            partner_type: partner_type.to_owned(),
            verb,
            code: Code::parse(code).as_str().to_owned(),
        };
        self.0.calls.get_or_create(&labels).inc();
    }

    /// A fault cut a pass over a resource short.
    pub fn reconcile_failed(&self, fault: &Fault) {
        let labels = ErrorLabels { place: place_name(fault.place), category: fault.category() };
        self.0.errors.get_or_create(&labels).inc();
    }

    /// Whether this process leads now.
    pub fn set_leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// How the resource with `uid` looks now.
    pub fn observe(&self, uid: &Uid, line: Line) {
        self.0.snapshot.lines().insert(uid.clone(), line);
    }

    /// The resource with `uid` is gone.
    pub fn forget(&self, uid: &Uid) {
        self.0.snapshot.lines().remove(uid);
    }

    /// So many secrets of a store owe something after their resource.
    pub fn owing(&self, store: &ObjectName, secrets: usize) {
        self.0.owing.get_or_create(&[("store", store.to_string())]).set(as_gauge(secrets));
    }

    /// All of it, as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        // Writing into a String fails never; a collector that fails leaves a shorter text.
        let _ = text::encode(&mut encoded, &self.0.registry);
        encoded
    }
}

/// Registers `metric` under its description and gives it back. The format itself ends a counter's name in `_total`.
fn register<M: Metric + Clone>(registry: &mut Registry, description: Description, metric: M) -> M {
    let name = description.name.strip_suffix("_total").unwrap_or(description.name);
    registry.register(name, description.help, metric.clone());
    metric
}

struct Snapshot {
    clock: Arc<dyn Clock>,
    per_object: bool,
    lines: Mutex<BTreeMap<Uid, Line>>,
}

impl Snapshot {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<Uid, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let now = self.clock.now();
        let lines = self.lines().clone();
        let late = |line: &Line| line.overdue_since.map_or(0, |since| now.duration_since(since).as_secs().max(0));
        let mut resources: BTreeMap<(String, &str, &str), i64> = BTreeMap::new();
        for line in lines.values() {
            *resources
                .entry((text_of(line.partner_type.as_ref()), readiness(line), line.reason.as_str()))
                .or_default() += 1;
        }
        gauge(
            &mut encoder,
            RESOURCES,
            resources.iter().map(|((kind, ready, reason), n)| (vec![kind, *ready, *reason], *n)),
        )?;
        let most = lines.values().map(late).max().unwrap_or(0);
        gauge(&mut encoder, OVERDUE_MOST, [(vec![], most)])?;
        let pending: usize = lines.values().map(|line| line.pending_revocations).sum();
        gauge(&mut encoder, PENDING_ALL, [(vec![], as_gauge(pending))])?;
        if !self.per_object {
            return Ok(());
        }
        let named = |line: &'_ Line| [line.namespace.to_string(), line.name.to_string()];
        let names: Vec<_> = lines.values().map(|line| (named(line), line)).collect();
        let of = |value: fn(&Line) -> i64| {
            names.iter().map(move |([ns, name], line)| (vec![ns.as_str(), name], value(line)))
        };
        let ready = names.iter().map(|([namespace, name], line)| {
            (vec![namespace.as_str(), name, line.reason.as_str()], i64::from(line.ready == Some(true)))
        });
        gauge(&mut encoder, RESOURCE_READY, ready)?;
        let overdue = names.iter().map(|([namespace, name], line)| (vec![namespace.as_str(), name], late(line)));
        gauge(&mut encoder, RESOURCE_OVERDUE, overdue)?;
        gauge(&mut encoder, RESOURCE_PENDING, of(|line| as_gauge(line.pending_revocations)))
    }
}

/// Writes a gauge with one series for each set of label values, which stand in the order of its description.
fn gauge<'a>(
    encoder: &mut DescriptorEncoder,
    description: Description,
    series: impl IntoIterator<Item = (Vec<&'a str>, i64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(description.name, description.help, None, MetricType::Gauge)?;
    for (values, count) in series {
        if values.is_empty() {
            metric.encode_gauge(&count)?;
            continue;
        }
        let labels: Vec<(&str, &str)> = description.labels.iter().copied().zip(values).collect();
        metric.encode_family(&labels)?.encode_gauge(&count)?;
    }
    Ok(())
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn text_of(partner_type: Option<&PartnerTypeName>) -> String {
    partner_type.map(ToString::to_string).unwrap_or_default()
}

fn readiness(line: &Line) -> &'static str {
    match line.ready {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    }
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Cluster => "cluster",
        Place::SecretsManager => "secrets-manager",
        Place::Sts => "sts",
        Place::Partner => "partner",
        Place::Guard => "guard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use mes_core::fault::FaultKind;
    use std::collections::BTreeSet;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn line(ready: Option<bool>, overdue_since: Option<Timestamp>) -> Line {
        Line {
            namespace: Namespace::parse("payments").unwrap(),
            name: ObjectName::parse("crm").unwrap(),
            partner_type: Some(PartnerTypeName::parse("PostgreSQLRole").unwrap()),
            ready,
            reason: Code::parse("InService"),
            pending_revocations: 2,
            overdue_since,
        }
    }

    fn full(per_object: bool, clock: Arc<dyn Clock>, overdue_since: Option<Timestamp>) -> Metrics {
        let metrics = Metrics::new(clock, per_object);
        metrics.rotation_ended(None, Trigger::Schedule, Outcome::Revoked);
        let fault = Fault::new(Place::Partner, FaultKind::Denied, "401");
        metrics.counted(Place::Partner, "PostgreSQLRole", "list", "401");
        metrics.reconcile_failed(&fault);
        metrics.owing(&ObjectName::parse("default").unwrap(), 1);
        metrics.observe(&Uid::parse("u1").unwrap(), line(Some(true), overdue_since));
        metrics
    }

    #[test]
    fn the_table_lists_just_what_is_scraped() {
        let scraped = full(true, Arc::new(SystemClock), None).encode();
        let described: BTreeSet<String> = table()
            .iter()
            .map(|each| format!("# TYPE {} {}", each.name.strip_suffix("_total").unwrap_or(each.name), each.kind))
            .collect();
        let types: BTreeSet<String> =
            scraped.lines().filter(|line| line.starts_with("# TYPE ")).map(str::to_owned).collect();
        assert_eq!(types, described);
        for each in table() {
            let sample = scraped.lines().find(|line| line.starts_with(each.name)).expect(each.name);
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
            let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
            let names: Vec<_> = names.filter(|name| *name != "le").collect();
            assert_eq!(names, each.labels, "{sample}");
        }
    }

    #[test]
    fn seconds_overdue_are_counted_at_the_scrape_and_end_with_the_resource() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-01-01T00:01:30Z".parse().unwrap();
        let metrics = full(true, Arc::new(At(later)), Some(since));
        let scraped = metrics.encode();
        assert!(
            scraped.contains("mes_resource_overdue_seconds{namespace=\"payments\",name=\"crm\"} 90\n"),
            "{scraped}"
        );
        assert!(scraped.contains("mes_overdue_seconds_max 90\n") && scraped.contains("mes_pending_revocations 2\n"));
        metrics.forget(&Uid::parse("u1").unwrap());
        let scraped = metrics.encode();
        assert!(!scraped.contains("payments") && scraped.contains("mes_overdue_seconds_max 0\n"), "{scraped}");
    }

    #[test]
    fn the_switch_turns_off_what_names_a_resource_and_nothing_else() {
        let scraped = full(false, Arc::new(SystemClock), None).encode();
        assert!(!scraped.contains("payments"), "{scraped}");
        for each in table() {
            assert_eq!(scraped.contains(each.name.strip_suffix("_total").unwrap_or(each.name)), !each.per_object);
        }
    }
}
