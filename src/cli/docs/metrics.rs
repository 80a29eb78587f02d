//! The page of metrics, from the table by which they are registered.
//!
//! Called by `cli::docs`.

use super::{GENERATED, code, row};
use crate::telemetry::metrics::table;

pub(super) fn page() -> String {
    let mut text = format!(
        "# Metrics\n\n{GENERATED}\n\nServed at `/metrics` of the address of `--listen`, as OpenMetrics. Labels never hold a \
         value, an id or an ARN. Those marked *each* have a series for each ManagedExternalSecret, and \
         `--object-metrics=false` turns them off.\n\n"
    );
    text.push_str(&row(["metric", "kind", "labels", "", "meaning"]));
    text.push_str(&row(["---"; 5]));
    for metric in table() {
        let each = if metric.per_object { "each" } else { "" };
        let labels = metric.labels.iter().map(|label| code(label)).collect::<Vec<_>>().join(", ");
        text.push_str(&row([&code(metric.name), metric.kind, &labels, each, metric.help]));
    }
    text
}
