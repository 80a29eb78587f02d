//! How many `GetSecretValue` a second the stand-in answers over HTTP: `cargo run --release --example load -p sandbox`.
//!
//! Server and clients share the process and its two worker threads, so that the figure is of two cores *with* the load
//! that asks. Arguments: seconds (5) and connections (32).

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sandbox::{Options, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let connections: u64 = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let served = serve(Options::default()).await?;
    let address = served.url().trim_start_matches("http://").to_owned();
    let create = r#"{"Name":"load/one","ClientRequestToken":"00000000-0000-4000-8000-000000000001","SecretString":"{\"username\":\"app\",\"password\":\"0123456789abcdef\"}"}"#;
    let mut first = TcpStream::connect(&address).await?;
    ask(&mut first, &request("CreateSecret", create), &mut Vec::new()).await?;
    let answered = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (address, answered) = (address.clone(), Arc::clone(&answered));
        clients.spawn(async move {
            let mut stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            let request = request("GetSecretValue", r#"{"SecretId":"load/one"}"#);
            let mut buffer = Vec::with_capacity(4096);
            while Instant::now() < until {
                ask(&mut stream, &request, &mut buffer).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Box<dyn Error + Send + Sync>>(())
        });
    }
    let began = Instant::now();
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let total = answered.load(Ordering::Relaxed);
    println!("{total} GetSecretValue in {seconds} s: {:.0} a second", total as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

fn request(operation: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: secretsmanager.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIALOAD/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request and its whole answer, which must be a 200.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Result<(), Box<dyn Error + Send + Sync>> {
    buffer.clear();
    stream.write_all(request).await?;
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the connection closed".into());
        }
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        if !text.starts_with("HTTP/1.1 200") {
            return Err(text.lines().next().unwrap_or_default().to_owned().into());
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        if buffer.len() >= head + 4 + length.parse::<usize>()? {
            return Ok(());
        }
    }
}
