//! `mes run`: opens the real doors, waits for the lease, runs the controller until it is told to stop.
//!
//! The only place that reads the process's surroundings. It ends the process when the lease is lost: whoever can't be
//! sure to lead does nothing.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace as KubernetesNamespace;
use kube::Api;
use mes_core::facts::Bounds;
use mes_core::fault::Place;
use mes_core::names::{Namespace, ObjectName, Uid};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::told::Told;
use crate::api::{ManagedExternalSecret, PartnerAccount, Rotation, SecretsManagerStore};
use crate::aws::Transport;
use crate::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::cluster::{Campaign, client, lease, seal};
use crate::controller::{self, CALL, Outside, Settings};
use crate::partners::doors::{self, Egress, Loopback};
use crate::partners::registry;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::{self, Readiness};
use crate::telemetry::{environment, logs, process};

/// Flags of `mes run`. Durations are whole hours, minutes and seconds, as `1h30m` or `45s`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The operator's own namespace: its Lease and the admin Secrets of accounts lie there.
    #[arg(long, env = "MES_NAMESPACE", default_value = "mes-system")]
    namespace: String,
    /// Name of the Lease.
    #[arg(long, env = "MES_LEASE_NAME", default_value = "mes-leader")]
    lease_name: String,
    /// Between two sweeps (ListSecrets) of a store.
    #[arg(long, env = "MES_SWEEP_INTERVAL", default_value = "5m", value_parser = duration)]
    sweep_interval: Duration,
    /// Between two checks of a resource at rest: everything is read again and AWSCURRENT is tried at the partner.
    #[arg(long, env = "MES_VERIFY_INTERVAL", default_value = "1h", value_parser = duration)]
    verify_interval: Duration,
    /// Complete and failed Rotations kept a resource.
    #[arg(long, env = "MES_HISTORY", default_value_t = 3)]
    history: usize,
    /// D: from the first look of a pass to the end of its one call. At least 3 s.
    #[arg(long, env = "MES_DEADLINE", default_value = "30s", value_parser = duration)]
    deadline: Duration,
    /// How long Secrets Manager may take until a write is seen everywhere.
    #[arg(long, env = "MES_SETTLING", default_value = "1m", value_parser = duration)]
    settling: Duration,
    /// How long a candidate may be refused by its partner before it is given up.
    #[arg(long, env = "MES_ACCEPTANCE", default_value = "10m", value_parser = duration)]
    acceptance: Duration,
    /// Candidates of one rotation at the most.
    #[arg(long, env = "MES_ATTEMPTS", default_value_t = 3)]
    attempts: u16,
    /// Candidates of one resource in any 24 hours, over all its Rotations, deleted ones too.
    #[arg(long, env = "MES_MINTS_PER_DAY", default_value_t = 3)]
    mints_per_day: u16,
    /// Between two candidates of one rotation. Secrets Manager wants at most one version in ten minutes.
    #[arg(long, env = "MES_SPACING", default_value = "10m", value_parser = duration)]
    spacing: Duration,
    /// After how long a missed window or an announced revocation counts as overdue.
    #[arg(long, env = "MES_OVERDUE", default_value = "1h", value_parser = duration)]
    overdue: Duration,
    /// How long what was deleted keeps its finalizer while what it owes can't be paid; then that is written on the AWS secret.
    #[arg(long, env = "MES_RELEASE", default_value = "24h", value_parser = duration)]
    release: Duration,
    /// The same once the namespace is being deleted, from then on.
    #[arg(long, env = "MES_RELEASE_IN_TERMINATING", default_value = "15m", value_parser = duration)]
    release_in_terminating: Duration,
    /// Resources that are worked on at the same time.
    #[arg(long, env = "MES_CONCURRENCY", default_value_t = 16)]
    concurrency: u16,
    /// Where /live, /ready and /metrics are served.
    #[arg(long, env = "MES_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Format of the log.
    #[arg(long, env = "MES_LOG_FORMAT", value_enum, default_value_t = Format::Json)]
    log_format: Format,
    /// Level of our own crates: error, warn, info, debug or trace; or directives as `mes_core=debug`. Other crates never
    /// say more than warnings, since theirs may hold values.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_level: String,
    /// Whether single resources have series of their own in /metrics.
    #[arg(long, env = "MES_OBJECT_METRICS", default_value_t = true, action = clap::ArgAction::Set)]
    object_metrics: bool,
    /// DNS domain of the cluster, for partners inside it.
    #[arg(long, env = "MES_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// CIDRs of pods, services and nodes: reached only where an account lists the very address.
    #[arg(long, env = "MES_CLUSTER_CIDRS", value_delimiter = ',')]
    cluster_cidrs: Vec<String>,
    /// Hosts, exact or *.suffix, that credentials without an account may be sent to beside the vendors' own.
    #[arg(long, env = "MES_SELF_ROTATING_HOSTS", value_delimiter = ',')]
    self_rotating_hosts: Vec<String>,
    /// Whether the admission policy for people is installed. Without it nobody's right to `override` was checked, and a
    /// person's Rotation is a plain Request, whatever it says.
    #[arg(long, env = "MES_AUTHORITY_POLICY", default_value_t = true, action = clap::ArgAction::Set)]
    authority_policy: bool,
    /// For tests: a store's `endpoint` may be any URL, and AWS_ENDPOINT_URL may be set.
    #[arg(long, env = "MES_ALLOW_STORE_ENDPOINTS")]
    allow_store_endpoints: bool,
    /// For tests: partners that are reached on this machine, a line each: HOST 127.0.0.1:PORT CA.pem
    #[arg(long, env = "MES_LOOPBACK_PARTNERS")]
    loopback_partners: Option<PathBuf>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Why the operator did not start, or ended.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("--{flag}: {what}")]
    Flag { flag: &'static str, what: String },
    #[error(transparent)]
    Environment(#[from] environment::Refused),
    #[error(transparent)]
    Exposed(#[from] process::Exposed),
    #[error("the API server can't be reached with the pod's ServiceAccount or KUBECONFIG")]
    Cluster,
    #[error("the custom resources are not served yet; install them: mes crds | kubectl apply -f -")]
    Definitions,
    #[error("the Lease was lost; another process leads")]
    LeaseLost,
    #[error(transparent)]
    Seal(#[from] seal::SealProblem),
}

/// Runs until SIGTERM or SIGINT (exit code 0), or until the lease is lost (1).
pub fn run(arguments: Arguments) -> ExitCode {
    // Before there is anything to quote, or a second thread.
    logs::show_only_where_a_panic_was();
    if let Err(problem) = guarded(&arguments) {
        eprintln!("mes run: {problem}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mes run: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(operate(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("mes run: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What must hold before anything is opened or read.
fn guarded(arguments: &Arguments) -> Result<(), Problem> {
    let in_pod = Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").exists();
    process::close(in_pod)?;
    environment::check(std::env::vars_os().map(|(name, _)| name), arguments.allow_store_endpoints)?;
    in_no_pod(arguments, in_pod)
}

async fn operate(arguments: Arguments) -> Result<(), Problem> {
    let mut egress = egress(&arguments)?;
    let levels = logs::Levels::parse(&arguments.log_level).map_err(|bad| flag("log-level", &bad))?;
    let format = match arguments.log_format {
        Format::Json => logs::LogFormat::Json,
        Format::Text => logs::LogFormat::Text,
    };
    logs::start(format, levels).map_err(|set| flag("log-level", &set))?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let metrics = Metrics::new(clock.clone(), arguments.object_metrics);
    let readiness = Readiness::of(["definitions", "caches"]);
    let home = Namespace::parse(arguments.namespace.as_str()).map_err(|malformed| flag("namespace", &malformed))?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| flag("listen", &error))?;
    tokio::spawn(server::serve(listener, readiness.clone(), metrics.clone()));

    let config = kube::Config::infer().await.map_err(|_| Problem::Cluster)?;
    // No partner has the API server's address, unless an account lists it alone.
    egress.cluster_networks.extend(config.cluster_url.host().and_then(address).map(IpNet::from));
    let cluster = client::connect(config.clone()).map_err(|_| Problem::Cluster)?;
    let cluster_uid = cluster_uid(&cluster).await?;
    wait_for_definitions(&cluster, &readiness).await;

    let calls = {
        let metrics = metrics.clone();
        Arc::new(move |partner: &'static str, verb: &'static str, code: &str| {
            metrics.counted(Place::Partner, partner, verb, code)
        })
    };
    let instance =
        std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "mes".to_owned());
    let identity = lease::identity(&instance, &*random);
    let lease_name =
        ObjectName::parse(arguments.lease_name.as_str()).map_err(|malformed| flag("lease-name", &malformed))?;
    let lease_client = client::connect_within(config, lease::REQUEST_TIMEOUT).map_err(|_| Problem::Cluster)?;
    let lease_settings = lease::Settings { namespace: home.clone(), name: lease_name, identity };
    let settings = settings(&arguments, home, instance)?;

    let stop = Arc::new(Notify::new());
    let told = until_told()?;
    tokio::pin!(told);
    // A process that stands by does all that it is there for: it is ready, or a second replica would hang every install.
    readiness.set("caches", true);
    let mut campaign = Campaign::start(lease_client, lease_settings, clock.clone());
    let mut lease = campaign.handle();
    tokio::select! {
        leads = lease.leads() => if !leads { return Err(Problem::LeaseLost) },
        () = &mut told => { campaign.release().await; return Ok(()) }
    }
    readiness.set("caches", false);
    metrics.set_leader(true);
    tracing::info!("leading");
    // As leader alone: two that start at once must not make two keys.
    let seal = match seal::seal(&client::led(&cluster, &lease), &settings.home, &*random).await {
        Ok(seal) => seal,
        Err(problem) => {
            campaign.release().await;
            return Err(problem.into());
        }
    };
    let outside = Outside {
        aws: Transport::real(),
        partners: doors::open(egress, CALL, calls),
        registry: registry(),
        clock: clock.clone(),
        random: random.clone(),
        seal,
        cluster,
    };
    let stopping = stop.clone();
    let tally = Arc::new(Told { metrics: metrics.clone(), readiness });
    let controller = controller::run(outside, settings, cluster_uid, campaign.handle(), tally, async move {
        stopping.notified().await;
    });
    tokio::pin!(controller);
    tokio::select! {
        () = &mut controller => {}
        _ = campaign.ended() => return Err(Problem::LeaseLost),
        () = &mut told => {
            tracing::info!("stopping: what is under way is finished, then the Lease is given back");
            stop.notify_one();
            // A call that is under way takes at most its limit; whoever hangs longer is left to the next leader.
            let _ = tokio::time::timeout(CALL + Duration::from_secs(5), &mut controller).await;
        }
    }
    metrics.set_leader(false);
    campaign.release().await;
    Ok(())
}

fn settings(arguments: &Arguments, home: Namespace, instance: String) -> Result<Settings, Problem> {
    let signed = |flag: &'static str, duration: Duration| {
        SignedDuration::try_from(duration).map_err(|_| Problem::Flag { flag, what: "too long".to_owned() })
    };
    if arguments.deadline < Duration::from_secs(3) {
        return Err(Problem::Flag { flag: "deadline", what: "at least 3s".to_owned() });
    }
    Ok(Settings {
        home,
        bounds: Bounds {
            deadline: signed("deadline", arguments.deadline)?,
            settling: signed("settling", arguments.settling)?,
            acceptance: signed("acceptance", arguments.acceptance)?,
            attempts: arguments.attempts.max(1),
            mints_per_day: arguments.mints_per_day.max(1),
            spacing: signed("spacing", arguments.spacing)?,
            history: arguments.history,
            overdue: signed("overdue", arguments.overdue)?,
            release: signed("release", arguments.release)?,
            release_in_terminating: signed("release-in-terminating", arguments.release_in_terminating)?,
        },
        sweep: arguments.sweep_interval,
        verify: arguments.verify_interval,
        concurrency: arguments.concurrency.max(1),
        instance,
        authority_policy: arguments.authority_policy,
        any_store_endpoint: arguments.allow_store_endpoints,
    })
}

fn egress(arguments: &Arguments) -> Result<Egress, Problem> {
    let loopback = match &arguments.loopback_partners {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| flag("loopback-partners", &error))?;
            let folder = path.parent().unwrap_or(Path::new("."));
            Loopback::parse(&text, folder).map_err(|problem| flag("loopback-partners", &problem))?
        }
        None => Loopback::default(),
    };
    let networks =
        arguments.cluster_cidrs.iter().map(|network| network.parse().map_err(|error| flag("cluster-cidrs", &error)));
    if let Some(wrong) = arguments.self_rotating_hosts.iter().find(|pattern| !doors::is_host_pattern(pattern)) {
        let what = format!("{wrong:?} is no host name and no *. with a suffix of at least two labels");
        return Err(Problem::Flag { flag: "self-rotating-hosts", what });
    }
    Ok(Egress {
        cluster_domain: arguments.cluster_domain.clone(),
        cluster_networks: networks.collect::<Result<_, _>>()?,
        self_rotating_hosts: arguments.self_rotating_hosts.clone(),
        loopback,
    })
}

/// The address that a URL's host is, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// What lifts guards for tests is refused where a pod's token is mounted: no install can carry it by mistake.
fn in_no_pod(arguments: &Arguments, in_pod: bool) -> Result<(), Problem> {
    let lifted = [
        ("loopback-partners", arguments.loopback_partners.is_some()),
        ("allow-store-endpoints", arguments.allow_store_endpoints),
    ];
    match lifted.iter().find(|(_, lifted)| *lifted && in_pod) {
        Some((flag, _)) => {
            Err(Problem::Flag { flag, what: "is for tests on one machine, and refused in a pod".to_owned() })
        }
        None => Ok(()),
    }
}

/// The cluster's id, read once: that of namespace `kube-system`.
async fn cluster_uid(client: &kube::Client) -> Result<Uid, Problem> {
    let namespaces: Api<KubernetesNamespace> = Api::all(client.clone());
    let found = namespaces.get_metadata("kube-system").await.map_err(|_| Problem::Cluster)?;
    Uid::parse(found.metadata.uid.unwrap_or_default()).map_err(|_| Problem::Cluster)
}

/// Waits until all four kinds are served: a chart that is still being installed is no reason to die.
async fn wait_for_definitions(client: &kube::Client, readiness: &Readiness) {
    let limit = kube::api::ListParams::default().limit(1);
    loop {
        let served = Api::<ManagedExternalSecret>::all(client.clone()).list_metadata(&limit).await.is_ok()
            && Api::<Rotation>::all(client.clone()).list_metadata(&limit).await.is_ok()
            && Api::<PartnerAccount>::all(client.clone()).list_metadata(&limit).await.is_ok()
            && Api::<SecretsManagerStore>::all(client.clone()).list_metadata(&limit).await.is_ok();
        if served {
            readiness.set("definitions", true);
            return;
        }
        tracing::warn!(problem = %Problem::Definitions, "waiting");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

fn until_told() -> Result<impl Future<Output = ()>, Problem> {
    let handler = |kind| signal(kind).map_err(|error| flag("namespace", &error));
    let (mut terminate, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = mes_core::duration::parse(text).map_err(|problem| problem.to_string())?;
    Duration::try_from(parsed).map_err(|_| "must not be negative".to_owned())
}

fn flag(flag: &'static str, what: &dyn std::fmt::Display) -> Problem {
    Problem::Flag { flag, what: what.to_string() }
}
