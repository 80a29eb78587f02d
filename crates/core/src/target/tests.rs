use proptest::prelude::*;

use super::*;

const CANARY: &str = "c4nary-v4lue";

fn value(fields: &[(&str, &str)]) -> Value {
    fields.iter().map(|(name, text)| ((*name).to_owned(), Sensitive::new((*text).to_owned()))).collect()
}

fn target(type_: SecretType, data: Option<&[(&str, &str)]>) -> TargetSpec {
    let template = |text: &str| Template::parse(text).expect(text);
    let data = data.map(|data| data.iter().map(|(key, text)| ((*key).to_owned(), template(text))).collect());
    TargetSpec { name: "crm".to_owned(), type_, labels: BTreeMap::new(), annotations: BTreeMap::new(), data }
}

fn texts(rendered: &BTreeMap<String, Sensitive>) -> Vec<(&str, &str)> {
    rendered.iter().map(|(key, text)| (key.as_str(), text.expose())).collect()
}

#[test]
fn without_data_each_field_is_a_key() {
    let rendered = render(&target(SecretType::Opaque, None), &value(&[("user", "a"), ("password", "b\nc")])).unwrap();
    assert_eq!(texts(&rendered), [("password", "b\nc"), ("user", "a")]);
}

#[test]
fn with_data_only_the_mapped_fields_are_there() {
    let spec =
        target(SecretType::Opaque, Some(&[("SMTP_PASSWORD", "$(current.password)"), ("again", "$(current.password)")]));
    let rendered = render(&spec, &value(&[("user", "a"), ("password", "$(current.user)")])).unwrap();
    // a text that looks like a template stays a text
    assert_eq!(texts(&rendered), [("SMTP_PASSWORD", "$(current.user)"), ("again", "$(current.user)")]);
}

#[test]
fn a_template_is_exactly_one_reference_to_the_current_value() {
    assert_eq!(Template::parse("$(current.tls.key)").unwrap().field(), "tls.key");
    let refused = [
        "",
        "password",
        "$(password)",
        "$(previous.password)",
        "$(current.password) ",
        " $(current.password)",
        "x$(current.password)",
        "$(current.a)$(current.b)",
        "$(current.password | uri)",
        "$(current.password",
        "$$(current.a)",
        "$(current.a b)",
        "${current.a}",
        "{{ .current.a }}",
        "$(CURRENT.a)",
    ];
    for text in refused {
        assert_eq!(Template::parse(text), Err(TemplateError::NotAReference), "{text}");
    }
    for text in ["$(current.)", "$(current.a/b)", "$(current..)", "$(current.pässword)", "$(current.a\n)"] {
        assert_eq!(Template::parse(text), Err(TemplateError::FieldName), "{text}");
    }
}

#[test]
fn only_the_types_on_the_list_exist() {
    for name in ["Opaque", "kubernetes.io/tls", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth"] {
        assert_eq!(SecretType::parse(name).map(SecretType::name), Some(name));
    }
    let refused = [
        "",
        "opaque",
        "kubernetes.io/service-account-token",
        "kubernetes.io/dockerconfigjson",
        "kubernetes.io/dockercfg",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
        "managed-secrets.io/seed",
        "managed-secrets.io/admin",
    ];
    for name in refused {
        assert_eq!(SecretType::parse(name), None, "{name}");
    }
}

#[test]
fn a_type_has_the_keys_that_kubernetes_wants_of_it() {
    let both = value(&[("a", "1"), ("b", "2")]);
    type Data = &'static [(&'static str, &'static str)];
    let cases: [(SecretType, Data, bool); 7] = [
        (SecretType::Tls, &[("tls.crt", "$(current.a)"), ("tls.key", "$(current.b)")], true),
        (SecretType::Tls, &[("tls.crt", "$(current.a)")], false),
        (SecretType::BasicAuth, &[("password", "$(current.a)")], true),
        (SecretType::BasicAuth, &[("username", "$(current.a)")], true),
        (SecretType::BasicAuth, &[("user", "$(current.a)")], false),
        (SecretType::SshAuth, &[("ssh-privatekey", "$(current.a)")], true),
        (SecretType::SshAuth, &[], false),
    ];
    for (type_, data, taken) in cases {
        match render(&target(type_, Some(data)), &both) {
            Ok(rendered) => assert!(taken && rendered.len() == data.len(), "{type_} {data:?}"),
            Err(error) => {
                assert!(!taken && matches!(error, RenderError::MissingKeys { .. }), "{type_} {data:?} {error}")
            }
        }
    }
    let error = render(&target(SecretType::Tls, None), &both).unwrap_err();
    assert_eq!(
        error.to_string(),
        "targets[crm] of type kubernetes.io/tls needs the keys tls.crt and tls.key: map it in targets[crm].data"
    );
}

#[test]
fn missing_fields_are_named_together_with_those_that_there_are() {
    let spec = target(
        SecretType::Opaque,
        Some(&[("x", "$(current.token)"), ("y", "$(current.user)"), ("z", "$(current.pin)")]),
    );
    let error = render(&spec, &value(&[("user", CANARY), ("password", CANARY)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "targets[crm].data refers to fields that the value has not: pin, token; it has password, user"
    );
}

#[test]
fn a_foreign_field_that_cannot_be_a_key_is_refused_and_not_shown() {
    for name in ["a b", "", "..", "..data", "p\u{e4}ss", "a/b", &format!("{CANARY} "), &"k".repeat(254)] {
        let error = render(&target(SecretType::Opaque, None), &value(&[(name, CANARY)])).unwrap_err();
        assert!(matches!(&error, RenderError::InvalidKeys { .. }), "{name} {error}");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    assert!(render(&target(SecretType::Opaque, None), &value(&[(&"k".repeat(253), "x"), (".a", "x")])).is_ok());
}

#[test]
fn a_secret_is_at_most_a_mebibyte() {
    let half = "x".repeat(LONGEST_SECRET / 2);
    let spec = target(SecretType::Opaque, Some(&[("a", "$(current.f)"), ("b", "$(current.f)")]));
    assert!(render(&spec, &value(&[("f", &half)])).is_ok());
    let error = render(&spec, &value(&[("f", &format!("{half}x"))])).unwrap_err();
    assert_eq!(error, RenderError::TooLarge { target: "crm".to_owned() });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whether and how rendering fails says nothing of the texts: no oracle for someone who may only create resources.
    #[test]
    fn two_values_of_the_same_fields_render_to_the_same_keys_or_the_same_error(
        names in prop::collection::btree_set("[a-z.]{0,6}", 0..5),
        one: String, other: String,
        data in prop::option::of(prop::collection::btree_map("[a-z./]{0,6}", "[a-z]{1,6}", 0..4)),
    ) {
        let data = data.map(|data| {
            data.into_iter().map(|(key, field)| (key, Template { field })).collect::<BTreeMap<_, _>>()
        });
        let spec = TargetSpec { data, ..target(SecretType::Opaque, None) };
        let filled = |text: &str| names.iter().map(|name| (name.clone(), Sensitive::new(text.to_owned()))).collect::<Value>();
        let keys = |value: &Value| render(&spec, value).map(|rendered| rendered.into_keys().collect::<Vec<_>>());
        prop_assert_eq!(keys(&filled(&one)), keys(&filled(&other)));
    }

    #[test]
    fn no_text_makes_the_template_parser_panic(text: String) {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("$(current.{text})"));
    }
}

#[test]
fn t09_a_key_that_another_controller_acts_upon_is_told_from_one_that_only_describes() {
    for key in [
        "argocd.argoproj.io/secret-type",
        "reflector.v1.k8s.emberstack.com/reflection-allowed",
        "replicator.v1.mittwald.de/replicate-to",
        "kubernetes.io/service-account.name",
        "kubectl.kubernetes.io/last-applied-configuration",
        "meta.helm.sh/release-name",
        "managed-secrets.io/adopt",
        "jenkins.io/credentials-type",
    ] {
        assert!(acted_upon(key), "{key}");
    }
    for key in ["team", "app.kubernetes.io/name", "example.com/owner", "notargoproj.io/x", "argoproj.io", ""] {
        assert!(!acted_upon(key), "{key}");
    }
}
