//! Lists and batches: pages, filters, order.
//!
//! Invariant: a page token names the last entry told, so that what comes or goes between two pages neither repeats nor
//! hides another entry.

use std::cmp::Ordering;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Answered, Failure, constraint, invalid_parameter};
use super::model::{Secret, day, epoch};
use super::versions::value_told;
use super::{Context, SecretsManager, check_length};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    include_planned_deletion: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    sort_order: Option<String>,
    sort_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListVersions {
    secret_id: String,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    include_deprecated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl SecretsManager {
    pub(super) fn list_secrets(&mut self, input: List, ctx: &mut Context<'_>) -> Answered<Value> {
        check_filters(&input.filters)?;
        let size = page_size(input.max_results, 100, 100)?;
        let order = Order::read(input.sort_by.as_deref(), input.sort_order.as_deref())?;
        let after = read_token(input.next_token)?;
        let found =
            self.filtered(&input.filters, ctx, |secret| secret.deleted.is_none() || input.include_planned_deletion);
        let (page, next) = paged(found, &order, after, size);
        let list: Vec<Value> = page.into_iter().map(|secret| Value::Object(secret.described(true))).collect();
        Ok(with_token(json!({"SecretList": list}), next))
    }

    pub(super) fn list_secret_version_ids(&mut self, input: ListVersions, ctx: &mut Context<'_>) -> Answered<Value> {
        let size = page_size(input.max_results, 100, 100)?;
        let after = read_token(input.next_token)?;
        let now = ctx.now;
        let secret = self.find(&input.secret_id, ctx)?.seen(now);
        let mut told: Vec<&_> = secret
            .versions
            .iter()
            // The placeholder of a rotation is hidden here, though DescribeSecret shows it.
            .filter(|version| version.contents.is_some())
            .filter(|version| input.include_deprecated || !version.labels.is_empty())
            .collect();
        if let Some(after) = after {
            let start = told.iter().position(|version| version.id == after.name).map_or(told.len(), |at| at + 1);
            told.drain(..start);
        }
        let more = told.len() > size;
        told.truncate(size);
        let next = told.last().filter(|_| more).map(|last| token(&last.id, 0));
        let versions: Vec<Value> = told
            .into_iter()
            .map(|version| {
                let key = version.kms_key.as_deref().unwrap_or("DefaultEncryptionKey");
                let mut told = json!({"VersionId": version.id, "CreatedDate": epoch(version.created),
                    "KmsKeyIds": [key]});
                if !version.labels.is_empty() {
                    told["VersionStages"] = json!(version.labels);
                }
                if let Some(at) = version.accessed {
                    told["LastAccessedDate"] = day(at);
                }
                told
            })
            .collect();
        Ok(with_token(json!({"ARN": secret.arn(), "Name": secret.name, "Versions": versions}), next))
    }

    /// HTTP 200 also when some fail: the failures are a list of their own. Only AWSCURRENT can be asked for.
    pub(super) fn batch_get_secret_value(&mut self, input: Batch, ctx: &mut Context<'_>) -> Answered<Value> {
        let (ids, next) = match (input.secret_id_list, input.filters) {
            (Some(_), Some(_)) => {
                return Err(invalid_parameter("You can't specify both SecretIdList and Filters."));
            }
            (None, None) => return Err(invalid_parameter("You must specify either SecretIdList or Filters.")),
            (Some(_), None) if input.max_results.is_some() => {
                return Err(invalid_parameter("You can only use MaxResults with Filters."));
            }
            (Some(ids), None) => {
                if !(1..=20).contains(&ids.len()) {
                    return Err(constraint("secretIdList", "have length between 1 and 20"));
                }
                (ids, None)
            }
            (None, Some(filters)) => {
                check_filters(&filters)?;
                let size = page_size(input.max_results, 20, 20)?;
                let after = read_token(input.next_token)?;
                let found = self.filtered(&filters, ctx, |secret| secret.deleted.is_none());
                let (page, next) = paged(found, &Order::by_creation(), after, size);
                (page.into_iter().map(|secret| secret.name.clone()).collect(), next)
            }
        };
        let mut values = Vec::new();
        let mut errors = Vec::new();
        for id in ids {
            match self.readable(&id, ctx).and_then(|secret| value_told(secret, None, None, ctx)) {
                Ok(told) => values.push(told),
                Err(failure) => {
                    errors.push(json!({"SecretId": id, "ErrorCode": failure.code, "Message": failure.message}));
                }
            }
        }
        ctx.resource = None;
        Ok(with_token(json!({"SecretValues": values, "Errors": errors}), next))
    }

    fn filtered(&self, filters: &[Filter], ctx: &Context<'_>, wanted: impl Fn(&Secret) -> bool) -> Vec<&Secret> {
        let shelf = self.accounts.get(ctx.account).and_then(|regions| regions.get(ctx.region));
        shelf
            .into_iter()
            .flat_map(|shelf| shelf.values())
            .map(|secret| secret.seen(ctx.now))
            .filter(|secret| wanted(secret) && filters.iter().all(|filter| filter.accepts(secret)))
            .collect()
    }
}

const KEYS: &[&str] = &["description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"];

fn check_filters(filters: &[Filter]) -> Answered<()> {
    if filters.len() > 10 {
        return Err(constraint("filters", "have length less than or equal to 10"));
    }
    for filter in filters {
        if !KEYS.contains(&filter.key.as_str()) {
            return Err(constraint("filters.member.key", format!("satisfy enum value set: [{}]", KEYS.join(", "))));
        }
        if !(1..=10).contains(&filter.values.len()) {
            return Err(constraint("filters.member.values", "have length between 1 and 10"));
        }
        for value in &filter.values {
            check_length("filters.member.values.member", value, 0, 512)?;
        }
    }
    Ok(())
}

impl Filter {
    /// Values are alternatives; `!` turns one round.
    fn accepts(&self, secret: &Secret) -> bool {
        self.values.iter().any(|value| match value.strip_prefix('!') {
            Some(value) => !self.matches(value, secret),
            None => self.matches(value, secret),
        })
    }

    /// By prefix; only `description` and `all` do not mind the case.
    fn matches(&self, value: &str, secret: &Secret) -> bool {
        let loosely = |text: &str| {
            let (text, value) = (text.to_lowercase(), value.to_lowercase());
            text.starts_with(&value) || text.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(&value))
        };
        match self.key.as_str() {
            "name" => secret.name.starts_with(value),
            "description" => secret.description.as_deref().is_some_and(loosely),
            "tag-key" => secret.tags.iter().any(|tag| tag.key.starts_with(value)),
            "tag-value" => secret.tags.iter().any(|tag| tag.value.starts_with(value)),
            "primary-region" => secret.primary_region.as_deref().is_some_and(|region| region.starts_with(value)),
            // No secret here belongs to another service.
            "owning-service" => false,
            _ => {
                loosely(&secret.name)
                    || secret.description.as_deref().is_some_and(loosely)
                    || secret.tags.iter().any(|tag| loosely(&tag.key) || loosely(&tag.value))
                    || secret.primary_region.as_deref().is_some_and(loosely)
            }
        }
    }
}

#[derive(Clone, Copy)]
enum SortKey {
    Created,
    Accessed,
    Changed,
    Name,
}

struct Order {
    key: SortKey,
    descending: bool,
}

struct After {
    name: String,
    rank: i128,
}

impl Order {
    fn by_creation() -> Self {
        Self { key: SortKey::Created, descending: false }
    }

    fn read(by: Option<&str>, order: Option<&str>) -> Answered<Self> {
        let key = match by {
            None | Some("created-date") => SortKey::Created,
            Some("last-accessed-date") => SortKey::Accessed,
            Some("last-changed-date") => SortKey::Changed,
            Some("name") => SortKey::Name,
            Some(_) => return Err(constraint("sortBy", "satisfy enum value set")),
        };
        let descending = match order {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(constraint("sortOrder", "satisfy enum value set: [asc, desc]")),
        };
        Ok(Self { key, descending })
    }

    /// A number that sorts as the key does; the name decides between equals.
    fn rank(&self, secret: &Secret) -> i128 {
        match self.key {
            SortKey::Created => secret.created.as_nanosecond(),
            SortKey::Accessed => secret.accessed.map_or(i128::MIN, jiff::Timestamp::as_nanosecond),
            SortKey::Changed => secret.changed.as_nanosecond(),
            SortKey::Name => 0,
        }
    }

    fn compare(&self, left: (i128, &str), right: (i128, &str)) -> Ordering {
        let order = left.cmp(&right);
        if self.descending { order.reverse() } else { order }
    }
}

fn paged<'a>(
    found: Vec<&'a Secret>,
    order: &Order,
    after: Option<After>,
    size: usize,
) -> (Vec<&'a Secret>, Option<String>) {
    let mut ranked: Vec<(i128, &Secret)> = found.into_iter().map(|secret| (order.rank(secret), secret)).collect();
    if let Some(after) = after {
        ranked.retain(|(rank, secret)| {
            order.compare((*rank, &secret.name), (after.rank, &after.name)) == Ordering::Greater
        });
    }
    ranked.sort_unstable_by(|a, b| order.compare((a.0, &a.1.name), (b.0, &b.1.name)));
    let more = ranked.len() > size;
    ranked.truncate(size);
    let next = ranked.last().filter(|_| more).map(|(rank, secret)| token(&secret.name, *rank));
    (ranked.into_iter().map(|(_, secret)| secret).collect(), next)
}

fn token(name: &str, rank: i128) -> String {
    URL_SAFE_NO_PAD.encode(format!("{rank}\n{name}"))
}

fn read_token(token: Option<String>) -> Answered<Option<After>> {
    let Some(token) = token else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let after = bytes.as_deref().and_then(|text| text.split_once('\n')).map(|(rank, name)| (rank.parse(), name));
    match after {
        Some((Ok(rank), name)) => Ok(Some(After { name: name.to_owned(), rank })),
        _ => Err(Failure::new("InvalidNextTokenException", "The NextToken value is invalid.")),
    }
}

fn page_size(asked: Option<usize>, most: usize, otherwise: usize) -> Answered<usize> {
    match asked {
        None => Ok(otherwise),
        Some(0) => Err(constraint("maxResults", "have value greater than or equal to 1")),
        Some(size) if size > most => Err(constraint("maxResults", format!("have value less than or equal to {most}"))),
        Some(size) => Ok(size),
    }
}

fn with_token(mut told: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        told["NextToken"] = next.into();
    }
    told
}
