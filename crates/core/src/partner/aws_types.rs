//! AWS's types of managed external secrets: one table, the only home of their formats.
//!
//! Invariant: a type is a row; nothing else in the program names it, save the driver that also rotates it by itself.
//! Sources: AWS user guide, `mes-partners` and the partners' own pages. Only what AWS documents is checked: a pattern of
//! our own would refuse what AWS takes. Read through [`super::PartnerType`].

use super::{AdminSecret, Delegated, Field, Format, Host, IntervalLimit, Parameter, PartnerType, Pattern, Shape};

/// Every type, by name.
pub const fn all() -> &'static [PartnerType] {
    ALL
}

/// The type of this name, exactly. `const`, so that a driver names its type once and a misspelt one does not compile:
/// `match find("SalesforceClientSecret") { Some(row) => row.operated(…), None => panic!() }` in a `static`.
pub const fn find(name: &str) -> Option<&'static PartnerType> {
    let mut remaining = ALL;
    while let [first, rest @ ..] = remaining {
        if same(first.name.as_bytes(), name.as_bytes()) {
            return Some(first);
        }
        remaining = rest;
    }
    None
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([l, left @ ..], [r, right @ ..]) => *l == *r && same(left, right),
        _ => false,
    }
}

const HEX24: Pattern = Pattern::new(Shape::Hex { shortest: 24, longest: 24 }, "24 hexadecimal digits");
const HEX32: Pattern = Pattern::new(Shape::Hex { shortest: 32, longest: 32 }, "32 hexadecimal digits");
const HTTPS_ORIGIN: Pattern = Pattern::new(
    Shape::HttpsOrigin { suffix: "" },
    "https:// and a host name, without port, path, query, fragment or trailing slash",
);
/// Part of a host name: an account with its region, as `xy12345.eu-central-1` or `org-account`.
const ACCOUNT: Pattern =
    Pattern::new(Shape::Word { others: "-_." }, "a Snowflake account identifier: letters, digits, '-', '_' and '.'");
const DAYS: Pattern = Pattern::new(Shape::Integer { least: 1, most: 99_999 }, "a whole number of days");
const DAYS_OF_A_YEAR: Pattern = Pattern::new(Shape::Integer { least: 1, most: 365 }, "a number of days from 1 to 365");
const ATLAS_VERSION: Pattern = Pattern::new(Shape::Date, "a date, as 2025-03-12");
const ATLAS_PARAMETERS: &[Parameter] =
    &[Parameter::optional("apiVersion", ATLAS_VERSION, "version of the Atlas Admin API").default("2025-03-12")];
const DATADOG_HOSTS: &[&str] = &["*.datadoghq.com", "*.datadoghq.eu", "*.ddog-gov.com"];
const SNOWFLAKE_HOSTS: &[&str] = &["*.snowflakecomputing.com"];
const SNOWFLAKE: Host = Host::Within { prefix: "", field: "account", suffix: ".snowflakecomputing.com" };

/// What most rows share: no parameters, no admin secret, no limit.
const ROW: PartnerType = PartnerType {
    name: "",
    partner: "",
    format: Format::new(&[]),
    parameters: &[],
    identities: &[],
    reserved: &[],
    scheme: "https",
    host: Host::Vendor,
    vendor_hosts: &[],
    operator: None,
    secrets_manager: Some(Delegated {
        admin: AdminSecret::None,
        interval: IntervalLimit::None,
        overlap: "not documented",
    }),
};

const fn by_aws(admin: AdminSecret, interval: IntervalLimit, overlap: &'static str) -> Option<Delegated> {
    Some(Delegated { admin, interval, overlap })
}

const ALL: &[PartnerType] = &[
    PartnerType {
        name: "BigIDClientSecret",
        partner: "BigID",
        format: Format::new(&[
            Field::required("hostname", Pattern::HOST, "host name of the BigID instance").public(),
            Field::required("refreshToken", Pattern::TOKEN, "user refresh token").rotated(),
        ]),
        host: Host::Name("hostname"),
        vendor_hosts: &["*.bigid.cloud"],
        ..ROW
    },
    PartnerType {
        name: "CiscoSecurityPlatformApiKey",
        partner: "Cisco",
        format: Format::new(&[
            Field::required("refreshToken", Pattern::TOKEN, "OAuth refresh token, lives 60 days").rotated(),
            Field::required("organizationId", Pattern::WORD, "id of the organisation").public(),
            Field::required("apiKeyId", Pattern::WORD, "id of the API key").public(),
            Field::required("apiBaseUrl", Pattern::HTTPS_URL, "address of the API").public(),
            Field::optional("expiresDate", Pattern::LINE, "written by the rotation: when the token ends").public(),
        ]),
        identities: &[&["{organizationId}/{apiKeyId}"]],
        host: Host::Url("apiBaseUrl"),
        vendor_hosts: &["*.cisco.com"],
        secrets_manager: by_aws(
            AdminSecret::None,
            IntervalLimit::AtMostDays(50),
            "perhaps: the previous token might stop working; a new one is issued only after day 45 of its 60",
        ),
        ..ROW
    },
    PartnerType {
        name: "ConfluentCloudApiKey",
        partner: "Confluent Cloud",
        format: Format::new(&[
            Field::required("apiKey", Pattern::TOKEN, "API key").rotated(),
            Field::required("apiSecret", Pattern::TOKEN, "API secret").rotated(),
            Field::required("serviceAccountId", Pattern::WORD, "id of the service account").public(),
            Field::optional("resourceId", Pattern::WORD, "cluster, region or Tableflow; absent for cloud keys")
                .public(),
            Field::optional("environmentId", Pattern::WORD, "id of the environment").public(),
        ]),
        identities: &[&["{serviceAccountId}"]],
        vendor_hosts: &["api.confluent.cloud"],
        secrets_manager: by_aws(
            AdminSecret::Optional("ConfluentCloudApiKey"),
            IntervalLimit::None,
            "the new key is made first, the old one deleted at the end",
        ),
        ..ROW
    },
    PartnerType {
        name: "DatabricksPAT",
        partner: "Databricks",
        format: Format::new(&[
            Field::required("token", Pattern::TOKEN, "personal access token").rotated(),
            Field::required("tokenId", Pattern::WORD, "id of the token").rotated().public(),
            Field::required("workspaceUrl", HTTPS_ORIGIN, "address of the workspace").public(),
            Field::optional("comment", Pattern::LINE, "comment of the token").public().at_most(255),
        ]),
        parameters: &[Parameter::optional("tokenLifetimeDays", DAYS, "life of each new token").default("90")],
        identities: &[&["token/{tokenId}"]],
        host: Host::Url("workspaceUrl"),
        vendor_hosts: &["*.cloud.databricks.com", "*.gcp.databricks.com", "*.azuredatabricks.net"],
        secrets_manager: by_aws(
            AdminSecret::Optional("DatabricksPAT"),
            IntervalLimit::BelowParameter("tokenLifetimeDays"),
            "the new token is made first, the old one revoked afterwards",
        ),
        ..ROW
    },
    PartnerType {
        name: "DatabricksSPSecret",
        partner: "Databricks",
        format: Format::new(&[
            Field::required("accountId", Pattern::WORD, "id of the account").public(),
            Field::required("servicePrincipalId", Pattern::WORD, "id of the service principal").public(),
            Field::required("clientId", Pattern::WORD, "OAuth client id").public(),
            Field::required("clientSecret", Pattern::TOKEN, "OAuth client secret").rotated(),
            Field::required("oauthSecretId", Pattern::WORD, "id of the secret").rotated().public(),
        ]),
        parameters: &[Parameter::optional(
            "secretLifetimeDays",
            Pattern::new(Shape::Integer { least: 1, most: 730 }, "a number of days from 1 to 730"),
            "life of each new secret",
        )
        .default("730")],
        identities: &[&["{accountId}/{servicePrincipalId}"]],
        vendor_hosts: &["accounts.cloud.databricks.com", "accounts.gcp.databricks.com", "accounts.azuredatabricks.net"],
        secrets_manager: by_aws(
            AdminSecret::Optional("DatabricksSPSecret"),
            IntervalLimit::BelowParameter("secretLifetimeDays"),
            "none to rely on: the old secret is deleted before the new one is current",
        ),
        ..ROW
    },
    PartnerType {
        name: "DatadogAdminKey",
        partner: "Datadog",
        format: Format::new(&[
            Field::required("adminApiKey", Pattern::TOKEN, "API key").rotated(),
            Field::required("adminApiKeyId", Pattern::WORD, "id of the API key").rotated().public(),
            Field::required("adminAppKey", Pattern::TOKEN, "application key").rotated(),
            Field::required("adminAppKeyId", Pattern::WORD, "id of the application key").rotated().public(),
            Field::required("serviceAccountId", Pattern::WORD, "id of the service account").public(),
            Field::required("site", Pattern::HOST, "Datadog site, as datadoghq.eu").public(),
        ]),
        identities: &[&["{serviceAccountId}"]],
        host: Host::Within { prefix: "api.", field: "site", suffix: "" },
        vendor_hosts: DATADOG_HOSTS,
        secrets_manager: by_aws(
            AdminSecret::Optional("DatadogAdminKey"),
            IntervalLimit::None,
            "none to rely on: the old pair is deleted before the new one is current",
        ),
        ..ROW
    },
    PartnerType {
        name: "DatadogApiKey",
        partner: "Datadog",
        format: Format::new(&[
            Field::required("apiKey", HEX32, "API key").rotated(),
            Field::required("apiKeyId", Pattern::UUID, "id of the API key").rotated().public(),
        ]),
        identities: &[&["api-key/{apiKeyId}"]],
        vendor_hosts: DATADOG_HOSTS,
        secrets_manager: by_aws(
            AdminSecret::Required("DatadogAdminKey"),
            IntervalLimit::None,
            "two keys: the one that is two rotations old is deleted",
        ),
        ..ROW
    },
    PartnerType {
        name: "DatadogApplicationKey",
        partner: "Datadog",
        format: Format::new(&[
            Field::required(
                "appKey",
                Pattern::new(
                    Shape::Prefixed {
                        prefixes: &["ddapp_"],
                        rest: &Shape::Sized { others: "", shortest: 34, longest: 34 },
                    },
                    "ddapp_ and 34 letters and digits",
                ),
                "application key",
            )
            .rotated(),
            Field::required("appKeyId", Pattern::WORD, "id of the application key").rotated().public(),
            Field::required("serviceAccountId", Pattern::WORD, "id of the service account, the admin's own").public(),
        ]),
        identities: &[&["{serviceAccountId}"]],
        vendor_hosts: DATADOG_HOSTS,
        secrets_manager: by_aws(
            AdminSecret::Required("DatadogAdminKey"),
            IntervalLimit::None,
            "the old key is deleted once the new one is current",
        ),
        ..ROW
    },
    PartnerType {
        name: "GitLabAccessToken",
        partner: "GitLab",
        format: Format::new(&[
            Field::required(
                "token",
                Pattern::new(
                    Shape::Prefixed { prefixes: &["glpat-"], rest: &Shape::Token },
                    "glpat- and the rest of the token",
                ),
                "access token",
            )
            .rotated(),
            Field::required("tokenId", Pattern::WORD, "id of the token").rotated().public(),
            Field::required(
                "gitlabUrl",
                Pattern::new(Shape::HttpsUrlPerhapsSlash, "an https:// address without user, query or fragment"),
                "address of the GitLab instance",
            )
            .public(),
            Field::optional("projectId", Pattern::WORD, "id of the project, for a project's token").public(),
            Field::optional("groupId", Pattern::WORD, "id of the group, for a group's token").public(),
        ])
        .at_most_one_of(&["projectId", "groupId"]),
        parameters: &[Parameter::optional("daysToExpiry", DAYS_OF_A_YEAR, "life of each new token")],
        identities: &[&["project/{projectId}", "group/{groupId}", "personal/{tokenId}"]],
        host: Host::Url("gitlabUrl"),
        vendor_hosts: &["gitlab.com"],
        secrets_manager: by_aws(
            AdminSecret::Optional("GitLabAccessToken"),
            IntervalLimit::None,
            "none: GitLab makes the new token and revokes the old one in one step",
        ),
        ..ROW
    },
    PartnerType {
        name: "JenkinsApiToken",
        partner: "Jenkins",
        format: Format::new(&[
            Field::required(
                "apiToken",
                Pattern::new(Shape::Hex { shortest: 32, longest: 34 }, "32 to 34 hexadecimal digits"),
                "API token",
            )
            .rotated(),
            Field::required("tokenUuid", Pattern::UUID, "id of the token").rotated().public(),
            Field::required("username", Pattern::LINE, "user that the token belongs to").public(),
            Field::required("jenkinsUrl", Pattern::HTTPS_URL, "address of Jenkins").public(),
        ]),
        identities: &[&["{username}"]],
        host: Host::Url("jenkinsUrl"),
        secrets_manager: by_aws(
            AdminSecret::Optional("JenkinsApiToken"),
            IntervalLimit::None,
            "the old token is revoked once the new one is current",
        ),
        ..ROW
    },
    PartnerType {
        name: "MongoDBAtlasDatabaseUser",
        partner: "MongoDB Atlas",
        format: Format::new(&[
            Field::required("username", Pattern::LINE, "database user").public(),
            Field::required("password", Pattern::LINE, "password").rotated(),
            Field::required(
                "clusterUrl",
                Pattern::new(Shape::Host, "the cluster's host name alone, without mongodb+srv://"),
                "host of the cluster",
            )
            .public(),
            Field::required("databaseName", Pattern::LINE, "authentication database").public(),
            Field::required("groupId", HEX24, "id of the project").public(),
        ]),
        parameters: ATLAS_PARAMETERS,
        identities: &[&["{groupId}/{username}"]],
        vendor_hosts: &["cloud.mongodb.com"],
        secrets_manager: by_aws(
            AdminSecret::Required("MongoDBAtlasServiceAccount"),
            IntervalLimit::None,
            "none: the password is changed in place and takes 5 to 10 s to spread",
        ),
        ..ROW
    },
    PartnerType {
        name: "MongoDBAtlasServiceAccount",
        partner: "MongoDB Atlas",
        format: Format::new(&[
            Field::required(
                "clientId",
                Pattern::new(
                    Shape::Prefixed { prefixes: &["mdb_sa_id_"], rest: &Shape::Hex { shortest: 24, longest: 24 } },
                    "mdb_sa_id_ and 24 hexadecimal digits",
                ),
                "client id",
            )
            .public(),
            Field::required("clientSecret", Pattern::TOKEN, "client secret").rotated(),
            Field::required("orgId", HEX24, "id of the organisation").public(),
        ]),
        parameters: ATLAS_PARAMETERS,
        identities: &[&["{orgId}/{clientId}"]],
        vendor_hosts: &["cloud.mongodb.com"],
        secrets_manager: by_aws(
            AdminSecret::Optional("MongoDBAtlasServiceAccount"),
            IntervalLimit::None,
            "the new secret is made first, the old one deleted at the end",
        ),
        ..ROW
    },
    PartnerType {
        name: "NetskopeApiToken",
        partner: "Netskope",
        format: Format::new(&[
            Field::required("apiToken", Pattern::TOKEN, "API token, lives 365 days").rotated(),
            Field::required(
                "tenantUrl",
                Pattern::new(
                    Shape::HttpsOrigin { suffix: ".goskope.com" },
                    "https://TENANT.goskope.com without trailing slash",
                ),
                "address of the tenant",
            )
            .public(),
            Field::required("serviceAccountName", Pattern::LINE, "service account").public(),
            Field::optional("createdDate", Pattern::LINE, "written by the rotation: when the token was made").public(),
            Field::optional("expiresDate", Pattern::LINE, "written by the rotation: when the token ends").public(),
        ]),
        identities: &[&["{serviceAccountName}"]],
        host: Host::Url("tenantUrl"),
        vendor_hosts: &["*.goskope.com"],
        secrets_manager: by_aws(
            AdminSecret::None,
            IntervalLimit::AtMostDays(350),
            "none: for about 30 s the current version holds a dead token",
        ),
        ..ROW
    },
    PartnerType {
        name: "PaddleApiKey",
        partner: "Paddle",
        format: Format::new(&[Field::required(
            "api_key",
            Pattern::new(
                Shape::Prefixed {
                    prefixes: &["pdl_live_apikey_", "pdl_test_apikey_", "pdl_sdbx_apikey_"],
                    rest: &Shape::Token,
                },
                "pdl_live_apikey_, pdl_test_apikey_ or pdl_sdbx_apikey_ and the rest of the key",
            ),
            "API key, made with the option rotatable",
        )
        .rotated()]),
        parameters: &[Parameter::optional(
            "gracePeriodSeconds",
            Pattern::new(Shape::Integer { least: 0, most: 86_400 }, "a number of seconds from 0 to 86400"),
            "how long the old key lives after the first use of the new one",
        )
        .default("300")],
        vendor_hosts: &["api.paddle.com", "sandbox-api.paddle.com"],
        secrets_manager: by_aws(
            AdminSecret::None,
            IntervalLimit::None,
            "a grace period from the first use of the new key, gracePeriodSeconds long",
        ),
        ..ROW
    },
    PartnerType {
        name: "SalesforceClientSecret",
        partner: "Salesforce",
        format: Format::new(&[
            Field::required("consumerKey", Pattern::TOKEN, "consumer key of the External Client App").rotated(),
            Field::required("consumerSecret", Pattern::TOKEN, "consumer secret").rotated(),
            Field::required(
                "baseUri",
                Pattern::new(
                    Shape::HttpsOrigin { suffix: ".my.salesforce.com" },
                    "https://DOMAIN.my.salesforce.com without port, path or trailing slash",
                ),
                "address of the org",
            )
            .public(),
            Field::required(
                "appId",
                Pattern::new(
                    Shape::Prefixed { prefixes: &["0x"], rest: &Shape::Word { others: "" } },
                    "0x and the letters and digits of the id",
                ),
                "id of the External Client App",
            )
            .public(),
            Field::required("consumerId", Pattern::WORD, "id of its consumer").public(),
        ]),
        parameters: &[Parameter::required(
            "apiVersion",
            Pattern::new(Shape::ApiVersion { least: 65 }, "a version of at least v65.0, as v65.0"),
            "version of the Connect REST API",
        )],
        identities: &[&["{appId}"]],
        host: Host::Url("baseUri"),
        vendor_hosts: &["*.my.salesforce.com"],
        secrets_manager: by_aws(
            AdminSecret::Optional("SalesforceClientSecret"),
            IntervalLimit::None,
            "Salesforce keeps the previous pair up to 30 days; whether AWS ends it earlier is not documented",
        ),
        ..ROW
    },
    PartnerType {
        name: "SnowflakeKeyPairAuthentication",
        partner: "Snowflake",
        format: Format::new(&[
            Field::required("account", ACCOUNT, "account").public(),
            Field::required("user", Pattern::LINE, "user").public(),
            Field::required("privateKey", Pattern::PEM, "private key").rotated().at_most(16_384),
            Field::required("publicKey", Pattern::PEM, "public key").rotated().public().at_most(16_384),
            Field::optional("passphrase", Pattern::LINE, "passphrase of the private key").rotated(),
        ]),
        parameters: &[
            Parameter::optional(
                "cryptographicAlgorithm",
                Pattern::new(Shape::OneOf(&["RS256", "RS384", "RS512"]), "RS256, RS384 or RS512"),
                "signature algorithm",
            )
            .default("RS256"),
            Parameter::optional(
                "encryptPrivateKey",
                Pattern::new(Shape::OneOf(&["true", "false", "True", "False"]), "true or false"),
                "whether each new key gets a random passphrase",
            )
            .default("false"),
        ],
        identities: &[&["{account}/{user}"]],
        host: SNOWFLAKE,
        vendor_hosts: SNOWFLAKE_HOSTS,
        secrets_manager: by_aws(
            AdminSecret::None,
            IntervalLimit::None,
            "Snowflake has two slots for keys; how AWS uses them is not documented",
        ),
        ..ROW
    },
    PartnerType {
        name: "SnowflakePat",
        partner: "Snowflake",
        format: Format::new(&[
            Field::required("account", ACCOUNT, "account").public(),
            Field::required("user", Pattern::LINE, "user").public(),
            Field::required("privateKey", Pattern::PEM, "private key that rotates the token").at_most(16_384),
            Field::optional("passphrase", Pattern::LINE, "passphrase of the private key"),
            Field::required("patTokenName", Pattern::LINE, "name of the token").public(),
            Field::required("patTokenValue", Pattern::TOKEN, "programmatic access token").rotated(),
        ]),
        parameters: &[
            Parameter::optional("daysToExpiry", DAYS_OF_A_YEAR, "life of each new token, as set in Snowflake")
                .default("15"),
            Parameter::optional(
                "expireOldTokenAfterHours",
                Pattern::new(Shape::Integer { least: 0, most: 720 }, "a number of hours from 0 to 720"),
                "how long the old token lives on",
            )
            .default("24"),
        ],
        identities: &[&["{account}/{user}"]],
        host: SNOWFLAKE,
        vendor_hosts: SNOWFLAKE_HOSTS,
        secrets_manager: by_aws(
            AdminSecret::None,
            IntervalLimit::BelowParameter("daysToExpiry"),
            "the old token lives on for expireOldTokenAfterHours, 24 h unless set",
        ),
        ..ROW
    },
    PartnerType {
        name: "SonarQubeToken",
        partner: "SonarQube",
        format: Format::new(&[
            Field::required(
                "token",
                Pattern::new(
                    Shape::Prefixed { prefixes: &["squ_", "sqa_", "sqp_"], rest: &Shape::Token },
                    "squ_, sqa_ or sqp_ and the rest of the token",
                ),
                "token",
            )
            .rotated(),
            Field::required("tokenName", Pattern::LINE, "name of the token, new with each rotation").rotated().public(),
            Field::required("login", Pattern::LINE, "user that the token belongs to").public(),
            Field::required("sonarqubeUrl", Pattern::HTTPS_URL, "address of SonarQube").public(),
            Field::optional(
                "tokenType",
                Pattern::new(
                    Shape::OneOf(&["USER_TOKEN", "GLOBAL_ANALYSIS_TOKEN", "PROJECT_ANALYSIS_TOKEN"]),
                    "USER_TOKEN, GLOBAL_ANALYSIS_TOKEN or PROJECT_ANALYSIS_TOKEN",
                ),
                "kind of token; absent: USER_TOKEN",
            )
            .public(),
            Field::optional("projectKey", Pattern::LINE, "project of a PROJECT_ANALYSIS_TOKEN").public(),
        ]),
        identities: &[&["{login}"]],
        host: Host::Url("sonarqubeUrl"),
        secrets_manager: by_aws(
            AdminSecret::RequiredIf {
                of_type: "SonarQubeToken",
                field: "tokenType",
                is: &["GLOBAL_ANALYSIS_TOKEN", "PROJECT_ANALYSIS_TOKEN"],
            },
            IntervalLimit::None,
            "the old token is revoked once the new one is current",
        ),
        ..ROW
    },
];
