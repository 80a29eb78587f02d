//! Patterns of grants: exact, or a prefix and `*`; `{namespace}` stands for the namespace.
//!
//! Invariant: no pattern covers what belongs to another namespace: `*` never crosses `/`, and `{namespace}` is followed by
//! a character that no namespace's name can hold, or by the end. `{namespace}-*` would match `pay-` and `ments-x` for
//! `pay`, which is also `pay-ments`'s `x`. What is not of this form covers nothing.

use crate::names::Namespace;

/// A pattern, `{namespace}` filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    start: String,
    open: bool,
}

const NAMESPACE: &str = "{namespace}";

impl Pattern {
    /// Reads `text` for `namespace`; `None`: not of the form.
    pub(super) fn parse(text: &str, namespace: &Namespace) -> Option<Self> {
        let (body, open) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text, false),
        };
        let mut start = String::new();
        let mut rest = body;
        while let Some((before, after)) = rest.split_once(NAMESPACE) {
            let closed = if after.is_empty() { !open } else { after.starts_with(['_', '.', '/', ':']) };
            if !plain(before) || !closed {
                return None;
            }
            start.push_str(before);
            start.push_str(namespace.as_str());
            rest = after;
        }
        start.push_str(rest);
        (plain(rest) && !text.is_empty()).then_some(Self { start, open })
    }

    /// Whether it covers `name`, byte by byte.
    pub(super) fn covers(&self, name: &str) -> bool {
        match name.strip_prefix(&self.start) {
            Some(rest) if self.open => !rest.contains('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

fn plain(text: &str) -> bool {
    !text.contains(['{', '}', '*'])
}
