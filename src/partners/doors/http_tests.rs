use super::*;

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
