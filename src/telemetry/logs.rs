//! Logs: our own crates tell what they do; of all others only that they warned, and where.
//!
//! Invariant: the text of another crate's event never leaves, at any level: the client of the API server logs whole
//! answers, that of PostgreSQL its statements, the AWS SDK bodies. No directive can raise another crate above WARN.
//! Called by `cli::run` once, before anything else logs.

use std::fmt;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{filter, registry};

/// The crates whose texts are ours: each is built of shown types.
const OURS: [&str; 3] = ["managed_external_secrets", "mes_core", "mes"];

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Which events are logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    ours: LevelFilter,
    others: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

/// A directive that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "log level {0:?} is not understood: use off, error, warn, info, debug or trace, for all of our crates or for one \
     module as in managed_external_secrets::aws=debug, separated by commas"
)]
pub struct BadDirective(String);

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("logs are set up already")]
pub struct AlreadySet;

impl Default for Levels {
    fn default() -> Self {
        Self { ours: LevelFilter::INFO, others: LevelFilter::WARN, targets: Vec::new() }
    }
}

impl Levels {
    /// Reads `--log-level` or `RUST_LOG`: levels, and `target=level`, separated by commas. What it says of other crates
    /// can only lower them.
    pub fn parse(text: &str) -> Result<Self, BadDirective> {
        let mut levels = Self::default();
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let bad = || BadDirective(directive.chars().take(64).collect());
            match directive.split_once('=') {
                None => {
                    levels.ours = level(directive).ok_or_else(bad)?;
                    levels.others = levels.ours.min(LevelFilter::WARN);
                }
                Some((target, text)) if is_path(target) => {
                    levels.targets.push((target.to_owned(), level(text).ok_or_else(bad)?));
                }
                Some(_) => return Err(bad()),
            }
        }
        Ok(levels)
    }

    /// Whether an event of `target` at `level` is logged.
    pub fn allow(&self, target: &str, level: Level) -> bool {
        let fitting = self.targets.iter().filter(|(prefix, _)| is_below(target, prefix));
        // Of two directives for one target the later counts, as it does elsewhere.
        let asked = fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, level)| *level);
        let limit = if is_ours(target) {
            asked.unwrap_or(self.ours)
        } else {
            asked.unwrap_or(self.others).min(LevelFilter::WARN)
        };
        level <= limit
    }

    fn most(&self) -> LevelFilter {
        let all = self.targets.iter().map(|(_, level)| *level);
        all.chain([self.ours, self.others]).max().unwrap_or(LevelFilter::TRACE)
    }
}

/// Logs to standard error from now on.
pub fn start(format: LogFormat, levels: Levels) -> Result<(), AlreadySet> {
    tracing::subscriber::set_global_default(subscriber(format, levels, std::io::stderr)).map_err(|_| AlreadySet)
}

/// What writes log lines of `format` to `writer`.
pub fn subscriber<W>(format: LogFormat, levels: Levels, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let most = levels.most();
    // A span of another crate would lend its fields to our lines.
    let allowed = filter::filter_fn(move |seen| {
        (seen.is_event() || is_ours(seen.target())) && levels.allow(seen.target(), *seen.level())
    });
    let base = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let layer = match format {
        LogFormat::Json => {
            let ours = format::format().json().flatten_event(true).with_current_span(true).with_span_list(false);
            let fields = format::JsonFields::new();
            base.fmt_fields(fields).event_format(Guarded { ours, json: true }).boxed()
        }
        LogFormat::Text => {
            let ours = format::format().with_ansi(false);
            base.event_format(Guarded { ours, json: false }).boxed()
        }
    };
    registry().with(layer.with_filter(allowed.with_max_level_hint(most)))
}

/// From now on a panic tells where it was and nothing else: its message may quote what the code had in hand.
pub fn show_only_where_a_panic_was() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        // Not by tracing: the panic may have happened inside it.
        eprintln!("{}", serde_json::json!({"level": "ERROR", "message": "panicked", "at": place}));
    }));
}

/// Prints our events as `ours` does, and of others only level, target and place.
struct Guarded<E> {
    ours: E,
    json: bool,
}

impl<S, N, E> FormatEvent<S, N> for Guarded<E>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    E: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        if is_ours(metadata.target()) {
            return self.ours.format_event(context, writer, event);
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (level, target) = (metadata.level().as_str(), metadata.target());
        let line = metadata.line().unwrap_or_default();
        let message = "a library's message, not shown";
        if self.json {
            let shown = serde_json::json!({
                "timestamp": time, "level": level, "message": message, "target": target, "line": line,
            });
            writeln!(writer, "{shown}")
        } else {
            writeln!(writer, "{time} {level:>5} {target}:{line}: {message}")
        }
    }
}

fn level(text: &str) -> Option<LevelFilter> {
    // A number would parse too, and means something else to everybody.
    text.chars().all(|c| c.is_ascii_alphabetic()).then(|| text.parse().ok()).flatten()
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_ours(target: &str) -> bool {
    OURS.iter().any(|ours| is_below(target, ours))
}

/// Whether `target` is `prefix` or a module of it: `mes` is no prefix of `mesh`.
fn is_below(target: &str, prefix: &str) -> bool {
    target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, levels: &str, say: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, Levels::parse(levels).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, say);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_directive_raises_another_crate_and_none_of_its_texts_is_shown() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = logged(format, "trace,kube_client=trace,hyper=trace", || {
                tracing::warn!(target: "kube_client::client", body = "canary", "canary {}", 1);
                tracing::debug!(target: "kube_client::client", "canary");
                tracing::info!(target: "aws_smithy_runtime", "canary");
                tracing::error!(target: "mesh", "canary");
                tracing::trace!(target: "mes_core::tries", step = "ours", "told");
            });
            assert!(!text.contains("canary"), "{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains("kube_client::client") && text.contains("told") && text.contains("ours"), "{text}");
        }
    }

    #[test]
    fn t47_the_span_of_another_crate_lends_nothing_to_our_lines() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = logged(format, "trace", || {
                let theirs = tracing::error_span!(target: "kube_client::client", "canary", body = "canary");
                let ours = tracing::info_span!(target: "mes_core", "pass", resource = "payments/crm");
                let (_theirs, _ours) = (theirs.entered(), ours.entered());
                tracing::info!(target: "mes_core", "told");
            });
            assert!(text.contains("told") && text.contains("payments/crm") && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn json_lines_are_json() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(target: "managed_external_secrets", resource = "payments/crm", "quote \" and \n line");
            tracing::warn!(target: "kube_runtime", "x");
        });
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["level"].is_string() && line["target"].is_string(), "{line}");
        }
    }

    #[test]
    fn directives_for_a_module_win_over_those_for_all() {
        let levels = Levels::parse("warn,managed_external_secrets::aws=debug, h2=off").unwrap();
        assert!(levels.allow("managed_external_secrets::aws::read", Level::DEBUG));
        assert!(!levels.allow("managed_external_secrets::awsome", Level::INFO));
        assert!(!levels.allow("managed_external_secrets::cluster", Level::INFO));
        assert!(!levels.allow("h2::proto", Level::ERROR));
        assert!(Levels::default().allow("mes_core", Level::INFO));
    }

    #[test]
    fn what_is_no_directive_is_refused_with_what_would_be() {
        for bad in ["inof", "a=b", "[span]=debug", "5", "=debug"] {
            let error = Levels::parse(bad).unwrap_err().to_string();
            assert!(error.contains("use off, error, warn"), "{error}");
        }
    }
}
