//! Published server SDKs ask for `//room` when their base URL ends in a slash.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Writes runs of slashes in the path as one.
pub(crate) async fn collapse(mut request: Request) -> Request {
    if let Some(uri) = collapsed(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn collapsed(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains("//") {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_become_one_and_queries_stay() {
        let table = [
            ("/api/v1/connect/x//room", Some("/api/v1/connect/x/room")),
            ("//socket///peer?a=//b", Some("/socket/peer?a=//b")),
            ("/room", None),
        ];
        for (given, wanted) in table {
            let uri = Uri::builder().path_and_query(given).build().unwrap();
            assert_eq!(collapsed(&uri).map(|uri| uri.to_string()).as_deref(), wanted, "{given}");
        }
    }
}
