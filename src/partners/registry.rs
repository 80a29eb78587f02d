//! Every partner that we rotate ourselves, one line each, and all types that we know.
//!
//! A new one is its file (with its `mod` line), a line in `DRIVERS`, and a bench in `tests/conformance/`, which fails until
//! there is one.
//!
//! Read by the controller (a driver by its type's name), the resolver and `mes partners` (types).

use std::sync::Arc;

use mes_core::partner::{PartnerType, aws_types};

use super::within::Within;
use super::{Doors, Partner};

/// A driver: what it says of itself, and how it is opened.
#[derive(Clone, Copy)]
pub struct Driver {
    /// Its type.
    pub describe: fn() -> &'static PartnerType,
    /// The driver over these doors. No I/O.
    pub open: fn(Doors) -> Arc<dyn Partner>,
}

#[rustfmt::skip] // One line a partner.
const DRIVERS: &[Driver] = &[
    Driver { describe: super::postgresql::describe, open: super::postgresql::open },
    Driver { describe: super::salesforce::describe, open: super::salesforce::open },
];

/// The drivers of this build.
pub fn registry() -> Registry {
    Registry(DRIVERS)
}

/// Which types there are and which of them have a driver.
#[derive(Clone, Copy)]
pub struct Registry(&'static [Driver]);

impl Registry {
    /// These drivers in place of this build's: for a test with partners of its own.
    pub const fn of(drivers: &'static [Driver]) -> Self {
        Self(drivers)
    }

    /// The driver of the type with this name (exactly), over these doors, each verb cut off after 10 s; `None`: the operator
    /// does not rotate it.
    pub fn find(&self, name: &str, doors: &Doors) -> Option<Arc<dyn Partner>> {
        self.0
            .iter()
            .find(|driver| (driver.describe)().name == name)
            .map(|driver| Arc::new(Within((driver.open)(doors.clone()))) as Arc<dyn Partner>)
    }

    /// The type with this name (exactly), a driver's or AWS's.
    pub fn partner_type(&self, name: &str) -> Option<&'static PartnerType> {
        self.types().into_iter().find(|known| known.name == name)
    }

    /// All types by name: the drivers', and AWS's that no driver has.
    pub fn types(&self) -> Vec<&'static PartnerType> {
        let ours = || self.0.iter().map(|driver| (driver.describe)());
        let aws = aws_types::all().iter().filter(|row| ours().all(|own| own.name != row.name));
        let mut types: Vec<_> = ours().chain(aws).collect();
        types.sort_by_key(|known| known.name);
        types
    }

    /// The drivers, for the conformance suite.
    pub fn drivers(&self) -> &'static [Driver] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_type_is_listed_once_and_by_name_and_each_driver_says_how_it_rotates() {
        let types = registry().types();
        let names: Vec<_> = types.iter().map(|known| known.name).collect();
        let once: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(names, Vec::from_iter(once));
        for driver in registry().drivers() {
            let name = (driver.describe)().name;
            let listed = registry().partner_type(name).unwrap();
            assert!(listed.operator.is_some(), "{name}");
        }
        for row in aws_types::all() {
            assert!(registry().partner_type(row.name).is_some_and(|known| known.secrets_manager.is_some()));
        }
        assert!(registry().partner_type("NoSuchType").is_none());
    }
}
