//! AWS's types of managed external secrets, as one table.
use super::PartnerType;

const ALL: &[PartnerType] = &[];

/// Every type, by name.
pub const fn all() -> &'static [PartnerType] {
    ALL
}

/// The type of this name, exactly. `const`, so that a driver names its type once and a misspelt one does not compile.
pub const fn find(name: &str) -> Option<&'static PartnerType> {
    let mut remaining = ALL;
    while let [first, rest @ ..] = remaining {
        if same(first.name.as_bytes(), name.as_bytes()) {
            return Some(first);
        }
        remaining = rest;
    }
    None
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([l, left @ ..], [r, right @ ..]) => *l == *r && same(left, right),
        _ => false,
    }
}
