//! What people write: seeds, parameters, schedules, endpoints, patterns, names.

use jiff::{SignedDuration, Timestamp};
use managed_external_secrets::partners::registry;
use mes_core::names::{
    Arn, CredentialId, Identity, KmsKey, Namespace, ObjectName, PartnerTypeName, Region, Revision, RoleArn, SecretName,
    Slot, Stage, Tag, TargetName, Uid, VersionId,
};
use mes_core::partner::{Parameters, ProblemKind};
use mes_core::schedule::Schedule;
use mes_core::scope::forms;
use mes_core::secret::{Sensitive, Value};
use mes_core::shown::Code;
use mes_core::status::printable;

use crate::{fuzz, shown};

#[test]
fn seeds() {
    let words = &[
        "password",
        "\"",
        "\\",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "https://",
        ".my.salesforce.com",
        "0x",
        "acme",
        "@",
        ":",
        "/",
        "AKIA",
        "v65.0",
        "****",
        "=",
        "true",
        "Bearer ",
        "{\"type\":\"service_account\"}",
    ];
    let corpus = &[
        "",
        " ",
        "hunter2",
        "https://acme.my.salesforce.com",
        "https://acme.my.salesforce.com@evil.example",
        "0xH5k000000001",
        "xy12345.eu-central-1",
        "db.example.com",
        "5432",
        "a\nb",
        "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n",
        "evil.com/#",
        "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11",
        "2026-02-30",
    ];
    let types = registry().types();
    fuzz("seeds", words, corpus, |text| {
        for kind in &types {
            let mut fields: Vec<(&str, &str)> = kind.format.fields.iter().map(|field| (field.name, text)).collect();
            fields.push((text, text));
            let value: Value =
                fields.iter().map(|(name, text)| ((*name).to_owned(), Sensitive::new((*text).to_owned()))).collect();
            for problem in kind.format.check(&value).err().unwrap_or_default() {
                let told = problem.to_string();
                shown(&told);
                // A name is shown if it looks like one; a text never is.
                let of_value = match problem.kind {
                    ProblemKind::Malformed { expected } => told.replace(expected, ""),
                    _ => told,
                };
                assert!(text.len() < 12 || problem.field == text || !of_value.contains(text), "{of_value}");
            }
            for field in kind.format.fields.iter().filter(|field| field.pattern.accepts(text)) {
                let lines = text.split(['\n', '\r']).collect::<String>();
                assert!(!lines.chars().any(char::is_control), "{} of {} took {text:?}", field.name, kind.name);
            }
            let Some(host) = kind.host.of(&value) else { continue };
            if kind
                .host
                .field()
                .and_then(|name| kind.format.field(name))
                .is_some_and(|field| field.pattern.accepts(text))
            {
                assert!(
                    !host.contains(['/', '@', '?', '#', '\\', ' ', '%']) && host.is_ascii(),
                    "{}: {host:?}",
                    kind.name
                );
            }
            let _ = kind.identities(&Parameters::new(), Some(&value));
        }
    });
}

#[test]
fn parameters() {
    let words = &[
        "username",
        "apiVersion",
        "v65.0",
        "v",
        ".",
        "adminSecretArn",
        "{",
        "}",
        "{namespace}",
        "/",
        "postgres",
        "pg_",
    ];
    let corpus = &[
        ".",
        "..",
        "..app_a",
        "app_a",
        "postgres",
        "v65.0",
        "v064.0",
        "2025-03-12",
        "x\"; ALTER ROLE postgres",
        "../x",
        "true",
        "90",
        "",
    ];
    let types = registry().types();
    fuzz("parameters", words, corpus, |text| {
        for kind in &types {
            let mut parameters: Parameters =
                kind.parameters.iter().map(|known| (known.name.to_owned(), text.to_owned())).collect();
            if let Err(problems) = kind.check_parameters(&parameters) {
                problems.iter().for_each(|problem| shown(&printable(&format!("{problem:?}"))));
            } else {
                let plain = !text.chars().any(char::is_control);
                assert!(plain || kind.parameters.is_empty(), "{}: {text:?}", kind.name);
            }
            if let Ok(identities) = kind.identities(&parameters, None) {
                // No parameter leads out of its place.
                let mut parts = identities.iter().flat_map(|identity| identity.split('/'));
                assert!(parts.all(|part| !matches!(part, "" | "." | "..")), "{identities:?}");
            }
            parameters.insert(text.to_owned(), text.to_owned());
            let known = kind.parameters.iter().any(|known| known.name == text);
            assert!(known || kind.check_parameters(&parameters).is_err(), "{}: {text:?} is no parameter", kind.name);
        }
    });
}

#[test]
fn schedules() {
    let words = &[
        "rate(",
        "cron(",
        ")",
        " ",
        "days",
        "day",
        "hours",
        "hour",
        "*",
        "?",
        "/",
        ",",
        "-",
        "#",
        "L",
        "W",
        "MON",
        "JAN",
        "1",
        "0",
        "31",
        "29",
        "2",
        "10",
        "4",
        "12",
        "h",
        "m",
        "s",
        "99999999999",
    ];
    let corpus = &[
        "rate(10 days)",
        "rate(4 hours)",
        "cron(0 8 * * ? *)",
        "cron(0 /4 1 * ? *)",
        "cron(0 0 L * ? *)",
        "cron(0 0 15W * ? *)",
        "cron(0 0 29 2 ? *)",
        "cron(0 0 ? * MON#5 *)",
        "cron(0 0 ? * 1-7 *)",
        "rate(0 days)",
        "rate(999 days)",
        "1h30m",
        "3h",
        "",
        "cron(0 0 31 2 ? *)",
        "cron(0 0 ? 2 TUE#5 2028)",
    ];
    let zones = [None, Some("Europe/Berlin"), Some("Pacific/Apia"), Some("America/New_York"), Some("Antarctica/Troll")];
    fuzz("schedules", words, corpus, |text| {
        for (number, zone) in zones.iter().enumerate() {
            let window = [None, Some("3h"), Some(text)][number % 3];
            match Schedule::parse(text, window, *zone) {
                Err(problem) => shown(&problem.to_string()),
                Ok(schedule) => {
                    let mut last =
                        Timestamp::from_second(1_790_000_000 + 8_640_000 * i64::try_from(number).unwrap()).unwrap();
                    for _ in 0..3 {
                        let Some(next) = schedule.next(last) else { break };
                        assert!(next.opens > last && next.closes > next.opens, "{text} after {last}: {next:?}");
                        last = next.opens;
                    }
                }
            }
        }
        let _ = Schedule::parse("rate(10 days)", None, Some(text));
        match mes_core::duration::parse(text) {
            Ok(duration) => assert!(duration >= SignedDuration::ZERO),
            Err(problem) => shown(&problem.to_string()),
        }
    });
}

#[test]
fn endpoints() {
    let words = &[
        "https://",
        "postgresql://",
        "http://",
        "acme.example.com",
        "evil.example",
        "@",
        ":",
        "443",
        "5432",
        "/",
        "//",
        "..",
        "%2e",
        "#",
        "?",
        "\\",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "0x7f",
        "localhost",
        ".",
        "-",
        "_",
        "user",
    ];
    let corpus = &[
        "https://acme.example.com",
        "https://acme.example.com:8443/api/v1/",
        "postgresql://db.example.com:5432/postgres",
        "https://[fd00::5]:8200",
        "https://10.20.0.5",
        "https://user@acme.example.com",
        "https://acme.example.com\\@evil.example",
        "https://acme.example.com/../x",
        "https://2130706433",
        "https://acme.example.com:0443",
    ];
    fuzz("endpoints", words, corpus, |text| {
        for scheme in ["https", "postgresql"] {
            let Some((host, port, path)) = forms::endpoint(scheme, text) else { continue };
            assert!(port > 0 && text.is_ascii(), "{text:?}");
            assert!(
                !host.contains(['/', '@', '?', '#', '\\', ' ', '%', '[', ']']) && host == host.to_lowercase(),
                "{host:?}"
            );
            assert!(
                !path.contains(['?', '#', '\\', '%', ' ']) && path.split('/').all(|part| part != ".." && part != "."),
                "{path:?}"
            );
            // One spelling: written again it is the same place, and every other reader sees that host.
            let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            let again = format!("{scheme}://{bracketed}:{port}/{}", path.trim_start_matches('/'));
            assert_eq!(forms::endpoint(scheme, &again), Some((host, port, path)), "{text:?} {again:?}");
            let url = url::Url::parse(text).unwrap();
            assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{text:?}");
            assert_eq!(url.host_str().map(str::to_lowercase), Some(bracketed), "{text:?}");
        }
    });
}

#[test]
fn patterns() {
    let words = &["{namespace}", "*", "/", "_", ".", ":", "-", "pay", "ments", "x", "{", "}", "legacy/", "team"];
    let corpus = &[
        "{namespace}_*",
        "legacy/{namespace}/*",
        "team:{namespace}",
        "*",
        "{namespace}-*",
        "exact",
        "{namespace}{namespace}",
        "*/*",
    ];
    let namespaces = ["pay", "pay-ments", "payments", "x", "p", "team"].map(|name| Namespace::parse(name).unwrap());
    fuzz("patterns", words, corpus, |text| {
        let (pattern, rest) = text.split_once(' ').unwrap_or((text, "x"));
        for one in &namespaces {
            for name in [
                pattern.replace("{namespace}", one.as_str()).replace('*', rest),
                format!("{one}_{rest}"),
                format!("legacy/{one}/{rest}"),
                rest.to_owned(),
            ] {
                if !forms::covers(pattern, one, &name) {
                    continue;
                }
                let stars = pattern.matches('*').count();
                assert!(stars <= 1 && (stars == 0 || pattern.ends_with('*')), "{pattern:?}");
                // A star covers no further level.
                assert_eq!(name.matches('/').count(), pattern.matches('/').count(), "{pattern:?} covers {name:?}");
                for other in namespaces.iter().filter(|other| *other != one && pattern.contains("{namespace}")) {
                    assert!(!forms::covers(pattern, other, &name), "{pattern:?} covers {name:?} for {one} and {other}");
                }
            }
        }
    });
}

/// T51: a name that we take has nothing that a terminal, a page, a log or a table acts upon, and no other text is shown.
#[test]
fn t51_names() {
    let words = &[
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
        "a",
        "-",
        ".",
        "\u{1b}[31m",
        "<script>",
        "=cmd|",
        "\",\"level\":\"",
        "\r\n",
    ];
    let corpus = &[
        "payments",
        "eu-west-1",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf",
        "acme.example.com/app_a",
        "AWSCURRENT",
        "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1",
        "alias/mes",
        "=HYPERLINK(\"x\")",
        "a\nERROR forged",
        "\u{1b}]0;x\u{7}",
    ];
    fuzz("names", words, corpus, |text| {
        macro_rules! parsed {
            ($($name:ident)*) => {$(
                match $name::parse(text) {
                    Ok(name) => { shown(&format!("{name} {name:?}")); assert_eq!(name.as_str(), text); }
                    Err(problem) => shown(&problem.to_string()),
                }
            )*};
        }
        parsed!(Arn CredentialId Identity KmsKey Namespace ObjectName PartnerTypeName Region Revision RoleArn SecretName Slot Stage Tag TargetName Uid VersionId);
        let code = Code::parse(text).to_string();
        assert!(code.len() <= 64 && (code == text || code == "Unrecognised"), "{code:?}");
        let told = printable(text);
        shown(&told);
        assert!(told.len() <= 1024);
    });
}
