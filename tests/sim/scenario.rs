//! What happens to the operator from outside: manifests, and what people do at virtual times.
//!
//! Invariant: data. A scenario says nothing of faults, and nothing of how it must end: that is the invariants'.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use mes_core::partner::Overlap;
use rand::Rng;
use rand::rngs::StdRng;
use sandbox::Knobs;
use serde_json::{Value, json};

use crate::call::Door;
use crate::faults::Hand;
use crate::synthetic::{ADMIN, CELLS, Cell};
use crate::world::Inner;

const GROUP: &str = "/apis/managed-secrets.io/v1alpha1";

/// What a person, Argo CD or the world does.
#[derive(Clone)]
pub(crate) enum Step {
    /// A resource appears, with what it needs at its partner and in AWS.
    Onboard(Resource),
    /// A person asks for a rotation.
    Rotate(&'static str),
    /// A person deletes the rotation that runs.
    Cancel(&'static str),
    /// The resource's spec is merged with this.
    Edit(&'static str, Value),
    /// The resource is deleted.
    Delete(&'static str),
    /// A person edits the data of the target.
    Drift(&'static str),
    /// A person deletes the target.
    Lose(&'static str),
    /// A person makes a credential of their own.
    Stranger(&'static str),
    /// AWS behaves otherwise.
    Turn(fn(&mut Knobs)),
    /// From now on watches are so many milliseconds behind.
    Lag(u64),
    /// The API server forgets what was: watches must list anew.
    Compact,
    /// Nobody is reached behind this door for so many seconds.
    Outage(Door, i64),
    /// The partner of this cell is out of reach for so many seconds, and no other.
    Dead(&'static str, i64),
    /// The account at the partner of this cell may be asked so many times a minute.
    Limit(&'static str, u32),
    /// A person takes so many of the names that the operator gives the resource's rotations, from this number on, for rotations of
    /// a resource that is not there.
    Squat(&'static str, u32, u32),
    /// From now on what partners list is so many seconds old, and in no order.
    Stale(i64),
    /// From now on the wall clock is off by so many seconds.
    Clock(i64),
    /// The process is killed, at no particular call.
    Kill,
    /// A second process believes to lead, too, for so many seconds.
    Rival(u64),
}

/// Where the first value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Mint,
    Seed,
    Adopt,
}

/// A resource of namespace `payments` or `orders`: `NAMESPACE/NAME`.
#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) path: &'static str,
    pub(crate) cell: &'static str,
    pub(crate) source: Source,
    pub(crate) regions: &'static [&'static str],
    pub(crate) rotation: Value,
    pub(crate) more: Value,
}

/// A scenario.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Seconds after the beginning, and what happens.
    pub(crate) steps: Vec<(u64, Step)>,
    /// Seconds until all that was asked for is under way.
    pub(crate) length: u64,
    /// Whether its resources rotate by themselves, so that a day is not silent.
    pub(crate) scheduled: bool,
}

impl Resource {
    pub(crate) fn new(path: &'static str, cell: &'static str, source: Source) -> Self {
        let rotation = json!({"overlap": "5m"});
        Self { path, cell, source, regions: &["us-west-2", "eu-west-1"], rotation, more: json!({}) }
    }

    fn cell(&self) -> &'static Cell {
        CELLS.iter().find(|cell| cell.name() == self.cell).expect("a cell of the table")
    }
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('/').expect("NAMESPACE/NAME")
}

/// The account at the partner, which grants name.
fn account(path: &str) -> String {
    path.replace('/', "_")
}

fn of(path: &str, plural: &str) -> String {
    let (namespace, name) = split(path);
    format!("{GROUP}/namespaces/{namespace}/{plural}/{name}")
}

/// What is there before the operator is.
pub(crate) fn prepare(world: &mut Inner, now: Timestamp) {
    for namespace in ["mes-system", "payments", "orders"] {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        world.must(Method::POST, "/api/v1/namespaces", &body, now);
    }
    let spec = json!({"region": "us-west-2", "prefix": "sim", "regions": [{"name": "eu-west-1"}, {"name": "ap-southeast-2"}],
        "grants": [{"namespaceSelector": {}, "manage": ["legacy/{namespace}/*"]}]});
    let store = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "default"}, "spec": spec});
    world.must(Method::POST, &format!("{GROUP}/secretsmanagerstores"), &store, now);
}

/// The partner and its account, once.
fn open(world: &mut Inner, cell: &Cell, now: Timestamp) {
    let name = cell.name().to_ascii_lowercase();
    if world.kube.objects("partneraccounts").any(|each| each["metadata"]["name"] == name) {
        return;
    }
    world.sandbox.synthetic(&cell.host(), cell.habits());
    let endpoint = format!("https://{}", cell.host());
    let admin = json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/admin", "metadata": {"name": name},
        "stringData": {"bearer": ADMIN, "endpoint": endpoint}});
    world.must(Method::POST, "/api/v1/namespaces/mes-system/secrets", &admin, now);
    let spec = json!({"partnerTypes": [cell.name()], "endpoint": endpoint, "admin": {"secretRef": {"name": name}},
        "grants": [{"namespaceSelector": {}, "identities": ["{namespace}_*"]}]});
    let account = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": name}, "spec": spec});
    world.must(Method::POST, &format!("{GROUP}/partneraccounts"), &account, now);
}

/// Does what a step says. Processes are the runner's: `Kill` and `Rival` do nothing here.
pub(crate) fn take(world: &mut Inner, step: &Step, now: Timestamp) {
    match step {
        Step::Onboard(resource) => onboard(world, resource, now),
        Step::Rotate(path) => {
            let (namespace, name) = split(path);
            let body = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
                "metadata": {"generateName": format!("{name}-"), "namespace": namespace}, "spec": {"resourceRef": {"name": name}}});
            world.must(Method::POST, &format!("{GROUP}/namespaces/{namespace}/rotations"), &body, now);
        }
        Step::Cancel(path) => {
            let (namespace, name) = split(path);
            let open = |each: &&Value| {
                each["metadata"]["namespace"] == namespace
                    && each["spec"]["resourceRef"]["name"] == name
                    && each["status"]["completionTime"].is_null()
            };
            let found = world.kube.objects("rotations").find(open).map(|each| each["metadata"]["name"].clone());
            if let Some(rotation) = found.as_ref().and_then(Value::as_str) {
                let path = format!("{GROUP}/namespaces/{namespace}/rotations/{rotation}");
                world.ask(Method::DELETE, &path, &Value::Null, now);
            }
        }
        Step::Edit(path, spec) => {
            world.ask(Method::PATCH, &of(path, "managedexternalsecrets"), &json!({"spec": spec}), now);
        }
        Step::Delete(path) => {
            world.ask(Method::DELETE, &of(path, "managedexternalsecrets"), &Value::Null, now);
        }
        Step::Drift(path) => {
            let (namespace, name) = split(path);
            world.checkers.hands = true;
            let body = json!({"data": {"secret": "c3ludGhldGljLWRyaWZ0"}});
            world.ask(Method::PATCH, &format!("/api/v1/namespaces/{namespace}/secrets/{name}"), &body, now);
        }
        Step::Lose(path) => {
            let (namespace, name) = split(path);
            world.ask(Method::DELETE, &format!("/api/v1/namespaces/{namespace}/secrets/{name}"), &Value::Null, now);
        }
        Step::Stranger(path) => {
            let found = world.kube.objects("managedexternalsecrets").find(|mes| {
                let (namespace, name) = split(path);
                mes["metadata"]["namespace"] == namespace && mes["metadata"]["name"] == name
            });
            let type_ = found.map(|mes| mes["spec"]["partner"]["type"].clone());
            let cell = CELLS.iter().find(|cell| type_.as_ref().is_some_and(|type_| type_ == cell.name()));
            // Where a partner ends all others by itself as one is made, it ends a person's, too.
            let room = |cell: &&Cell| cell.contract.live_limit.is_none() && !cell.contract.in_place();
            if let Some(cell) = cell.filter(room) {
                let made = world.sandbox.synthetic_credential(&cell.host(), &account(path), None, true, now);
                world.checkers.foreign.extend(made.map(|(id, _)| id));
            }
        }
        Step::Turn(set) => world.sandbox.turn(now, set),
        Step::Lag(millis) => world.watch_lag = std::time::Duration::from_millis(*millis),
        Step::Compact => {
            let all = world.kube.revision();
            world.kube.compact(all);
        }
        Step::Outage(door, seconds) => world.cut(*door, "", now + SignedDuration::from_secs(*seconds)),
        Step::Dead(cell, seconds) => {
            world.cut(
                Door::Partner,
                &format!("{}/", cell.to_ascii_lowercase()),
                now + SignedDuration::from_secs(*seconds),
            );
        }
        Step::Limit(cell, per_minute) => {
            let body = json!({"spec": {"limits": {"requestsPerMinute": per_minute}}});
            let path = format!("{GROUP}/partneraccounts/{}", cell.to_ascii_lowercase());
            world.must(Method::PATCH, &path, &body, now);
        }
        Step::Squat(path, from, count) => squat(world, path, *from, *count, now),
        Step::Stale(seconds) => world.sandbox.synthetic_lists_lag(SignedDuration::from_secs(*seconds)),
        Step::Clock(seconds) => world.skew = SignedDuration::from_secs(*seconds),
        Step::Kill | Step::Rival(_) => {}
    }
}

fn squat(world: &mut Inner, path: &str, from: u32, count: u32, now: Timestamp) {
    let (namespace, name) = split(path);
    let owner = world.kube.objects("managedexternalsecrets").find(|each| each["metadata"]["name"] == name);
    // As the operator's own have it.
    let owners = owner.map(|owner| {
        json!([{"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "name": name, "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}])
    });
    for number in from..from + count {
        let body = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
            "metadata": {"name": format!("{name}-{number}"), "namespace": namespace, "ownerReferences": owners},
            "spec": {"resourceRef": {"name": "another"}}});
        // Some may be in use by then.
        world.ask(Method::POST, &format!("{GROUP}/namespaces/{namespace}/rotations"), &body, now);
    }
}

/// For how long a key is disabled.
pub(crate) const KEY_OFF: SignedDuration = SignedDuration::from_mins(15);
const KEY: &str = "alias/sim";

/// What people do between two calls.
pub(crate) fn interfere(world: &mut Inner, hand: Hand, now: Timestamp) {
    match hand {
        Hand::Stranger => take(world, &Step::Stranger(A), now),
        Hand::Key => {
            world.sandbox.turn(now, |knobs| knobs.disabled_kms_keys = vec![KEY.to_owned()]);
            world.checkers.unreadable = Some(now);
            world.key_off = Some(now + KEY_OFF);
        }
    }
}

fn onboard(world: &mut Inner, resource: &Resource, now: Timestamp) {
    let (namespace, name) = split(resource.path);
    let (cell, account) = (resource.cell(), account(resource.path));
    open(world, cell, now);
    let principals = [format!("{account}_1"), format!("{account}_2")];
    let mut parameters = json!({"account": account});
    if cell.slots() {
        parameters["first"] = json!(principals[0]);
        parameters["second"] = json!(principals[1]);
    }
    let mut spec = json!({"partner": {"type": cell.name(), "accountRef": {"name": cell.name().to_ascii_lowercase()}, "parameters": parameters},
        "rotation": resource.rotation, "targets": [{"name": name}],
        "regions": resource.regions.iter().map(|region| json!({"name": region})).collect::<Vec<_>>()});
    // Where the old one dies with the new one, or soon after, the team has to say that it may.
    if cell.contract.in_place() {
        spec["rotation"]["disruption"] = json!("Allow");
    }
    // Without overlap none can be stated.
    if cell.contract.overlap == Overlap::None
        && let Some(rotation) = spec["rotation"].as_object_mut()
    {
        rotation.remove("overlap");
    }
    let first = |world: &mut Inner| {
        let slot = cell.principal(&principals[0], &account);
        let (id, secret) =
            world.sandbox.synthetic_credential(&cell.host(), &account, slot, false, now).expect("a host");
        match slot {
            Some(slot) => json!({"host": cell.host(), "account": account, "principal": slot, "secret": secret}),
            None => json!({"host": cell.host(), "account": account, "keyId": id, "secret": secret}),
        }
    };
    match resource.source {
        Source::Mint => spec["onboard"] = json!({"mint": {}}),
        Source::Seed => {
            let value = first(world);
            let seed = json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed",
                "metadata": {"name": format!("{name}-seed")}, "stringData": value});
            world.must(Method::POST, &format!("/api/v1/namespaces/{namespace}/secrets"), &seed, now);
            spec["onboard"] = json!({"fromSecret": {"name": format!("{name}-seed")}});
        }
        Source::Adopt => {
            let value = first(world);
            let stored = format!("legacy/{namespace}/{name}");
            let body =
                json!({"Name": stored, "SecretString": value.to_string(), "ClientRequestToken": format!("{:032}", 1)});
            world.aws("us-west-2", "CreateSecret", &body, now);
            spec["onboard"] = json!({"adopt": {}});
            spec["storeRef"] = json!({"secretName": stored});
        }
    }
    for (key, more) in resource.more.as_object().into_iter().flatten() {
        spec[key] = more.clone();
    }
    let body = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec});
    world.must(Method::POST, &format!("{GROUP}/namespaces/{namespace}/managedexternalsecrets"), &body, now);
}

const A: &str = "payments/a";

/// Resources of the random campaign.
const PATHS: [&str; 4] = ["payments/a", "payments/b", "orders/c", "orders/d"];

/// For how many seconds people and faults disturb a random world: a few rotations of each resource.
pub(crate) const CHAOS: u64 = 1800;

/// A scenario of chance: a few resources of these cells, and what people do to them while it lasts.
pub(crate) fn random(cells: &[&'static str], random: &mut StdRng) -> Scenario {
    let mut steps = Vec::new();
    let count = random.random_range(1..=PATHS.len());
    for path in PATHS.iter().take(count) {
        let cell = cells[random.random_range(0..cells.len())];
        let source = [Source::Mint, Source::Seed, Source::Adopt][random.random_range(0..3)];
        let regions: &[&str] = match random.random_range(0..3) {
            0 => &["us-west-2"],
            1 => &["us-west-2", "eu-west-1"],
            _ => &["us-west-2", "eu-west-1", "ap-southeast-2"],
        };
        let overlap = ["30s", "1m", "10m"][random.random_range(0..3)];
        // One in five is deleted some time, half of these with all that is its.
        let end = (random.random_range(0..5) == 0).then(|| random.random_range(300..CHAOS + 300));
        // What a person made in AWS is never deleted.
        let store = if source == Source::Adopt { "Retain" } else { "Delete" };
        let thorough = json!({"deletion": {"targets": "Delete", "store": store, "partner": "Revoke"}});
        let more = if end.is_some() && random.random() { thorough } else { json!({}) };
        steps.extend(end.map(|at| (at, Step::Delete(path))));
        let resource =
            Resource { regions, rotation: json!({"overlap": overlap}), more, ..Resource::new(path, cell, source) };
        let resource_overlaps = resource.cell().contract.overlap != Overlap::None;
        steps.push((random.random_range(0..120), Step::Onboard(resource)));
        for _ in 0..random.random_range(1..=5) {
            let at = random.random_range(180..CHAOS);
            let wide = json!({"regions": [{"name": "us-west-2"}, {"name": "eu-west-1"}, {"name": "ap-southeast-2"}]});
            let narrow = json!({"regions": [{"name": "us-west-2"}]});
            let (_, name) = split(path);
            let both = json!({"targets": [{"name": name}, {"name": format!("{name}-too")}]});
            let step = match random.random_range(0..100) {
                0..35 => Step::Rotate(path),
                35..42 => Step::Cancel(path),
                42..50 => Step::Edit(path, wide),
                50..58 => Step::Edit(path, narrow),
                58..66 => Step::Edit(path, both),
                66..72 if resource_overlaps => Step::Edit(path, json!({"rotation": {"overlap": "2m"}})),
                66..78 => Step::Lose(path),
                78..84 => Step::Stranger(path),
                84..90 => {
                    steps.push((at + random.random_range(60..900), Step::Edit(path, json!({"suspend": false}))));
                    Step::Edit(path, json!({"suspend": true}))
                }
                _ => Step::Kill,
            };
            steps.push((at, step));
        }
    }
    if random.random_range(0..4) == 0 {
        steps.push((random.random_range(100..CHAOS), Step::Rival(random.random_range(20..120))));
    }
    if random.random_range(0..3) == 0 {
        steps.push((random.random_range(0..CHAOS / 2), Step::Turn(|knobs| knobs.consistency_lag_ms = 4_000)));
    }
    if random.random_range(0..3) == 0 {
        steps.push((random.random_range(0..CHAOS / 2), Step::Turn(|knobs| knobs.replication_lag_ms = 20_000)));
    }
    if random.random_range(0..4) == 0 {
        let millis = random.random_range(200..8_000);
        steps.push((random.random_range(0..CHAOS / 2), Step::Lag(millis)));
        steps.push((random.random_range(CHAOS / 2..CHAOS), Step::Lag(0)));
    }
    for _ in 0..random.random_range(0..3) {
        steps.push((random.random_range(0..CHAOS), Step::Compact));
    }
    if random.random_range(0..3) == 0 {
        let door = [Door::Kubernetes, Door::Aws, Door::Partner][random.random_range(0..3)];
        steps.push((random.random_range(0..CHAOS), Step::Outage(door, random.random_range(5..600))));
    }
    if random.random_range(0..6) == 0 {
        let off = random.random_range(-3600..3600);
        steps.push((random.random_range(0..CHAOS / 2), Step::Clock(off)));
        steps.push((random.random_range(CHAOS / 2..CHAOS), Step::Clock(0)));
    }
    if random.random_range(0..4) == 0 {
        // Within what the operator allows everybody (`--settling`).
        steps.push((random.random_range(0..CHAOS / 2), Step::Stale(random.random_range(5..50))));
    }
    steps.sort_by_key(|(at, _)| *at);
    Scenario { name: "random".to_owned(), steps, length: CHAOS + 900, scheduled: false }
}

/// Two resources at two partners, rotated while the partner of the first is out of reach, or is not.
pub(crate) fn neighbours(dead: bool) -> Scenario {
    let resource = |path, cell| Step::Onboard(Resource::new(path, cell, Source::Mint));
    let (first, second) = ("SynTag", "SynDiff");
    let mut steps = vec![(0, resource(PATHS[0], first)), (1, resource(PATHS[1], second))];
    if dead {
        steps.push((600, Step::Dead(first, 2400)));
    }
    steps.extend([(601, Step::Rotate(PATHS[0])), (601, Step::Rotate(PATHS[1]))]);
    scenario("neighbours".to_owned(), &steps, 3600)
}

/// What its partner ends by itself after [`LIFETIME`](crate::synthetic::LIFETIME), and a partner that is out of reach from then on
/// for so many seconds.
pub(crate) fn expiring(from: u64, seconds: i64) -> Scenario {
    const CELL: &str = "SynExpires";
    let steps = [(0, Step::Onboard(Resource::new(A, CELL, Source::Mint))), (from, Step::Dead(CELL, seconds))];
    Scenario { scheduled: true, ..scenario("expiring".to_owned(), &steps, 4 * 3600) }
}

/// One resource, rotated once, whose secret has a key of its own.
pub(crate) fn keyed(cell: &'static str) -> Scenario {
    let regions = ["us-west-2", "eu-west-1"].map(|region| json!({"name": region, "kmsKeyID": KEY}));
    let resource = Resource { more: json!({"regions": regions}), ..Resource::new(A, cell, Source::Mint) };
    scenario(format!("keyed/{cell}"), &[(0, Step::Onboard(resource)), (600, Step::Rotate(A))], 2700)
}

/// One resource, rotated once, with a second process that believes to lead all the while.
pub(crate) fn two_leaders(cell: &'static str) -> Scenario {
    let resource = Resource::new(A, cell, Source::Mint);
    let steps = [(0, Step::Onboard(resource)), (590, Step::Rival(900)), (600, Step::Rotate(A))];
    scenario(format!("two-leaders/{cell}"), &steps, 2400)
}

/// Two resources, one onboarded by a mint and one by a seed, whose rotations' names are taken: before, and while they are there.
pub(crate) fn squatted() -> Scenario {
    let resource = |path, source| Step::Onboard(Resource::new(path, "SynTag", source));
    let steps = [
        (0, Step::Squat(PATHS[0], 1, 25)),
        (0, Step::Squat(PATHS[2], 1, 25)),
        (5, resource(PATHS[0], Source::Mint)),
        (5, resource(PATHS[2], Source::Seed)),
        (6, Step::Squat(PATHS[0], 26, 25)),
        (6, Step::Squat(PATHS[2], 26, 25)),
    ];
    scenario("squatted".to_owned(), &steps, 1800)
}

/// 4:20, in seconds.
pub(crate) const CROWD_KILLED: u64 = 4 * 3600 + 20 * 60;

/// So many resources at one partner account that may be asked so many times a minute, all of one schedule (from 4:00 on), in whose
/// window the process is killed, at [`CROWD_KILLED`], or is not.
pub(crate) fn crowd(resources: usize, per_minute: u32, killed: bool) -> Scenario {
    const CELL: &str = "SynTag";
    let rotation = json!({"schedule": "cron(0 4 * * ? *)", "window": "2h", "overlap": "5m"});
    let resource =
        |path| Step::Onboard(Resource { rotation: rotation.clone(), ..Resource::new(path, CELL, Source::Mint) });
    // The account is there with the first.
    let mut steps = vec![(0, resource(A)), (1, Step::Limit(CELL, per_minute))];
    steps.extend((1..resources).map(|number| (10, resource(String::leak(format!("payments/crowd-{number}"))))));
    steps.extend(killed.then_some((CROWD_KILLED, Step::Kill)));
    Scenario { scheduled: true, ..scenario("crowd".to_owned(), &steps, 5 * 3600 + 600) }
}

/// The scenarios of the exhaustive campaign, for each cell.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    // What expires never rests for a day: it has a scenario of its own.
    for cell in CELLS.iter().filter(|cell| cell.contract.lifetime.is_none()) {
        let mint = Resource::new(A, cell.name(), Source::Mint);
        let of = |name: &str| format!("{name}/{}", cell.name());
        all.push(scenario(of("mint-and-rotate"), &[(0, Step::Onboard(mint.clone())), (600, Step::Rotate(A))], 1800));
    }
    for cell in ["SynTag", "SynDiff", "SynSlots", "SynLagSlots"] {
        let seeded = Resource::new(A, cell, Source::Seed);
        all.push(scenario(format!("seed/{cell}"), &[(0, Step::Onboard(seeded))], 1200));
    }
    for cell in ["SynTag", "SynDiff", "SynSlots"] {
        let of = |name: &str| format!("{name}/{cell}");
        let adopted = Resource::new(A, cell, Source::Adopt);
        all.push(scenario(of("adopt-and-rotate"), &[(0, Step::Onboard(adopted)), (300, Step::Rotate(A))], 1500));
        let mint = Resource::new(A, cell, Source::Mint);
        let narrower = json!({"regions": [{"name": "us-west-2"}]});
        let more = json!({"regions": [{"name": "us-west-2"}, {"name": "eu-west-1"}, {"name": "ap-southeast-2"}]});
        let tidy = Resource { more: json!({"deletion": {"store": "Delete"}}), ..mint.clone() };
        all.push(scenario(
            of("regions"),
            &[
                (0, Step::Onboard(tidy)),
                (300, Step::Edit(A, more)),
                (600, Step::Rotate(A)),
                (620, Step::Edit(A, narrower)),
            ],
            1800,
        ));
        all.push(scenario(
            of("target"),
            &[
                (0, Step::Onboard(mint.clone())),
                (300, Step::Drift(A)),
                (600, Step::Rotate(A)),
                (610, Step::Lose(A)),
                (640, Step::Edit(A, json!({"targets": [{"name": "b"}]}))),
                // What a spec names no more still holds what it holds, until somebody takes it away (PROTOCOL 5).
                (1200, Step::Lose(A)),
            ],
            1800,
        ));
        if cell != "SynSlots" {
            all.push(scenario(
                of("stranger"),
                &[(0, Step::Onboard(mint.clone())), (300, Step::Stranger(A)), (600, Step::Rotate(A))],
                1800,
            ));
        }
        all.push(scenario(
            of("cancel"),
            &[
                (0, Step::Onboard(mint.clone())),
                (600, Step::Rotate(A)),
                (601, Step::Cancel(A)),
                (1500, Step::Rotate(A)),
            ],
            3600,
        ));
        all.push(scenario(
            of("suspend"),
            &[
                (0, Step::Onboard(mint.clone())),
                (600, Step::Rotate(A)),
                (601, Step::Edit(A, json!({"suspend": true}))),
                (1500, Step::Edit(A, json!({"suspend": false}))),
            ],
            3600,
        ));
        let thorough = json!({"targets": "Delete", "store": "Delete", "partner": "Revoke"});
        let doomed = Resource { more: json!({"deletion": thorough}), ..mint.clone() };
        all.push(scenario(
            of("delete"),
            &[(0, Step::Onboard(doomed)), (600, Step::Rotate(A)), (602, Step::Delete(A))],
            3600,
        ));
        // What is in use stays; what it superseded is revoked all the same, though nobody asks for that any more.
        all.push(scenario(
            of("leave"),
            &[(0, Step::Onboard(mint.clone())), (600, Step::Rotate(A)), (640, Step::Delete(A))],
            3600,
        ));
    }
    // Deleted as soon as it is promoted: the Secret that stays gets it all the same.
    let mint = Resource::new(A, "SynTag", Source::Mint);
    let steps = [(0, Step::Onboard(mint)), (600, Step::Rotate(A)), (618, Step::Delete(A))];
    all.push(scenario("leave-undelivered/SynTag".to_owned(), &steps, 3600));
    // What has begun in place goes on to its promotion though all is deleted, and what partners list may be older than that.
    for cell in ["SynGrace", "SynInPlace", "SynReplaced", "SynFirstUse", "SynLagTag", "SynLagSlots"] {
        let thorough = json!({"deletion": {"targets": "Delete", "store": "Delete", "partner": "Revoke"}});
        let doomed = Resource { more: thorough, ..Resource::new(A, cell, Source::Mint) };
        let steps = [
            (0, Step::Onboard(doomed)),
            (500, Step::Stale(45)),
            (600, Step::Rotate(A)),
            (601, Step::Outage(Door::Partner, 150)),
            (602, Step::Delete(A)),
        ];
        all.push(scenario(format!("delete-late/{cell}"), &steps, 3600));
    }
    all
}

fn scenario(name: String, steps: &[(u64, Step)], length: u64) -> Scenario {
    Scenario { name, steps: steps.to_vec(), length, scheduled: false }
}
