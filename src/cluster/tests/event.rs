//! Events as the API server keeps them.

use super::Room;
use crate::cluster::{Announcer, EventKind, Notice};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use mes_core::names::{ObjectName, Uid};
use mes_core::shown::Ours;

async fn told(room: &Room) -> Vec<Event> {
    room.api::<Event>().list(&ListParams::default()).await.unwrap().items
}

#[tokio::test]
async fn an_event_names_its_rotation_and_a_repetition_counts_on_it() {
    let room = Room::new().await;
    let announcer = Announcer::new(room.client.clone(), "mes-0");
    let (name, uid) = (ObjectName::parse("crm-1").unwrap(), Uid::parse("0d5f6b1e").unwrap());
    let notice = Notice {
        kind: EventKind::Normal,
        reason: "Promoted",
        action: "Rotate",
        note: &Ours("version 1 is in use"),
        rotation: Some((&name, &uid)),
    };
    let now = Timestamp::now();
    // The controller spawns what calls this.
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    sendable(announcer.tell(&room.own, notice, now)).await.unwrap();
    let [event]: [_; 1] = told(&room).await.try_into().unwrap();
    assert_eq!(event.related.as_ref().unwrap().name.as_deref(), Some("crm-1"));
    assert_eq!(event.related.as_ref().unwrap().kind.as_deref(), Some("Rotation"));
    assert_eq!(event.regarding.as_ref().unwrap().uid.as_deref(), Some(room.own.uid.as_str()));
    assert_eq!((event.type_.as_deref(), event.series), (Some("Normal"), None));

    announcer.tell(&room.own, notice, now).await.unwrap();
    // Another process knows nothing of what the first one wrote.
    Announcer::new(room.client.clone(), "mes-1").tell(&room.own, notice, now).await.unwrap();
    let [event]: [_; 1] = told(&room).await.try_into().unwrap();
    assert_eq!(event.series.unwrap().count, 2);
    announcer.tell(&room.own, notice, now).await.unwrap();
    assert_eq!(told(&room).await[0].series.as_ref().unwrap().count, 3);

    // kube's Recorder would have shown the first note again.
    announcer.tell(&room.own, Notice { note: &Ours("version 2 is in use"), ..notice }, now).await.unwrap();
    let mut notes: Vec<_> = told(&room).await.into_iter().map(|event| event.note.unwrap()).collect();
    notes.sort();
    assert_eq!(notes, ["version 1 is in use", "version 2 is in use"]);
}
