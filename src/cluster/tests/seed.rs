//! Seeds and admin credentials.

use super::Room;
use crate::cluster::{Home, SeedSecret};
use mes_core::fault::FaultKind;
use mes_core::names::{Namespace, ObjectName};
use mes_core::scope::Granted;
use serde_json::json;

#[tokio::test]
async fn a_secret_of_another_type_is_no_seed_and_is_not_read() {
    let room = Room::new().await;
    let name = Granted::assume(ObjectName::parse("crm-seed").unwrap());
    assert!(matches!(room.namespace.seed(&name).await, Ok(None)));
    room.secret(json!({"metadata": {"name": "crm-seed"}, "stringData": {"token": "t"}})).await;
    assert!(matches!(room.namespace.seed(&name).await, Ok(Some(SeedSecret::WrongType))));
}

#[tokio::test]
async fn a_seed_is_read_with_its_texts_and_what_is_no_text_is_named() {
    let room = Room::new().await;
    let manifest = json!({
        "metadata": {"name": "crm-seed"}, "type": "managed-secrets.io/seed",
        "data": {"clientId": "YWJj", "blob": "//79"},
    });
    let made = room.secret(manifest).await;
    let name = Granted::assume(ObjectName::parse("crm-seed").unwrap());
    let Ok(Some(SeedSecret::Seed { value, not_text, seen })) = room.namespace.seed(&name).await else { panic!() };
    assert_eq!(value.names().collect::<Vec<_>>(), ["clientId"]);
    assert_eq!(value.get("clientId").unwrap().expose(), "abc");
    assert_eq!(not_text.into_iter().collect::<Vec<_>>(), ["blob"]);
    assert_eq!(Some(seen.1.as_str()), made.metadata.resource_version.as_deref());
}

#[tokio::test]
async fn only_secrets_of_type_admin_are_logged_in_with() {
    let room = Room::new().await;
    let home = Home::of(&room.client, &Namespace::parse(room.name.as_str()).unwrap());
    let name = |text: &str| ObjectName::parse(text).unwrap();
    assert!(matches!(home.admin(&name("pg")).await, Ok(None)));
    room.secret(json!({"metadata": {"name": "pg"}, "stringData": {"endpoint": "e"}})).await;
    let fault = home.admin(&name("pg")).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Rejected, "WrongSecretType"));
    let admin = "managed-secrets.io/admin";
    room.secret(
        json!({"metadata": {"name": "sf"}, "type": admin, "stringData": {"endpoint": "https://a", "ca.crt": "c"}}),
    )
    .await;
    let value = home.admin(&name("sf")).await.unwrap().unwrap();
    assert_eq!(value.names().collect::<Vec<_>>(), ["ca.crt", "endpoint"]);
    assert_eq!(home.keys(&name("sf")).await.unwrap_err().code.as_str(), "KeysMissing");
    let keys = json!({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"});
    room.secret(json!({"metadata": {"name": "aws"}, "type": admin, "stringData": keys})).await;
    let keys = home.keys(&name("aws")).await.unwrap().unwrap();
    assert_eq!(keys.names().collect::<Vec<_>>(), ["accessKeyID", "secretAccessKey"]);
}
