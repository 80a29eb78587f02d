//! What is counted and what is logged of a call: no value.

use super::*;

#[tokio::test]
async fn every_call_is_counted_once_by_operation_region_and_code() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.describe().await.unwrap();
    world.strike("CreateSecret", Fate::Throttle);
    secret.create().await.unwrap_err();
    secret.create().await.unwrap();
    let counts = world.counts.lock().unwrap().clone();
    let expected = [
        "DescribeSecret eu-west-1 ResourceNotFoundException",
        "CreateSecret eu-west-1 ThrottlingException",
        "CreateSecret eu-west-1 OK",
    ];
    assert_eq!(counts, expected);
    assert_eq!(world.calls().len(), 3, "the SDK repeats nothing");
}

/// Writes of a subscriber, kept.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_is_in_a_log_of_ours_or_in_a_fault() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("managed_external_secrets=trace")
        .with_writer(move || writer.clone())
        .finish();
    let world = world().await;
    // A callsite that is first met on another test's thread, where nobody listens, is never asked again if there is
    // one subscriber alone; with a second one, every subscriber is asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value(CANARY)).await.unwrap();
    let mut faults = vec![secret.put_first(&version(1), &value(&format!("{CANARY}-2"))).await.unwrap_err()];
    let said = format!("refused: {CANARY}");
    for code in ["InvalidRequestException", "AccessDeniedException", "not a code"] {
        world.strike("GetSecretValue", Fate::Error { code: code.to_owned(), status: None, message: said.clone() });
        faults.push(secret.read(&version(1)).await.unwrap_err());
    }
    drop(guard);
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("PutSecretValue") && log.contains("GetSecretValue"), "{log}");
    assert!(!format!("{faults:?}").contains(CANARY));
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn the_futures_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    fn check(secret: &StoreSecret, aws: &Aws, store: &StoreAt, delegation: &Delegation) {
        moves(secret.describe());
        moves(secret.replica(&secret.secret.primary));
        moves(secret.read_current());
        moves(secret.create());
        moves(secret.delegate(delegation, true));
        moves(aws.identity(store));
        let named = BTreeSet::new();
        moves(aws.sweep(store, &named));
    }
    let _ = check;
}
