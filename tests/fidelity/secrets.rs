//! Secrets: their data, types and immutability.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

rows! {
    fn texts_are_stored_as_data(world) {
        let secret = json!({"metadata": {"name": "a"}, "data": {"a": "MQ==", "b": "MQ=="}, "stringData": {"b": "two"}});
        let made = world.post(&world.secrets(), &secret).is(201);
        assert_eq!((&made["data"], made.get("stringData")), (&json!({"a": "MQ==", "b": "dHdv"}), None));
        assert_eq!(made["type"], "Opaque");
        let path = format!("{}/a", world.secrets());
        let patched = world.merge(&path, &json!({"stringData": {"a": "one"}})).is(200);
        assert_eq!(patched["data"], json!({"a": "b25l", "b": "dHdv"}));
    }

    fn the_type_is_for_ever(world) {
        let path = world.secret("a");
        world.merge(&path, &json!({"type": "example.com/other"})).invalid(&[("FieldValueInvalid", "type")]);
    }

    fn a_type_wants_its_keys(world) {
        let secret = |type_: &str| json!({"metadata": {"name": "a"}, "type": type_, "stringData": {"x": "y"}});
        let post = |type_: &str| world.post(&world.secrets(), &secret(type_));
        post("kubernetes.io/tls").invalid(&[("FieldValueRequired", "data[tls.crt]"), ("FieldValueRequired", "data[tls.key]")]);
        post("kubernetes.io/dockerconfigjson").invalid(&[("FieldValueRequired", "data[.dockerconfigjson]")]);
        post("kubernetes.io/ssh-auth").invalid(&[("FieldValueRequired", "data[ssh-privatekey]")]);
        post("kubernetes.io/basic-auth").invalid(&[
            ("FieldValueRequired", "data[username]"), ("FieldValueRequired", "data[password]"),
        ]);
        post("example.com/any").is(201);
    }

    fn what_is_immutable_keeps_its_data_and_stays_so(world) {
        let path = world.secret("a");
        world.merge(&path, &json!({"immutable": true})).is(200);
        world.merge(&path, &json!({"stringData": {"k": "w"}})).invalid(&[("FieldValueForbidden", "data")]);
        world.merge(&path, &json!({"immutable": false})).invalid(&[("FieldValueForbidden", "immutable")]);
        world.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).is(200);
        world.delete(&path, &json!({})).is(200);
    }

    fn a_key_has_rules(world) {
        let secret = json!({"metadata": {"name": "a"}, "stringData": {"a b": "x"}});
        world.post(&world.secrets(), &secret).invalid(&[("FieldValueInvalid", "data[a b]")]);
    }

    fn what_is_no_base64_or_no_text_is_a_bad_request(world) {
        let post = |data| world.post(&world.secrets(), &json!({"metadata": {"name": "a"}, "data": data}));
        post(json!({"k": "no base64!"})).refused(400, "BadRequest");
        post(json!({"k": 5})).refused(400, "BadRequest");
        post(json!("text")).refused(400, "BadRequest");
    }

    fn more_than_a_mebibyte_is_refused(world) {
        let secret = |size: usize| {
            json!({"metadata": {"name": "a"}, "data": {"k": STANDARD.encode(vec![b'x'; size])}})
        };
        world.post(&world.secrets(), &secret(1024 * 1024 + 1)).invalid(&[("FieldValueTooLong", "data")]);
        world.post(&world.secrets(), &secret(1024 * 1024)).is(201);
    }
}
