//! What the SDK stands on: HTTP, time, sleep and the pod's own credentials. The one place where another world is put
//! under the adapter; everything above it is the same code in the cluster, in tests and in a simulation.
//!
//! Made by `cli/run` with [`Transport::real`], or by a test with parts of its own; used by [`super::Aws`].

use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Where a region is asked for STS when the environment names none: its endpoint serves the whole `aws` partition.
const REGION_OF_LAST_RESORT: &str = "us-east-1";

/// HTTP, time, sleep, and the pod's own identity.
#[derive(Debug, Clone)]
pub struct Transport {
    /// Opens connections to AWS.
    pub http: SharedHttpClient,
    /// Tells the time for signatures and for the life of sessions.
    pub time: SharedTimeSource,
    /// Measures the time that a call may take.
    pub sleep: SharedAsyncSleep,
    /// The pod's own credentials, asked when none is held or the held ones end soon.
    pub ambient: SharedCredentialsProvider,
}

impl Transport {
    /// The real world: rustls on `ring` with the system's roots (`SSL_CERT_FILE` in the image), and the pod's identity
    /// by the environment, IRSA or EKS Pod Identity, in the order of the SDK's own chain.
    ///
    /// The chain is spelt out instead of taken whole: profiles are files of a person, and the instance metadata
    /// service would lend a pod without identity the rights of its node. `AWS_REGION` (else `AWS_DEFAULT_REGION`) says
    /// where IRSA asks STS.
    pub fn real() -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let time = SharedTimeSource::new(SystemTimeSource::new());
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        let ambient = ambient(http.clone(), time.clone(), sleep.clone());
        Self { http, time, sleep, ambient }
    }
}

fn ambient(http: SharedHttpClient, time: SharedTimeSource, sleep: SharedAsyncSleep) -> SharedCredentialsProvider {
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    let config = ProviderConfig::empty()
        .with_region(Some(Region::new(region.unwrap_or_else(|| REGION_OF_LAST_RESORT.to_owned()))))
        .with_http_client(http)
        .with_time_source(time)
        .with_sleep_impl(sleep)
        // The controller counts and paces tries; a second retry layer below it would overrun the time of a call.
        .with_retry_config(RetryConfig::disabled());
    let chain = CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("WebIdentityToken", WebIdentityTokenCredentialsProvider::builder().configure(&config).build())
        .or_else("PodIdentity", EcsCredentialsProvider::builder().configure(&config).build());
    SharedCredentialsProvider::new(chain)
}
