use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn target(below: &str, uri: &str) -> Result<(String, String), String> {
    let request = Request::builder().uri(uri).header("Host", "evil.example").body(Bytes::new()).unwrap();
    addressed(request, below, "acme.example", 8443)
        .map(|request| (request.uri().to_string(), request.headers()[HOST].to_str().unwrap().to_owned()))
        .map_err(|fault| fault.code.to_string())
}

#[test]
fn a_request_goes_below_the_origin_and_names_no_other_host() {
    let host = || "acme.example:8443".to_owned();
    assert_eq!(target("", "/a/b?c=d"), Ok(("/a/b?c=d".to_owned(), host())));
    assert_eq!(target("/tenant", "/a"), Ok(("/tenant/a".to_owned(), host())));
    assert_eq!(target("/tenant/", "/a"), Ok(("/tenant/a".to_owned(), host())));
    assert_eq!(target("", "https://evil.example/a"), Err("Target".to_owned()));
    assert_eq!(target("", "evil.example:443"), Err("Target".to_owned()));
    assert_eq!(target("", "*"), Err("Target".to_owned()));
}

/// What becomes of this answer, and the request as it was sent.
async fn exchange(answer: Vec<u8>) -> (Result<(u16, usize), String>, String) {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        let mut request = vec![0; 4096];
        let length = theirs.read(&mut request).await.unwrap();
        // The client may have had enough before all is written.
        let _ = theirs.write_all(&answer).await;
        drop(theirs);
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let request = Request::post("/a").body(Bytes::from_static(b"{}")).unwrap();
    let request = addressed(request, "", "acme.example", 443).unwrap();
    let outcome = exchanged(ours, request).await;
    let outcome = outcome.map(|answer| (answer.status().as_u16(), answer.body().len())).map_err(|fault| {
        assert_eq!(fault.kind, FaultKind::Unknown);
        fault.code.to_string()
    });
    (outcome, server.await.unwrap())
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[tokio::test]
async fn an_answer_is_taken_only_whole_and_within_its_bounds() {
    let headers = |count: usize| (0..count).map(|number| format!("\r\nx-{number}: y")).collect::<String>();
    let table = [
        (answer("200 OK", b"{}"), Ok((200, 2))),
        (answer("404 Not Found", b""), Ok((404, 0))),
        (answer(&format!("200 OK{}", headers(90)), b"{}"), Ok((200, 2))),
        (answer(&format!("200 OK{}", headers(120)), b"{}"), Err("NotHttp")),
        (answer(&format!("200 OK\r\nx: {}", "y".repeat(40_000)), b"{}"), Err("HeadersTooLarge")),
        (answer(&format!("200 OK\r\nx: {}", "y".repeat(200_000)), b"{}"), Err("NotHttp")),
        (answer("200 OK", &vec![b' '; 1 << 20]), Ok((200, 1 << 20))),
        (answer("200 OK", &vec![b' '; (1 << 20) + 1]), Err("TooLarge")),
        (answer("200 OK\r\ncontent-encoding: gzip", b"{}"), Err("ContentEncoding")),
        (answer("302 Found\r\nlocation: https://evil.example/", b""), Err("Redirect")),
        (answer("308 Permanent Redirect\r\nlocation: /b", b""), Err("Redirect")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec(), Err("ConnectionLost")),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), Err("ConnectionLost")),
        (b"220 mail.example ESMTP\r\n".to_vec(), Err("NotHttp")),
        (Vec::new(), Err("ConnectionLost")),
    ];
    for (answer, expected) in table {
        let told = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        let (outcome, _) = exchange(answer).await;
        assert_eq!(outcome, expected.map_err(str::to_owned), "{told}");
    }
}

#[tokio::test]
async fn a_request_asks_for_plain_bytes_and_says_how_long_its_body_is() {
    let (_, request) = exchange(answer("200 OK", b"{}")).await;
    assert!(request.starts_with("POST /a HTTP/1.1\r\n"), "{request}");
    for line in ["host: acme.example\r\n", "accept-encoding: identity\r\n", "content-length: 2\r\n"] {
        assert!(request.contains(line), "{request}");
    }
}
