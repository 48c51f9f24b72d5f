//! The description of the API, held against the router: neither may have what the other has not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::request;
use crate::cluster::{Cluster, TOKEN};

#[tokio::test]
async fn every_described_operation_is_served() {
    let cluster = Cluster::start().await;
    let doc = request(cluster.addr, "GET", "/openapi.json", None, None).await.json;
    let operations = operations(&doc);
    assert!(operations.len() > 50, "{}", operations.len());
    for (method, path) in &operations {
        let served = fill(path, "unknown");
        let answer = request(cluster.addr, method, &served, Some(TOKEN), Some("{}".into())).await;
        // Something that is not there has a code of its own; a route that is not there has `not_found`.
        let code = answer.json["code"].as_str().unwrap_or_default();
        let off = path == "/demo/join";
        assert!(off || code != "not_found" && code != "method_not_allowed", "{method} {path}: {}", answer.text);
        assert_ne!(answer.status, 500, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_its_parameters() {
    let cluster = Cluster::start().await;
    let doc = request(cluster.addr, "GET", "/openapi.json", None, None).await.json;
    let mut names = BTreeSet::new();
    for (path, item) in doc["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = (path.starts_with("/socket"), operation["operationId"].as_str().unwrap());
            assert!(names.insert(name), "{method} {path} is called {name:?} like another one");
            assert!(operation["summary"].is_string(), "{method} {path} says what it does");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for wanted in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let is_it = |p: &&Value| p["name"] == wanted && p["in"] == "path" && p["required"] == true;
                assert_eq!(parameters.iter().filter(is_it).count(), 1, "{method} {path} {wanted}");
            }
        }
    }
    let text = doc.to_string();
    let references = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in references {
        assert!(doc["components"]["schemas"].get(name).is_some(), "{name} is referred to and not there");
    }
}

#[tokio::test]
async fn the_viewer_is_served_without_asking_anybody_else() {
    let cluster = Cluster::start().await;
    let page = request(cluster.addr, "GET", "/docs/", None, None).await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(!page.text.contains("https://") && !page.text.contains("//cdn"), "{}", page.text);
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        assert_eq!(request(cluster.addr, "GET", &format!("/docs/{file}"), None, None).await.status, 200, "{file}");
    }
}

fn operations(doc: &Value) -> Vec<(&'static str, String)> {
    let methods = |item: &Value| -> Vec<&'static str> {
        let known = [("get", "GET"), ("post", "POST"), ("patch", "PATCH"), ("delete", "DELETE"), ("put", "PUT")];
        known.into_iter().filter(|(key, _)| item.get(key).is_some()).map(|(_, method)| method).collect()
    };
    let paths = doc["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| methods(item).into_iter().map(|method| (method, path.clone()))).collect()
}

fn fill(path: &str, value: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { value.to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
