//! The evaluator by itself: IAM's documented rules, one by one, and what holds of every document.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::document::{Asked, Document, Principal, Verdict};
use super::{Context, Iam, Refusal, Setup};

const ROLE: &str = "arn:aws:iam::111111111111:role/app";
const SECRET: &str = "arn:aws:secretsmanager:us-west-2:111111111111:secret:p/payments/crm-AbCdEf";

fn role() -> Principal {
    Principal::Aws { account: "111111111111".into(), arn: ROLE.into(), session: None }
}

fn context(pairs: &[(&str, &str)]) -> Context {
    let mut context = Context::default();
    for (key, value) in pairs {
        context.put(key, *value);
    }
    context
}

fn asked(action: &str, resource: &str, pairs: &[(&str, &str)]) -> Asked {
    Asked { action: action.into(), resource: resource.into(), context: context(pairs) }
}

fn document(statements: &Value) -> Document {
    Document::parse(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
}

fn holds(condition: &Value, pairs: &[(&str, &str)]) -> bool {
    let document = document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}));
    document.of_identity(&asked("x:Y", "*", pairs)).allowed.is_some()
}

fn refused_on_loading(statement: &Value) -> String {
    Document::parse(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap_err()
}

#[test]
fn actions_have_no_case_and_wildcards_and_not_action_means_all_others() {
    let of = |statement: &Value, action: &str| {
        let mut statement = statement.clone();
        statement["Effect"] = "Allow".into();
        statement["Resource"] = "*".into();
        document(&statement).of_identity(&asked(action, SECRET, &[])).allowed.is_some()
    };
    let reads = json!({"Action": ["secretsmanager:Get*", "secretsmanager:?escribeSecret"]});
    assert!(of(&reads, "secretsmanager:GetSecretValue"));
    assert!(of(&reads, "SecretsManager:describesecret"));
    assert!(!of(&reads, "secretsmanager:PutSecretValue"));
    let others = json!({"NotAction": "secretsmanager:Get*"});
    assert!(!of(&others, "secretsmanager:GetSecretValue"));
    assert!(of(&others, "kms:Decrypt"));
}

#[test]
fn resources_keep_their_case_and_a_variable_that_has_no_value_matches_nothing() {
    let allowed = |resource: &str, tags: &[(&str, &str)]| {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": resource});
        document(&statement).of_identity(&asked("a:B", SECRET, tags)).allowed.is_some()
    };
    let own = "arn:aws:secretsmanager:*:111111111111:secret:p/${aws:PrincipalTag/ns}/*";
    assert!(allowed(own, &[("aws:PrincipalTag/ns", "payments")]));
    assert!(!allowed(own, &[("aws:PrincipalTag/ns", "pay")]));
    assert!(!allowed(own, &[("aws:PrincipalTag/ns", "Payments")]));
    assert!(!allowed(own, &[]));
    assert!(!allowed(own, &[("aws:PrincipalTag/ns", "*")]), "a tag's asterisk is an asterisk");
    assert!(allowed("arn:aws:secretsmanager:us-west-2:111111111111:secret:p/payments/crm-??????", &[]));
    assert!(!allowed("arn:aws:secretsmanager:us-west-2:111111111111:secret:p/payments/crm-?????", &[]));
    assert!(allowed("*${aws:PrincipalTag/ns, 'crm'}*", &[]), "a default stands in");
    let literal = json!({"Effect": "Allow", "Action": "*", "Resource": "p${*}"});
    let of = |resource| document(&literal).of_identity(&asked("a:B", resource, &[])).allowed.is_some();
    assert!(of("p*") && !of("px"));
}

#[test]
fn an_absent_key_fails_plain_operators_and_satisfies_negated_ones_and_those_with_if_exists() {
    for (operator, value, absent) in [
        ("StringEquals", "x", false),
        ("StringNotEquals", "x", true),
        ("StringLike", "*", false),
        ("StringNotLike", "*", true),
        ("StringEqualsIgnoreCase", "x", false),
        ("StringNotEqualsIgnoreCase", "x", true),
        ("ArnLike", "arn:aws:*:*:*:*", false),
        ("ArnNotLike", "arn:aws:*:*:*:*", true),
        ("ArnNotEquals", "arn:aws:*:*:*:*", true),
        ("Bool", "true", false),
        ("NumericGreaterThanEquals", "7", false),
        ("NumericNotEquals", "7", true),
        ("StringEqualsIfExists", "x", true),
        ("NumericGreaterThanEqualsIfExists", "7", true),
        ("ForAllValues:StringEquals", "x", true),
        ("ForAllValues:StringNotEquals", "x", true),
        ("ForAnyValue:StringEquals", "x", false),
        ("ForAnyValue:StringNotEquals", "x", false),
    ] {
        assert_eq!(holds(&json!({operator: {"a:Key": value}}), &[]), absent, "{operator}");
    }
    assert!(holds(&json!({"Null": {"a:Key": "true"}}), &[]));
    assert!(!holds(&json!({"Null": {"a:Key": "true"}}), &[("a:Key", "")]));
    assert!(holds(&json!({"Null": {"a:Key": "false"}}), &[("A:KEY", "x")]), "keys have no case");
    assert!(!holds(&json!({"Null": {"a:Key": false}}), &[]));
}

#[test]
fn values_of_a_key_are_alternatives_and_of_a_negated_operator_all_excluded() {
    let key = |value| [("a:Key", value)];
    assert!(holds(&json!({"StringEquals": {"a:Key": ["x", "y"]}}), &key("y")));
    assert!(!holds(&json!({"StringNotEquals": {"a:Key": ["x", "y"]}}), &key("y")));
    assert!(holds(&json!({"StringNotEquals": {"a:Key": ["x", "y"]}}), &key("z")));
    assert!(!holds(&json!({"StringEquals": {"a:Key": "x*"}}), &key("xy")), "equality has no wildcards");
    assert!(holds(&json!({"StringLike": {"a:Key": "x*"}}), &key("xy")));
    assert!(!holds(&json!({"StringEquals": {"a:Key": "x"}, "Bool": {"a:Flag": "true"}}), &key("x")), "all must hold");
    assert!(holds(&json!({"Bool": {"a:Key": true}}), &key("True")));
    assert!(holds(&json!({"NumericGreaterThanEquals": {"a:Key": 7}}), &key("7")));
    assert!(!holds(&json!({"NumericGreaterThanEquals": {"a:Key": "7"}}), &key("6")));
    assert!(!holds(&json!({"NumericLessThan": {"a:Key": "7"}}), &key("seven")));
}

#[test]
fn arns_are_compared_part_by_part() {
    let like =
        |pattern: &str, arn: &str| holds(&json!({"ArnLike": {"aws:SourceArn": pattern}}), &[("aws:SourceArn", arn)]);
    assert!(like("arn:aws:secretsmanager:us-west-2:111111111111:secret:p/*", SECRET));
    assert!(like("arn:*:*:*:*:secret:p/*", SECRET));
    assert!(!like("arn:aws:secretsmanager:us-west-2:*", SECRET), "a star stays in its part");
    assert!(!like("arn:aws:secretsmanager:eu-west-1:111111111111:secret:p/*", SECRET));
}

#[test]
fn a_key_of_many_values_is_compared_by_all_or_any() {
    let tags = [("aws:TagKeys", "one"), ("aws:TagKeys", "other")];
    assert!(holds(&json!({"ForAllValues:StringLike": {"aws:TagKeys": ["one", "o*"]}}), &tags));
    assert!(!holds(&json!({"ForAllValues:StringEquals": {"aws:TagKeys": "one"}}), &tags));
    assert!(holds(&json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "one"}}), &tags));
    assert!(!holds(&json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "third"}}), &tags));
    assert!(holds(&json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": "one"}}), &tags));
    assert!(!holds(&json!({"ForAllValues:StringNotEquals": {"aws:TagKeys": "one"}}), &tags));
}

#[test]
fn what_is_not_evaluated_is_refused_on_loading() {
    let with = |element: &str, value: Value| {
        let mut statement = json!({"Sid": "S", "Effect": "Allow", "Action": "a:B", "Resource": "*"});
        statement[element] = value;
        refused_on_loading(&statement)
    };
    assert!(with("Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})).contains("IpAddress"));
    assert!(with("Condition", json!({"StringEquals": {"aws:TagKeys": "x"}})).contains("ForAllValues"));
    assert!(with("NotPrincipal", json!("*")).contains("NotPrincipal"));
    assert!(with("NotAction", json!("a:C")).contains("exclude"));
    assert!(with("Effect", json!("Permit")).contains("Effect"));
    assert!(with("Resource", json!("${aws:PrincipalTag/x")).contains("no end"));
    assert!(with("Principal", json!({"AWS": "arn:aws:iam::111111111111:role/*"})).contains("no principal"));
    let old = json!({"Version": "2008-10-17", "Statement": []});
    assert!(Document::parse(&old).unwrap_err().contains("2012-10-17"));
}

fn iam(policies: &Value, keys: &Value) -> Iam {
    let setup = json!({"principals": {ROLE: {"policies": policies}}, "keys": keys});
    Iam::load(&serde_json::from_value::<Setup>(setup).unwrap()).unwrap()
}

fn policy(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[test]
fn a_denial_wins_over_any_permission_and_nothing_said_is_no() {
    let allow = policy(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let deny = policy(&json!({"Sid": "Never", "Effect": "Deny", "Action": "a:B", "Resource": "*"}));
    let ask = |iam: &mut Iam, action| iam.identity(&role(), &asked(action, "*", &[]));
    let mut both = iam(&json!({"a": allow, "b": deny}), &json!({}));
    assert_eq!(ask(&mut both, "a:B"), Err(Refusal::Denied));
    assert_eq!(ask(&mut both, "a:C"), Ok(()));
    assert_eq!(ask(&mut iam(&json!({}), &json!({})), "a:C"), Err(Refusal::NotAllowed));
    let stranger = Principal::Aws { account: "1".into(), arn: "arn:aws:iam::1:user/x".into(), session: None };
    assert_eq!(both.identity(&stranger, &asked("a:C", "*", &[])), Err(Refusal::NotAllowed));
    let by: Vec<_> = both.judgements().map(|judgement| (judgement.allowed, judgement.by.clone())).collect();
    assert!(by.contains(&(false, vec!["b/Never".into()])) && by.contains(&(true, vec!["a/#0".into()])));
}

#[test]
fn a_key_must_allow_by_name_or_leave_it_to_its_account_and_across_accounts_both_must_allow() {
    let own = "arn:aws:kms:us-west-2:111111111111:key/k";
    let foreign = "arn:aws:kms:us-west-2:222222222222:key/k";
    let names = |principal: &str| {
        policy(&json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}))
    };
    let use_keys = json!({"p": policy(&json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}))});
    let decrypt = |policies: &Value, key: &str, of_key: &Value| {
        iam(policies, &json!({key: of_key})).key(&role(), &asked("kms:Decrypt", key, &[])).is_ok()
    };
    let none = json!({});
    assert!(decrypt(&none, own, &names(ROLE)), "named by the key, no identity policy is needed");
    assert!(!decrypt(&none, own, &names("111111111111")), "the account decides, and says nothing");
    assert!(decrypt(&use_keys, own, &names("arn:aws:iam::111111111111:root")));
    assert!(!decrypt(&use_keys, own, &names("222222222222")));
    assert!(!decrypt(&none, foreign, &names(ROLE)), "across accounts both must allow");
    assert!(decrypt(&use_keys, foreign, &names(ROLE)));
    assert!(iam(&use_keys, &none).key(&role(), &asked("kms:Decrypt", own, &[])).is_err(), "an unknown key");
}

proptest! {
    #[test]
    fn a_text_without_wildcards_matches_itself_alone(text in "[a-z/:]{0,12}", other in "[a-z/:]{0,12}") {
        let statement = document(&json!({"Effect": "Allow", "Action": "*", "Resource": text}));
        let allowed = statement.of_identity(&asked("a:B", &other, &[])).allowed.is_some();
        prop_assert_eq!(allowed, text == other);
    }

    #[test]
    fn stars_match_as_a_plain_search_says(pieces in prop::collection::vec("[ab]{0,2}", 1..4), text in "[ab]{0,8}") {
        fn plain(pieces: &[String], text: &str, first: bool) -> bool {
            match pieces {
                [] => text.is_empty() || !first,
                [last] if !first => text.ends_with(last.as_str()),
                [only] => text == only,
                [piece, rest @ ..] if first => text.strip_prefix(piece.as_str()).is_some_and(|text| plain(rest, text, false)),
                [piece, rest @ ..] => (0..=text.len()).any(|at| text[at..].strip_prefix(piece.as_str()).is_some_and(|text| plain(rest, text, false))),
            }
        }
        let statement = document(&json!({"Effect": "Allow", "Action": "*", "Resource": pieces.join("*")}));
        let allowed = statement.of_identity(&asked("a:B", &text, &[])).allowed.is_some();
        prop_assert_eq!(allowed, plain(&pieces, &text, true));
    }

    #[test]
    fn no_tag_reaches_another_namespaces_path(tag in "[a-z0-9-]{1,8}", namespace in "[a-z0-9-]{1,8}", name in "[a-z0-9/-]{0,8}") {
        let statement = document(&json!({"Effect": "Allow", "Action": "*", "Resource": "secret:p/${aws:PrincipalTag/ns}/*"}));
        let asked = asked("a:B", &format!("secret:p/{namespace}/{name}"), &[("aws:PrincipalTag/ns", &tag)]);
        prop_assert_eq!(statement.of_identity(&asked) != Verdict::default(), tag == namespace);
    }
}
