//! The types of managed external secrets, as far as the service's own rotation needs them.
//!
//! Source: the partner pages of the user guide (mes-partners). The table is the stand-in's own, so that a mistake in
//! the operator's table shows up as a difference.

/// One partner type.
pub(crate) struct Type {
    /// The string of `CreateSecret.Type`.
    pub(crate) name: &'static str,
    /// Keys that a value must have.
    pub(crate) required: &'static [&'static str],
    /// Keys that a rotation changes.
    pub(crate) rotated: &'static [&'static str],
    /// Rotation metadata without which a rotation fails.
    pub(crate) metadata: &'static [&'static str],
}

impl Type {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|one| one.name == name)
    }
}

const fn row(
    name: &'static str,
    required: &'static [&'static str],
    rotated: &'static [&'static str],
    metadata: &'static [&'static str],
) -> Type {
    Type { name, required, rotated, metadata }
}

const TYPES: &[Type] = &[
    row("BigIDClientSecret", &["hostname", "refreshToken"], &["refreshToken"], &[]),
    row(
        "CiscoSecurityPlatformApiKey",
        &["refreshToken", "organizationId", "apiKeyId", "apiBaseUrl"],
        &["refreshToken"],
        &[],
    ),
    row("ConfluentCloudApiKey", &["apiKey", "apiSecret", "serviceAccountId"], &["apiKey", "apiSecret"], &[]),
    row("DatabricksPAT", &["token", "tokenId", "workspaceUrl"], &["token", "tokenId"], &[]),
    row(
        "DatabricksSPSecret",
        &["accountId", "servicePrincipalId", "clientId", "clientSecret", "oauthSecretId"],
        &["clientSecret", "oauthSecretId"],
        &[],
    ),
    row("DatadogApiKey", &["apiKey", "apiKeyId"], &["apiKey", "apiKeyId"], &["adminSecretArn"]),
    row(
        "DatadogApplicationKey",
        &["appKey", "appKeyId", "serviceAccountId"],
        &["appKey", "appKeyId"],
        &["adminSecretArn"],
    ),
    row(
        "DatadogAdminKey",
        &["adminApiKey", "adminApiKeyId", "adminAppKey", "adminAppKeyId", "serviceAccountId", "site"],
        &["adminApiKey", "adminApiKeyId", "adminAppKey", "adminAppKeyId"],
        &[],
    ),
    row("GitLabAccessToken", &["token", "tokenId", "gitlabUrl"], &["token", "tokenId"], &[]),
    row("JenkinsApiToken", &["apiToken", "tokenUuid", "username", "jenkinsUrl"], &["apiToken", "tokenUuid"], &[]),
    row("MongoDBAtlasServiceAccount", &["clientId", "clientSecret", "orgId"], &["clientSecret"], &[]),
    row(
        "MongoDBAtlasDatabaseUser",
        &["username", "password", "clusterUrl", "databaseName", "groupId"],
        &["password"],
        &["adminSecretArn"],
    ),
    row("NetskopeApiToken", &["apiToken", "tenantUrl", "serviceAccountName"], &["apiToken"], &[]),
    row("PaddleApiKey", &["api_key"], &["api_key"], &[]),
    row(
        "SalesforceClientSecret",
        &["consumerKey", "consumerSecret", "baseUri", "appId", "consumerId"],
        &["consumerKey", "consumerSecret"],
        &["apiVersion"],
    ),
    row(
        "SnowflakeKeyPairAuthentication",
        &["account", "user", "privateKey", "publicKey"],
        &["privateKey", "publicKey"],
        &[],
    ),
    row("SnowflakePat", &["account", "user", "privateKey", "patTokenName", "patTokenValue"], &["patTokenValue"], &[]),
    row("SonarQubeToken", &["token", "tokenName", "login", "sonarqubeUrl"], &["token", "tokenName"], &[]),
];
