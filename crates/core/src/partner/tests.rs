pub(crate) mod documented;

use documented::DOCUMENTED;
use proptest::prelude::*;

use super::*;
use crate::secret::Sensitive;

const CANARY: &str = "c4nary-v4lue";

fn value(fields: &[(&str, &str)]) -> Value {
    fields.iter().map(|(name, text)| ((*name).to_owned(), Sensitive::new((*text).to_owned()))).collect()
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn of_aws(name: &str) -> &'static PartnerType {
    aws_types::find(name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

#[test]
fn the_table_has_the_eighteen_types_of_aws_once_each_by_name() {
    let names: Vec<_> = aws_types::all().iter().map(|known| known.name).collect();
    let documented: Vec<_> = DOCUMENTED.iter().map(|documented| documented.name).collect();
    assert_eq!(names, documented);
    assert_eq!(names.len(), 18);
    assert!(names.is_sorted());
    assert!(aws_types::find("SalesforceClientSecre").is_none() && aws_types::find("").is_none());
    assert!(aws_types::find("salesforceclientsecret").is_none(), "names are exact");
}

#[test]
fn each_type_is_as_aws_documents_it() {
    for documented in DOCUMENTED {
        let (name, known) = (documented.name, of_aws(documented.name));
        let example = value(documented.example);
        assert_eq!(known.format.check(&example), Ok(()), "{name}");
        let fields = |chosen: fn(&Field) -> bool| -> Vec<_> {
            known.format.fields.iter().filter(|field| chosen(field)).map(|field| field.name).collect()
        };
        assert_eq!(fields(|field| field.rotated), documented.rotated, "{name}");
        assert_eq!(fields(|field| !field.required), documented.optional, "{name}");
        let in_example = |field: &&str| documented.example.iter().any(|(given, _)| given == field);
        let rest: Vec<_> = fields(|_| true).into_iter().filter(|field| !in_example(field)).collect();
        assert!(rest.iter().all(|field| known.format.exclusive.contains(field)), "{name}: {rest:?}");
        let keys: Vec<_> = known
            .parameters
            .iter()
            .map(|known| match (known.required, known.default) {
                (true, _) => format!("{}!", known.name),
                (_, Some(default)) => format!("{}={default}", known.name),
                _ => known.name.to_owned(),
            })
            .collect();
        assert_eq!(keys, documented.parameters, "{name}");
        assert_eq!(known.secrets_manager.map(|aws| aws.admin), Some(documented.admin), "{name}");
        let identities = known.identities(&Parameters::new(), Some(&example)).unwrap();
        assert_eq!(identities.iter().map(String::as_str).collect::<Vec<_>>(), documented.identities, "{name}");
        assert_eq!(known.host.of(&example).as_deref(), documented.host, "{name}");
        assert_eq!(known.engines(), BTreeSet::from([Engine::SecretsManager]), "{name}");
        assert!(known.contract(&Parameters::new(), true).is_none(), "{name}");
    }
}

#[test]
fn what_the_table_refers_to_is_there_and_may_be_shown() {
    for known in aws_types::all() {
        let public = |name: &str| known.format.field(name).is_some_and(|field| field.public);
        assert!(known.identity_names().into_iter().all(public), "{}", known.name);
        assert!(known.host.field().is_none_or(public), "{}", known.name);
        let aws = known.secrets_manager.unwrap();
        if let Some(of_type) = aws.admin.of_type() {
            assert!(aws_types::find(of_type).is_some(), "{}: {of_type}", known.name);
            assert!(!known.identities.is_empty(), "{}: with an admin, grants need an identity", known.name);
        }
        if let IntervalLimit::BelowParameter(key) = aws.interval {
            assert!(
                known.parameters.iter().any(|known| known.name == key && known.default.is_some()),
                "{}",
                known.name
            );
        }
        for parameter in known.parameters {
            assert!(parameter.default.is_none_or(|default| parameter.pattern.accepts(default)), "{}", known.name);
        }
        assert!(known.format.exclusive.iter().all(|name| known.format.field(name).is_some()), "{}", known.name);
        for field in known.format.fields {
            let secret = ["ecret", "assword", "rivateKey", "passphrase"].iter().any(|part| field.name.contains(part));
            assert!(!(secret && field.public && !field.name.ends_with("Id")), "{} {}", known.name, field.name);
        }
    }
}

#[test]
fn every_way_in_which_a_field_can_be_wrong_is_told_by_name_and_without_its_text() {
    for documented in DOCUMENTED {
        let format = of_aws(documented.name).format;
        let with = |field: &str, text: &str| {
            value(documented.example).replacing([(field.to_owned(), Sensitive::new(text.to_owned()))])
        };
        for field in format.fields {
            let kinds = |text: &str| match format.check(&with(field.name, text)) {
                Ok(()) => Vec::new(),
                Err(problems) => {
                    for problem in &problems {
                        assert!(!problem.to_string().contains(CANARY) && !format!("{problem:?}").contains(CANARY));
                    }
                    problems
                        .into_iter()
                        .filter(|problem| problem.field == field.name)
                        .map(|problem| problem.kind)
                        .collect()
                }
            };
            let malformed = ProblemKind::Malformed { expected: field.pattern.expected };
            let name = format!("{} {}", documented.name, field.name);
            assert_eq!(kinds("").first(), Some(&ProblemKind::Empty), "{name}");
            let longest = field.longest;
            assert_eq!(kinds(&"a".repeat(longest + 1)).first(), Some(&ProblemKind::TooLong { longest }), "{name}");
            for text in
                [format!("{CANARY}\u{0}"), format!("{CANARY}\u{1b}[31m"), format!("{CANARY}\ttab"), "\u{85}".into()]
            {
                assert_eq!(kinds(&text).first(), Some(&malformed), "{name} {text:?}");
            }
            let placeholder = format.seed().find(|(seeded, _)| *seeded == field.name);
            assert_eq!(placeholder.is_some(), field.required, "{name}");
            if let Some((_, text)) = placeholder {
                assert!(text.contains(field.pattern.expected), "{name}: {text}");
                assert_eq!(kinds(&text).first(), Some(&ProblemKind::Placeholder), "{name}");
            }
            let without: Value = value(documented.example)
                .iter()
                .filter(|(other, _)| *other != field.name)
                .map(|(other, text)| (other.to_owned(), Sensitive::new(text.expose().to_owned())))
                .collect();
            let missing = FieldProblem { field: field.name.to_owned(), kind: ProblemKind::Missing };
            let wanted = if field.required { Err(vec![missing]) } else { Ok(()) };
            assert_eq!(format.check(&without), wanted, "{name}");
        }
        let surplus = FieldProblem { field: "extra".to_owned(), kind: ProblemKind::Surplus };
        assert_eq!(format.check(&with("extra", CANARY)), Err(vec![surplus]), "{}", documented.name);
    }
}

#[test]
fn all_problems_are_told_at_once_in_sentences() {
    let problems = of_aws("SalesforceClientSecret")
        .format
        .check(&value(&[
            ("consumerKey", ""),
            ("baseUri", "http://acme.my.salesforce.com"),
            ("appId", "H5"),
            ("pin", "1"),
        ]))
        .unwrap_err();
    let sentences: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        sentences,
        [
            "field consumerKey is empty: give it a text",
            "field consumerSecret is missing: add it",
            "field baseUri must be https://DOMAIN.my.salesforce.com without port, path or trailing slash",
            "field appId must be 0x and the letters and digits of the id",
            "field consumerId is missing: add it",
            "field pin is not a field of this type: remove it",
        ]
    );
}

#[test]
fn a_name_that_may_be_a_value_is_not_shown() {
    for name in [CANARY.repeat(9), format!("{CANARY} x"), format!("{CANARY}\n"), String::new()] {
        let problems =
            of_aws("PaddleApiKey").format.check(&value(&[(&name, "x"), ("api_key", "pdl_live_apikey_x")])).unwrap_err();
        assert!(!problems.iter().any(|problem| problem.to_string().contains(CANARY)), "{problems:?}");
    }
}

#[test]
fn a_value_larger_than_secrets_manager_takes_is_refused_as_it_would_be_written() {
    const FORMAT: Format = Format::new(&[Field::required("f", Pattern::PEM, "text").at_most(usize::MAX)]);
    let check = |text: &str| FORMAT.check(&value(&[("f", text)]));
    let fits = format::LONGEST_VALUE - r#"{"f":""}"#.len();
    assert_eq!(check(&"a".repeat(fits)), Ok(()));
    let whole = FieldProblem { field: String::new(), kind: ProblemKind::ValueTooLarge };
    assert_eq!(check(&"a".repeat(fits + 1)), Err(vec![whole.clone()]));
    const TWO: Format = Format::new(&[
        Field::required("f", Pattern::PEM, "text").at_most(usize::MAX),
        Field::required("g", Pattern::LINE, "text"),
    ]);
    let two = |text: &str| TWO.check(&value(&[("f", text), ("g", "\"")]));
    let fits_two = format::LONGEST_VALUE - r#"{"f":"","g":"\""}"#.len();
    assert_eq!(two(&"a".repeat(fits_two)), Ok(()));
    assert_eq!(two(&"a".repeat(fits_two + 1)), Err(vec![whole.clone()]));
    // a line break takes two bytes
    assert_eq!(check(&format!("{}\n", "a".repeat(fits - 2))), Ok(()));
    assert_eq!(check(&format!("{}\n", "a".repeat(fits - 1))), Err(vec![whole]));
}

#[test]
fn a_token_of_gitlab_cannot_be_of_a_project_and_of_a_group() {
    let gitlab = of_aws("GitLabAccessToken");
    let base = [("token", "glpat-x"), ("tokenId", "42"), ("gitlabUrl", "https://gitlab.com/")];
    let with = |more: &[(&'static str, &'static str)]| value(&[&base[..], more].concat());
    let identity = |value: &Value| gitlab.identities(&Parameters::new(), Some(value)).unwrap().pop_first().unwrap();
    assert_eq!(gitlab.format.check(&with(&[])), Ok(()));
    assert_eq!(identity(&with(&[])), "personal/42");
    assert_eq!(identity(&with(&[("groupId", "payments")])), "group/payments");
    let problems = gitlab.format.check(&with(&[("projectId", "1"), ("groupId", "2")])).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "field groupId is one too many: give at most one of projectId, groupId");
}

#[test]
fn an_identity_cannot_be_forged_missing_or_reserved() {
    const ROLES: PartnerType = PartnerType {
        name: "Roles",
        partner: "A database",
        format: Format::new(&[
            Field::required("username", Pattern::LINE, "user").public(),
            Field::required("password", Pattern::LINE, "password"),
        ]),
        parameters: &[
            Parameter::required("username", Pattern::LINE, "user"),
            Parameter::optional("alternateUsername", Pattern::LINE, "user"),
        ],
        identities: &[&["{username}"], &["{alternateUsername}", "{username}"]],
        reserved: &["postgres", "pg_*"],
        scheme: "postgresql",
        host: Host::Vendor,
        vendor_hosts: &[],
        operator: None,
        secrets_manager: None,
    };
    let of = |pairs: &[(&str, &str)]| ROLES.identities(&parameters(pairs), None);
    assert!(ROLES.needs_account());
    assert_eq!(
        of(&[("username", "a_1"), ("alternateUsername", "a_2")]),
        Ok(BTreeSet::from(["a_1".into(), "a_2".into()]))
    );
    assert_eq!(of(&[("username", "a_1")]), Ok(BTreeSet::from(["a_1".into()])));
    assert_eq!(of(&[]), Err(IdentityProblem::Unknown { needed: "{username}".into() }));
    for role in ["postgres", "pg_monitor", "pg_"] {
        let both = of(&[("username", "a_1"), ("alternateUsername", role)]);
        assert_eq!(both, Err(IdentityProblem::Reserved { identity: role.into() }));
    }
    for role in ["a/b", "*", "a_*", "a\u{0}", ""] {
        assert_eq!(of(&[("username", role)]), Err(IdentityProblem::Forged { name: "username".into() }), "{role}");
    }
    // the value's field counts where no parameter says it, and a secret field never does
    let stored = value(&[("username", "a_3"), ("password", CANARY)]);
    assert_eq!(ROLES.identities(&Parameters::new(), Some(&stored)), Ok(BTreeSet::from(["a_3".into()])));
    assert_eq!(
        ROLES.identities(&parameters(&[("username", "a_1")]), Some(&stored)),
        Ok(BTreeSet::from(["a_1".into()]))
    );
    const LEAKY: PartnerType = PartnerType { identities: &[&["{password}"]], ..ROLES };
    assert!(matches!(LEAKY.identities(&Parameters::new(), Some(&stored)), Err(IdentityProblem::Unknown { .. })));
}

#[test]
fn parameters_are_those_of_the_table_and_nothing_else() {
    let sentences = |name: &str, pairs: &[(&str, &str)]| -> Vec<String> {
        match of_aws(name).check_parameters(&parameters(pairs)) {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    };
    let salesforce = "SalesforceClientSecret";
    assert_eq!(sentences(salesforce, &[("apiVersion", "v65.0")]), [""; 0]);
    assert_eq!(
        sentences(salesforce, &[("adminSecretArn", "arn:aws:x"), ("scope", "full"), ("apiVersion", "v64.0")]),
        [
            "spec.partner.parameters.adminSecretArn is not for a team to set: name a PartnerAccount with an admin in spec.partner.accountRef",
            "spec.partner.parameters.apiVersion must be a version of at least v65.0, as v65.0",
            "spec.partner.parameters.scope is unknown: this type has apiVersion; remove it or mend its spelling",
        ]
    );
    assert_eq!(
        sentences(salesforce, &[]),
        ["spec.partner.parameters.apiVersion is missing: it must be a version of at least v65.0, as v65.0"]
    );
    assert_eq!(
        sentences("BigIDClientSecret", &[("base_url", "https://x")]),
        ["spec.partner.parameters.base_url is unknown: this type has no parameters; remove it"]
    );
    // the admin secret is refused for each type, whatever it says
    for known in aws_types::all() {
        let problems = known.check_parameters(&parameters(&[(ADMIN_SECRET_ARN, "arn")])).unwrap_err();
        assert!(problems.iter().any(|problem| problem.kind == ParameterProblemKind::AdminSecret), "{}", known.name);
    }
    let cases = [
        ("GitLabAccessToken", "daysToExpiry", &["1", "365"][..], &["0", "366", "30d", "-1", "030", ""][..]),
        ("PaddleApiKey", "gracePeriodSeconds", &["0", "86400"], &["86401", "1.5"]),
        ("SnowflakePat", "expireOldTokenAfterHours", &["0", "720"], &["721"]),
        ("SnowflakePat", "daysToExpiry", &["15"], &["366"]),
        ("SnowflakeKeyPairAuthentication", "cryptographicAlgorithm", &["RS256", "RS512"], &["rs256", "none"]),
        ("SnowflakeKeyPairAuthentication", "encryptPrivateKey", &["true", "False"], &["yes"]),
        ("DatabricksSPSecret", "secretLifetimeDays", &["730"], &["731"]),
        ("MongoDBAtlasServiceAccount", "apiVersion", &["2025-03-12"], &["2025-02-30", "v1", "20250312"]),
        (salesforce, "apiVersion", &["v65.0", "v100.1"], &["65.0", "v65", "v9.0", "v65.0 ", "v065.0"]),
    ];
    for (name, key, good, bad) in cases {
        good.iter().for_each(|text| assert_eq!(sentences(name, &[(key, text)]), [""; 0], "{name} {key} {text}"));
        bad.iter().for_each(|text| assert_eq!(sentences(name, &[(key, text)]).len(), 1, "{name} {key} {text}"));
    }
}

#[test]
fn the_metadata_for_aws_is_what_was_given_and_the_accounts_admin_secret() {
    let gitlab = of_aws("GitLabAccessToken");
    let given = parameters(&[("daysToExpiry", "60"), ("other", "x")]);
    assert_eq!(gitlab.metadata(&given, None), parameters(&[("daysToExpiry", "60")]));
    let with_admin = parameters(&[("adminSecretArn", "arn:1"), ("daysToExpiry", "60")]);
    assert_eq!(gitlab.metadata(&given, Some("arn:1")), with_admin);
    assert_eq!(
        gitlab.metadata(&parameters(&[("adminSecretArn", "arn:theirs")]), Some("arn:1")),
        parameters(&[("adminSecretArn", "arn:1")])
    );
}

#[test]
fn an_interval_fits_what_the_type_allows() {
    let problem = |name: &str, pairs: &[(&str, &str)], days: i64| {
        of_aws(name).interval_problem(&parameters(pairs), SignedDuration::from_hours(days * 24)).map(|p| p.to_string())
    };
    assert_eq!(problem("CiscoSecurityPlatformApiKey", &[], 50), None);
    assert_eq!(
        problem("CiscoSecurityPlatformApiKey", &[], 51).as_deref(),
        Some(
            "rotation.schedule rotates less often than every 50 days, the longest that CiscoSecurityPlatformApiKey allows; rotate more often"
        )
    );
    assert!(problem("NetskopeApiToken", &[], 350).is_none() && problem("NetskopeApiToken", &[], 351).is_some());
    assert!(problem("SnowflakePat", &[], 14).is_none() && problem("SnowflakePat", &[], 15).is_some());
    assert_eq!(
        problem("SnowflakePat", &[("daysToExpiry", "30")], 30).as_deref(),
        Some(
            "rotation.schedule must rotate more often than the 30 days of partner.parameters.daysToExpiry; shorten the interval or raise daysToExpiry"
        )
    );
    assert!(problem("SnowflakePat", &[("daysToExpiry", "31")], 30).is_none());
    assert!(problem("DatabricksPAT", &[], 90).is_some() && problem("DatabricksPAT", &[], 89).is_none());
    assert!(problem("DatabricksSPSecret", &[], 730).is_some());
    assert!(problem("SalesforceClientSecret", &[("apiVersion", "v65.0")], 999).is_none());
}

#[test]
fn sonarqube_needs_an_admin_only_for_analysis_tokens() {
    let admin = of_aws("SonarQubeToken").secrets_manager.unwrap().admin;
    assert!(!admin.is_required(None) && !admin.is_required(Some(&value(&[]))));
    assert!(!admin.is_required(Some(&value(&[("tokenType", "USER_TOKEN")]))));
    assert!(admin.is_required(Some(&value(&[("tokenType", "PROJECT_ANALYSIS_TOKEN")]))));
    assert!(of_aws("DatadogApiKey").secrets_manager.unwrap().admin.is_required(None));
}

#[test]
fn only_the_vendors_own_hosts_take_a_credential_without_account() {
    let salesforce = of_aws("SalesforceClientSecret");
    for host in ["acme.my.salesforce.com", "ACME.My.Salesforce.com", "acme--uat.sandbox.my.salesforce.com"] {
        assert!(salesforce.is_vendor_host(host), "{host}");
    }
    for host in [
        "my.salesforce.com",
        ".my.salesforce.com",
        "evilmy.salesforce.com",
        "acme.my.salesforce.com.evil.com",
        "acme.my.salesforce.com.",
        "",
        "127.0.0.1",
    ] {
        assert!(!salesforce.is_vendor_host(host), "{host}");
    }
    assert!(of_aws("GitLabAccessToken").is_vendor_host("gitlab.com"));
    assert!(!of_aws("GitLabAccessToken").is_vendor_host("x.gitlab.com"));
    assert!(of_aws("JenkinsApiToken").needs_account() && of_aws("SonarQubeToken").needs_account());
}

#[test]
fn an_overlap_is_a_day_or_half_the_interval_or_what_the_partner_keeps() {
    let hours = SignedDuration::from_hours;
    let free = Contract::DEFAULT;
    let kept = Contract { overlap_limit: Some(hours(10)), ..free };
    let grace = Contract { overlap: Overlap::Grace(SignedDuration::from_secs(300)), ..free };
    let none = Contract { overlap: Overlap::None, ..free };
    let cases = [
        (free, None, None, Ok(hours(24))),
        (free, None, Some(hours(720)), Ok(hours(24))),
        (free, None, Some(hours(4)), Ok(hours(2))),
        (free, Some(hours(48)), Some(hours(720)), Ok(hours(48))),
        (free, Some(hours(48)), None, Ok(hours(48))),
        (
            free,
            Some(hours(24)),
            Some(hours(24)),
            Err(OverlapProblem::BeyondInterval { stated: hours(24), interval: hours(24) }),
        ),
        (kept, None, None, Ok(hours(10))),
        (kept, Some(hours(11)), None, Err(OverlapProblem::BeyondPartner { stated: hours(11), limit: hours(10) })),
        (grace, None, None, Ok(SignedDuration::from_secs(300))),
        (none, None, Some(hours(720)), Ok(SignedDuration::ZERO)),
        (
            none,
            Some(hours(1)),
            None,
            Err(OverlapProblem::BeyondPartner { stated: hours(1), limit: SignedDuration::ZERO }),
        ),
    ];
    for (contract, stated, interval, wanted) in cases {
        assert_eq!(contract.overlap(stated, interval), wanted, "{stated:?} {interval:?}");
    }
    assert!(none.in_place() && grace.in_place() && !free.in_place());
    assert!(!Contract { activation: Activation::AtFirstUse, ..free }.verification_is_pure());
    let sentence = kept.overlap(Some(hours(11)), None).unwrap_err().to_string();
    assert!(sentence.contains("11h") && sentence.contains("10h"), "{sentence}");
}

#[test]
fn a_driver_adds_its_contract_to_a_row_at_compile_time() {
    static CONTRACT: Contract = Contract { live_limit: Some(2), ..Contract::DEFAULT };
    static TYPE: PartnerType = match aws_types::find("SalesforceClientSecret") {
        Some(row) => {
            row.operated(Operated { contract: |_, admin| admin.then_some(&CONTRACT), admin: Some(&row.format) })
        }
        None => panic!("AWS has no such type"),
    };
    assert_eq!(TYPE.engines(), BTreeSet::from([Engine::Operator, Engine::SecretsManager]));
    assert_eq!(TYPE.contract(&Parameters::new(), true), Some(&CONTRACT));
    assert_eq!(TYPE.contract(&Parameters::new(), false), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_check_panic_and_none_with_control_characters_passes(text in "\\PC{0,12}|.{0,12}", index in 0..18_usize) {
        let known = &aws_types::all()[index];
        for field in known.format.fields {
            let taken = field.pattern.accepts(&text);
            let pem = field.name.ends_with("Key") && text.chars().all(|c| !c.is_control() || c == '\n' || c == '\r');
            prop_assert!(!taken || pem || !text.chars().any(char::is_control), "{} {:?}", field.name, text);
            let _ = known.format.check(&value(&[(field.name, &text), (&text, &text)]));
        }
        let _ = known.check_parameters(&parameters(&[(&text, &text)]));
        let _ = known.is_vendor_host(&text);
        let _ = known.host.of(&value(&known.format.fields.iter().map(|field| (field.name, text.as_str())).collect::<Vec<_>>()));
    }

    /// What is said of a value depends on which texts are wrong, never on what they are.
    #[test]
    fn no_problem_tells_a_text(suffix in "[a-z0-9]{8,20}", index in 0..18_usize) {
        let known = &aws_types::all()[index];
        let canary = format!("c4n\u{7f}{suffix}");
        let all = known.format.fields.iter().map(|field| (field.name, canary.as_str())).collect::<Vec<_>>();
        let problems = known.format.check(&value(&all)).expect_err("a control character passes nowhere");
        prop_assert_eq!(problems.len(), known.format.fields.len() + usize::from(known.format.exclusive.len() > 1));
        for problem in problems {
            let (sentence, debug) = (problem.to_string(), format!("{problem:?}"));
            prop_assert!(!sentence.contains(&suffix) && !debug.contains(&suffix));
        }
    }
}

#[test]
fn a_contract_is_refused_where_a_lost_answer_would_leave_a_credential_for_ever_and_where_it_contradicts_itself() {
    use Activation::{AfterPromotion, AtFirstUse};
    let caller = Contract { chooser: Chooser::Caller, recognised: Recognised::ByValue, ..Contract::DEFAULT };
    let never = Contract { recognised: Recognised::Never, ..Contract::DEFAULT };
    let in_place = Contract { overlap: Overlap::None, ..Contract::DEFAULT };
    for (contract, problem) in [
        (Contract::DEFAULT, None),
        (never, Some(Unsafe::Unfindable)),
        (Contract { lifetime: Some(SignedDuration::from_hours(24)), ..never }, None),
        (Contract { readable_again: true, ..never }, None),
        (Contract { recognised: Recognised::Never, ..caller }, Some(Unsafe::Unfindable)),
        (Contract { recognised: Recognised::Never, overlap: Overlap::None, ..caller }, None),
        (Contract { overlap: Overlap::TwoSlots, ..caller }, None),
        (
            Contract { overlap: Overlap::TwoSlots, recognised: Recognised::ByDifference, ..caller },
            Some(Unsafe::BlindSlots),
        ),
        (Contract { live_limit: Some(1), ..Contract::DEFAULT }, Some(Unsafe::NoRoom)),
        (Contract { live_limit: Some(1), ..in_place }, None),
        (Contract { activation: AfterPromotion, ..in_place }, Some(Unsafe::ActivatedTooLate)),
        (Contract { activation: AtFirstUse, ..caller }, Some(Unsafe::UsedByTrying)),
        (Contract { activation: AtFirstUse, ..in_place }, None),
        (Contract { successes: 0, ..Contract::DEFAULT }, Some(Unsafe::NothingProves)),
    ] {
        assert_eq!(contract.problem(), problem, "{contract:?}");
        // What is said of it ends the sentence of its reason.
        if let Some(problem) = problem {
            assert!(!problem.to_string().is_empty() && !problem.to_string().ends_with('.'));
        }
    }
    assert_eq!(in_place.no_return(), NoReturn::Create);
    assert_eq!(Contract { overlap: Overlap::None, ..caller }.no_return(), NoReturn::Register);
    assert_eq!(Contract { activation: AtFirstUse, ..in_place }.no_return(), NoReturn::Promote);
    assert_eq!(Contract::DEFAULT.no_return(), NoReturn::Promote);
}
