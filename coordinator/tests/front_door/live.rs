//! WHIP and WHEP with a plain HTTP client.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use velella_model::key;
use velella_model::wire::command::{Client, OpenSession, Order, Rights};
use velella_model::wire::signal::PeerEvent;
use velella_store::Store;

use crate::client::{Answer, Peer, send};
use crate::cluster::Cluster;
use crate::subscriber::Subscriber;

const WHIP: &str = "/api/v1/live/api/whip";
const WHEP: &str = "/api/v1/live/api/whep";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The scripted worker answers by the name of the session.
fn offer(name: &str) -> String {
    format!("v=0\r\ns={name}\r\nm=audio 9 X 111\r\na=ice-ufrag:theirs\r\na=ice-pwd:p\r\na=mid:0\r\na=sendrecv\r\n")
}

async fn post(addr: SocketAddr, path: &str, token: Option<&str>, body: &str) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/sdp; charset=utf-8")];
    headers.extend(authorization.as_ref().map(|value| ("authorization", value.as_str())));
    send(addr, "POST", path, &headers, body.to_owned()).await
}

async fn patch(addr: SocketAddr, path: &str, if_match: Option<&str>, body: &str) -> Answer {
    let mut headers = vec![("content-type", FRAGMENT)];
    headers.extend(if_match.map(|tag| ("if-match", tag)));
    send(addr, "PATCH", path, &headers, body.to_owned()).await
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn verdict(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }
}

impl Cluster {
    /// A livestream, public or not.
    async fn livestream(&self, public: bool) -> String {
        let body = json!({"roomType": "livestream", "public": public});
        let created = self.post(&self.api("/room"), body).await.json;
        created["data"]["room"]["id"].as_str().unwrap().to_owned()
    }

    async fn token(&self, room: &str, kind: &str) -> String {
        let signed = self.post(&self.api(&format!("/room/{room}/{kind}")), json!({})).await;
        signed.json["token"].as_str().unwrap().to_owned()
    }

    /// A peer that may do this.
    async fn peer_with(&self, room: &str, scopes: &[&str]) -> String {
        let body = json!({"type": "webrtc", "options": {"scopes": scopes}});
        let added = self.post(&self.api(&format!("/room/{room}/peer")), body).await;
        added.json["data"]["token"].as_str().unwrap().to_owned()
    }

    async fn members(&self, stream: &str) -> (usize, usize) {
        let shown = self.get(&self.api(&format!("/livestream/{stream}"))).await.json;
        let count = |kind: &str| shown["data"][kind].as_array().unwrap().len();
        (count("streamers"), count("viewers"))
    }
}

fn opened(order: &Order) -> Option<&OpenSession> {
    if let Order::OpenSession { session } = order { Some(session) } else { None }
}

#[tokio::test]
async fn a_streamer_comes_is_told_of_and_goes() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let mut server = Subscriber::subscribed(&cluster).await;
    let room = cluster.livestream(false).await;
    let token = cluster.token(&room, "streamer").await;
    assert_eq!(cluster.members(&room).await, (0, 0));

    let answer = post(cluster.addr, WHIP, Some(&token), &offer("")).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(answer.text.starts_with("v=0") && answer.text.contains("a=recvonly"), "{}", answer.text);
    assert_eq!((answer.header("content-type"), answer.header("accept-patch")), ("application/sdp", FRAGMENT));
    assert!(answer.header("etag").starts_with('"') && answer.header("link").is_empty());
    let resource = answer.header("location");
    assert!(resource.starts_with("/api/v1/live/api/resource/"), "{resource}");
    let session = worker.heard.lock().unwrap().iter().find_map(|order| opened(order).cloned()).unwrap();
    assert_eq!((session.client, session.rights), (Client::OneOffer, Rights { publish: true, subscribe: false }));
    worker.until_said(|said| matches!(said, PeerEvent::SdpOffer { sdp, .. } if sdp.contains("a=sendonly"))).await;
    assert_eq!(cluster.members(&room).await, (1, 0));

    let ended = send(cluster.addr, "DELETE", resource, &[], String::new()).await;
    assert_eq!(ended.status, 200);
    worker.until(|order| matches!(order, Order::CloseSession { session: s } if *s == session.session)).await;
    assert_eq!(server.words(3).await, ["room_created", "streamer_connected", "streamer_disconnected"]);
    let again = send(cluster.addr, "DELETE", resource, &[], String::new()).await;
    assert_eq!(again.verdict(), (404, "resource_not_found"));
}

#[tokio::test]
async fn what_is_wrong_with_an_offer_is_told_apart() {
    let cluster = Cluster::start().await;
    let (room, conference) = (cluster.livestream(false).await, cluster.create_room().await);
    let (streamer, viewer) = (cluster.token(&room, "streamer").await, cluster.token(&room, "viewer").await);
    let gone = cluster.livestream(true).await;
    let late = cluster.token(&gone, "viewer").await;
    cluster.delete(&cluster.api(&format!("/room/{gone}"))).await;
    let looks_on = cluster.peer_with(&conference, &["subscribe"]).await;
    let public_of_gone = format!("{WHEP}/{gone}");
    let (private, meeting) = (format!("{WHEP}/{room}"), format!("{WHEP}/{conference}"));
    let good = offer("");
    let table = [
        (WHIP, None, good.as_str(), (401, "missing_token")),
        (WHEP, None, &good, (401, "missing_token")),
        (WHIP, Some("garbage"), &good, (401, "invalid_token")),
        (WHIP, Some(&viewer), &good, (401, "invalid_token")),
        (WHEP, Some(&streamer), &good, (401, "invalid_token")),
        (&meeting, Some(&viewer), &good, (401, "invalid_token")),
        (&private, None, &good, (401, "missing_token")),
        (&meeting, None, &good, (401, "missing_token")),
        (&public_of_gone, None, &good, (404, "room_not_found")),
        (WHEP, Some(&late), &good, (404, "room_not_found")),
        (WHIP, Some(&looks_on), &good, (403, "not_allowed")),
        (WHIP, Some(&streamer), "", (400, "bad_offer")),
        (WHIP, Some(&streamer), "{}", (400, "bad_offer")),
        (WHIP, Some(&streamer), &offer("refusal"), (400, "bad_offer")),
        (WHIP, Some(&streamer), &offer("nothing in common"), (406, "nothing_in_common")),
    ];
    for (path, token, body, verdict) in table {
        let answer = post(cluster.addr, path, token, body).await;
        assert_eq!(answer.verdict(), verdict, "{path} {body}: {}", answer.text);
        assert!(answer.json["errors"].is_string());
    }
    let large = format!("{good}{}", "a=x\r\n".repeat(20_000));
    assert_eq!(post(cluster.addr, WHIP, Some(&streamer), &large).await.verdict(), (413, "too_large"));
    let authorization = format!("Bearer {streamer}");
    for headers in [vec![], vec![("content-type", "application/json")]] {
        let headers: Vec<_> = headers.into_iter().chain([("authorization", authorization.as_str())]).collect();
        let answer = send(cluster.addr, "POST", WHIP, &headers, good.clone()).await;
        assert_eq!(answer.verdict(), (415, "media_type"));
    }
    let read = send(cluster.addr, "GET", WHIP, &[], String::new()).await;
    assert_eq!(read.verdict(), (405, "method_not_allowed"));
    assert_eq!(cluster.metric("velella_coordinator_resources"), 0.0);
}

#[tokio::test]
async fn one_streams_at_a_time_and_comes_back_with_its_token() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    let room = cluster.livestream(false).await;
    let (token, other) = (cluster.token(&room, "streamer").await, cluster.token(&room, "streamer").await);
    let first = post(cluster.addr, WHIP, Some(&token), &offer("")).await;
    assert_eq!(first.status, 201);
    assert_eq!(post(cluster.addr, WHIP, Some(&other), &offer("")).await.verdict(), (409, "stream_taken"));
    assert_eq!(post(replica.addr, WHIP, Some(&other), &offer("")).await.verdict(), (409, "stream_taken"));

    let second = post(replica.addr, WHIP, Some(&token), &offer("")).await;
    assert_eq!(second.status, 201, "{}", second.text);
    while send(cluster.addr, "DELETE", first.header("location"), &[], String::new()).await.status != 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cluster.members(&room).await, (1, 0), "the end of the first is not that of the second");
    assert_eq!(send(replica.addr, "DELETE", second.header("location"), &[], String::new()).await.status, 200);
    while post(cluster.addr, WHIP, Some(&other), &offer("")).await.status == 409 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_two_that_come_to_two_coordinators_in_the_same_moment_one_is_let_in() {
    let cluster = Cluster::start().await;
    let replica = cluster.replica().await;
    for _ in 0..20 {
        let room = cluster.livestream(false).await;
        let (one, two) = (cluster.token(&room, "streamer").await, cluster.token(&room, "streamer").await);
        let (here, there, body) = (cluster.addr, replica.addr, offer(""));
        let (one, two) = tokio::join!(post(here, WHIP, Some(&one), &body), post(there, WHIP, Some(&two), &body));
        let mut verdicts = [one.verdict(), two.verdict()];
        verdicts.sort_unstable();
        assert_eq!(verdicts, [(201, ""), (409, "stream_taken")], "{} {}", one.text, two.text);
    }
}

#[tokio::test]
async fn ice_servers_are_told_with_a_login_of_ones_own() {
    let servers = "stun:stun.example.com,turn:turn.example.com:3478?transport=tcp";
    let cluster = Cluster::start_with(&["--ice-servers", servers, "--turn-secret", "north"]).await;
    let _worker = cluster.worker("w1", 1).await;
    let room = cluster.livestream(true).await;
    let answer = post(cluster.addr, &format!("{WHEP}/{room}"), None, &offer("")).await;
    let links: Vec<_> = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    let [stun, turn] = &links[..] else { panic!("{links:?}") };
    assert_eq!(*stun, "<stun:stun.example.com>; rel=\"ice-server\"");
    let login =
        turn.strip_prefix("<turn:turn.example.com:3478?transport=tcp>; rel=\"ice-server\"; username=\"").unwrap();
    let (ends, rest) = login.split_once(':').unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(ends.parse::<u64>().unwrap() > now + 3600);
    assert!(rest.contains("; credential=\"") && rest.ends_with("; credential-type=\"password\""), "{turn}");
}

#[tokio::test]
async fn anybody_may_watch_what_is_public() {
    let cluster = Cluster::start().await;
    let room = cluster.livestream(true).await;
    let viewer = cluster.token(&room, "viewer").await;
    let public = format!("{WHEP}/{room}");
    for (path, token) in
        [(public.as_str(), None), (&public, None), (&public, Some(viewer.as_str())), (WHEP, Some(&viewer))]
    {
        let answer = post(cluster.addr, path, token, &offer("")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert!(answer.text.contains("a=sendonly"), "{}", answer.text);
    }
    assert_eq!(cluster.members(&room).await, (0, 3), "the same token is the same viewer");
}

#[tokio::test]
async fn who_is_removed_by_a_server_is_cut_off_and_its_token_is_worth_nothing() {
    let cluster = Cluster::start().await;
    let room = cluster.livestream(false).await;
    let path = cluster.api(&format!("/livestream/{room}/viewer"));
    let added = cluster.post(&path, json!({})).await.json["data"].take();
    let token = added["token"].as_str().unwrap();
    let watching = post(cluster.addr, WHEP, Some(token), &offer("")).await;
    assert_eq!(watching.status, 201);
    cluster.delete(&format!("{path}/{}", added["id"].as_str().unwrap())).await;
    while patch(cluster.addr, watching.header("location"), None, "a=end-of-candidates").await.status != 404 {
        tokio::task::yield_now().await;
    }
    assert_eq!(post(cluster.addr, WHEP, Some(token), &offer("")).await.verdict(), (401, "invalid_token"));
}

#[tokio::test]
async fn candidates_come_later_and_ice_begins_anew_at_any_replica() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let replica = cluster.replica().await;
    let room = cluster.livestream(false).await;
    let token = cluster.token(&room, "streamer").await;
    let answer = post(cluster.addr, WHIP, Some(&token), &offer("")).await;
    let (resource, etag) = (answer.header("location"), answer.header("etag"));
    let candidate = "a=ice-ufrag:theirs\r\na=ice-pwd:p\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:7 1 udp 1 192.0.2.7 7 typ host\r\n";
    for (at, if_match) in [(&cluster, Some(etag)), (&replica, Some(etag)), (&replica, None), (&cluster, Some("*"))] {
        assert_eq!(patch(at.addr, resource, if_match, candidate).await.status, 204);
    }
    worker
        .until_said(|said| matches!(said, PeerEvent::Candidate { candidate } if candidate.starts_with("candidate:7 ")))
        .await;

    let anew = "a=ice-ufrag:later\r\na=ice-pwd:q\r\n";
    for (if_match, fragment) in [(Some("\"other\""), candidate), (Some(etag), anew), (None, anew)] {
        assert_eq!(patch(replica.addr, resource, if_match, fragment).await.verdict(), (412, "stale_ice"));
    }
    let restarted = patch(replica.addr, resource, Some("*"), anew).await;
    assert_eq!((restarted.status, restarted.header("content-type")), (200, FRAGMENT));
    assert_ne!(restarted.header("etag"), etag);
    let expected = "a=ice-ufrag:ours2\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 192.0.2.1 10000 typ host\r\na=end-of-candidates\r\n";
    assert_eq!(restarted.text, expected);
    worker
        .until_said(|said| matches!(said, PeerEvent::SdpOffer { sdp, .. } if sdp.contains("a=ice-ufrag:later")))
        .await;
    assert_eq!(patch(cluster.addr, resource, Some(etag), candidate).await.verdict(), (412, "stale_ice"));

    assert_eq!(patch(cluster.addr, resource, None, "").await.verdict(), (400, "bad_fragment"));
    let as_sdp = send(cluster.addr, "PATCH", resource, &[("content-type", "application/sdp")], anew.into()).await;
    assert_eq!(as_sdp.verdict(), (415, "media_type"));
    let guessed = format!("{}x", resource);
    assert_eq!(patch(cluster.addr, &guessed, None, anew).await.verdict(), (404, "resource_not_found"));
    assert_eq!(send(replica.addr, "DELETE", resource, &[], String::new()).await.status, 200);
}

#[tokio::test]
async fn a_session_outlives_its_coordinator_and_another_speaks_for_it() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let replica = cluster.replica().await;
    let room = cluster.livestream(true).await;
    let answer = post(cluster.addr, &format!("{WHEP}/{room}"), None, &offer("")).await;
    let (resource, etag) = (answer.header("location"), answer.header("etag"));
    drop(cluster);
    worker.until(|order| matches!(order, Order::AdoptSession { .. })).await;
    assert_eq!(replica.members(&room).await, (0, 1));

    let candidate = "a=ice-ufrag:theirs\r\na=ice-pwd:p\r\na=mid:0\r\na=candidate:7 1 udp 1 192.0.2.7 7 typ host\r\n";
    assert_eq!(patch(replica.addr, resource, Some(etag), candidate).await.status, 204);
    let anew = "a=ice-ufrag:later\r\na=ice-pwd:q\r\n";
    assert_eq!(patch(replica.addr, resource, Some("*"), anew).await.status, 200);
    assert_eq!(patch(replica.addr, resource, Some(etag), candidate).await.verdict(), (412, "stale_ice"));
    assert_eq!(replica.metric("velella_coordinator_resources"), 1.0);
    assert_eq!(send(replica.addr, "DELETE", resource, &[], String::new()).await.status, 200);
    worker.until(|order| matches!(order, Order::CloseSession { .. })).await;
    assert_eq!(send(replica.addr, "DELETE", resource, &[], String::new()).await.status, 404);
}

#[tokio::test]
async fn who_is_asked_for_a_session_of_nobody_adopts_it_at_once() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.livestream(true).await;
    let answer = post(cluster.addr, &format!("{WHEP}/{room}"), None, &offer("")).await;
    let (bus, store) = (cluster.bus.clone(), cluster.store.clone());
    drop(cluster);
    while !store.list(key::COORDINATORS).await.unwrap().entries.is_empty() {
        tokio::task::yield_now().await;
    }
    // Whoever begins now knows nothing but the store.
    let later = Cluster::join(bus, store, &[]).await;
    let ended = send(later.addr, "DELETE", answer.header("location"), &[], String::new()).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    worker.until(|order| matches!(order, Order::CloseSession { .. })).await;
    assert_eq!(worker.heard(|order| matches!(order, Order::AdoptSession { .. })), 1);
}

#[tokio::test]
async fn an_encoder_joins_a_meeting_with_the_token_of_a_peer() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let room = cluster.create_room().await;
    let (id, token) = cluster.add_peer(&room).await;
    let mut socket = Peer::join(&cluster.socket_url(), &token).await;
    assert_eq!(post(cluster.addr, WHIP, Some(&token), &offer("")).await.status, 201);
    assert_eq!(socket.closed().await, (1000, "invalid token".to_owned()), "it is the same peer");
    let sessions: Vec<_> = worker.heard.lock().unwrap().iter().filter_map(|order| opened(order).cloned()).collect();
    let [_, session] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((session.peer.as_str(), session.client), (id.as_str(), Client::OneOffer));
    assert_eq!(session.rights, Rights { publish: true, subscribe: false });
    let shown = cluster.get(&cluster.api(&format!("/room/{room}"))).await;
    assert_eq!(shown.json["data"]["peers"][0]["status"], "connected");
}

#[tokio::test]
async fn a_worker_that_is_gone_or_silent_is_waited_for_but_not_for_ever() {
    let cluster = Cluster::start_with(&[]).await;
    let worker = cluster.worker("w1", 1).await;
    let (silent, gone) = (cluster.livestream(false).await, cluster.livestream(false).await);
    let (one, two) = (cluster.token(&silent, "viewer").await, cluster.token(&gone, "viewer").await);
    let late = post(cluster.addr, WHEP, Some(&one), &offer("silence")).await;
    assert_eq!(late.verdict(), (504, "worker_silent"));
    drop(worker);
    let nowhere = post(cluster.addr, WHEP, Some(&two), &offer("")).await;
    assert_eq!(nowhere.verdict(), (503, "no_worker"), "{}", nowhere.text);
    assert!(!nowhere.header("retry-after").is_empty());
    assert_eq!(cluster.metric("velella_coordinator_resources"), 0.0);
}

#[tokio::test]
async fn pages_of_other_origins_may_do_all_that() {
    let cluster = Cluster::start().await;
    let asks = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type,if-match"),
    ];
    let allowed = send(cluster.addr, "OPTIONS", "/api/v1/live/api/resource/x", &asks, String::new()).await;
    for method in ["POST", "PATCH", "DELETE", "OPTIONS"] {
        assert!(allowed.header("access-control-allow-methods").contains(method), "{method}");
    }
    for name in ["authorization", "content-type", "if-match"] {
        assert!(allowed.header("access-control-allow-headers").contains(name), "{name}");
    }
    let room = cluster.livestream(true).await;
    let headers = [("origin", "https://elsewhere.example"), ("content-type", "application/sdp")];
    let answer = send(cluster.addr, "POST", &format!("{WHEP}/{room}"), &headers, offer("")).await;
    for name in ["location", "link", "etag"] {
        assert!(answer.header("access-control-expose-headers").contains(name), "{name}");
    }
}
