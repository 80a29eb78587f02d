//! What the suite needs of a partner: a credential in use, whose rights are used, and a way to ask the partner itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use managed_external_secrets::clock::SystemRandom;
use managed_external_secrets::partners::doors::{self, Egress, Loopback};
use managed_external_secrets::partners::{Bound, Partner, registry};
use mes_core::names::{Identity, Slot, Tag, Uid, VersionId};
use mes_core::partner::{Chooser, Contract, Parameters};
use mes_core::scope::Granted;
use mes_core::secret::{Sensitive, Value};
use mes_core::spec::Origin;

/// The partner as others see it: never through the driver that is tried.
#[async_trait]
pub(crate) trait World: Send + Sync {
    /// Whether it accepts these bytes now.
    async fn accepts(&self, value: &Value) -> bool;
    /// Somebody else puts a credential of theirs where ours would go.
    async fn intrude(&self) -> Value;
    /// The next call that makes a candidate takes effect, and its answer is lost. Whether this partner can do that here.
    fn lose_the_next_answer(&self) -> bool;
    /// The same bytes, which a partner of this kind never accepted.
    fn wrong(&self, value: &Value) -> Value;
    /// The same bytes, said to belong to another host.
    fn elsewhere(&self, value: &Value) -> Value;
}

/// A partner with a credential in use.
pub(crate) struct Bench {
    pub(crate) partner: Arc<dyn Partner>,
    /// The driver where nobody answers.
    pub(crate) unreachable: Arc<dyn Partner>,
    pub(crate) world: Box<dyn World>,
    /// The credential in use.
    pub(crate) current: Value,
    /// Its slot, where it has one, and the other.
    pub(crate) slots: Vec<Slot>,
    pub(crate) origin: Origin,
    pub(crate) identities: Vec<String>,
    pub(crate) parameters: Parameters,
    pub(crate) admin: Option<Value>,
    pub(crate) calls: Calls,
}

/// What was told of calls.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub(crate) fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Bench {
    /// Who acts: the admin, else the credential itself.
    pub(crate) fn bound(&self) -> Bound {
        self.acting(copy(self.admin.as_ref().unwrap_or(&self.current)))
    }

    pub(crate) fn acting(&self, acting: Value) -> Bound {
        let identity = |of: &String| Granted::assume(Identity::parse(format!("{}/{of}", self.origin.host)).unwrap());
        let identities: BTreeSet<_> = self.identities.iter().map(identity).collect();
        let origin = Granted::assume(self.origin.clone());
        Bound::new(origin, Some(acting), self.parameters.clone(), self.slots.clone()).granting(identities)
    }

    pub(crate) fn contract(&self) -> &'static Contract {
        self.partner.describe().contract(&self.parameters, self.admin.is_some()).expect("a bench is for a contract")
    }

    /// A candidate as the protocol makes one: created, or composed for the idle slot and registered.
    pub(crate) async fn candidate(&self) -> Value {
        let bound = self.bound();
        match self.contract().chooser {
            Chooser::Partner => self.partner.create(&bound, Some(&self.current), &tag()).await.unwrap(),
            Chooser::Caller => {
                let slot = self.slots.last();
                let value = self.partner.compose(&bound, Some(&self.current), slot, &SystemRandom).unwrap();
                self.partner.register(&bound, &value).await.unwrap();
                value
            }
        }
    }
}

/// The driver of this type over real doors, with these hosts on loopback: once as they are, once where nobody listens.
pub(crate) fn drivers(
    type_name: &str,
    host: &str,
    port: u16,
    ca: &Path,
) -> (Arc<dyn Partner>, Arc<dyn Partner>, Calls) {
    let (calls, budget) = (Calls::default(), Duration::from_secs(10));
    // Port 1 of loopback: refused at once.
    let over = |port: u16| told_driver(type_name, host, port, ca, budget, &calls);
    (over(port), over(1), calls.clone())
}

/// The same, once, with another budget for an exchange.
pub(crate) fn driver(type_name: &str, host: &str, port: u16, ca: &Path, budget: Duration) -> Arc<dyn Partner> {
    told_driver(type_name, host, port, ca, budget, &Calls::default())
}

fn told_driver(type_name: &str, host: &str, port: u16, ca: &Path, budget: Duration, calls: &Calls) -> Arc<dyn Partner> {
    let line = format!("{host} 127.0.0.1:{port} {}", ca.display());
    let egress = Egress { loopback: Loopback::parse(&line, Path::new("/")).unwrap(), ..Egress::default() };
    let told = calls.0.clone();
    let observe = move |partner: &'static str, verb: &'static str, code: &str| {
        told.lock().unwrap().push(format!("{partner} {verb} {code}"));
    };
    let doors = doors::open(egress, budget, Arc::new(observe));
    registry().find(type_name, &doors).expect("the driver is registered")
}

pub(crate) fn value<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    fields.into_iter().map(|(name, text)| (name.to_owned(), Sensitive::new(text.to_owned()))).collect()
}

pub(crate) fn with(value: &Value, field: &str, text: &str) -> Value {
    value.replacing([(field.to_owned(), Sensitive::new(text.to_owned()))])
}

pub(crate) fn copy(value: &Value) -> Value {
    value.replacing([])
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).unwrap().expose()
}

pub(crate) fn version(number: u16) -> VersionId {
    VersionId::of(&Uid::parse("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11").unwrap(), number)
}

pub(crate) fn tag() -> Tag {
    Tag::of(&Uid::parse("7c1de1a8-0000-4000-8000-000000000000").unwrap(), &version(2))
}
