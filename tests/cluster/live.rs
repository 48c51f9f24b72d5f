//! A WHIP client that nothing but HTTP tells what becomes of its stream.

use crate::cluster::{Cluster, Coordinator, Live, eventually};

const WHIP: &str = "/api/v1/live/api/whip";

/// As an encoder makes it; nobody sends anything.
const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=mid:0\r\na=sendonly\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=rtpmap:111 opus/48000/2\r\na=ssrc:1 cname:x\r\n";

fn whip(at: &Coordinator, token: &str) -> Live {
    let authorization = format!("Bearer {token}");
    at.live("POST", WHIP, &[("content-type", "application/sdp"), ("authorization", &authorization)], OFFER)
}

fn delete(at: &Coordinator, resource: &str) -> u16 {
    at.live("DELETE", resource, &[], "").status
}

#[tokio::test]
async fn who_streams_is_let_in_again_when_its_worker_is_killed() {
    let mut cluster = Cluster::start().await;
    let [a, b] = &cluster.coordinators;
    let (room, token) = a.create_livestream().unwrap();
    let first = whip(a, &token);
    assert_eq!(first.status, 201, "{}", first.text);
    let before = eventually("B knows the room", || b.placement(&room)).await;

    cluster.worker(&before.worker).kill();
    let [a, b] = &cluster.coordinators;
    let again = whip(a, &token);
    assert_eq!(again.status, 201, "{}", again.text);
    let after = eventually("the room has moved", || b.placement(&room).filter(|now| now.worker != before.worker)).await;
    assert!(after.generation > before.generation);
    assert_eq!((delete(b, &first.location), delete(b, &again.location)), (404, 200));
}

#[tokio::test]
async fn any_coordinator_serves_a_resource_also_of_one_that_is_killed() {
    let mut cluster = Cluster::start().await;
    let [a, b] = &mut cluster.coordinators;
    let (_, token) = a.create_livestream().unwrap();
    let opened = whip(a, &token);
    assert_eq!(opened.status, 201, "{}", opened.text);
    let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", "*")];
    let restart = "a=ice-ufrag:efgh\r\na=ice-pwd:zyxwvutsrqponmlkjihgfedc\r\n";
    let restarted = b.live("PATCH", &opened.location, &headers, restart);
    assert_eq!(restarted.status, 200, "{}", restarted.text);
    let ufrag = |text: &str| text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned();
    assert_ne!(ufrag(&restarted.text), ufrag(&opened.text));
    assert!(restarted.text.contains("a=candidate:"), "{}", restarted.text);

    a.kill();
    let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", "*")];
    let again =
        b.live("PATCH", &opened.location, &headers, "a=ice-ufrag:ijkl\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n");
    assert_eq!(again.status, 200, "{}", again.text);
    assert_ne!(ufrag(&again.text), ufrag(&restarted.text));
    assert_eq!((delete(b, &opened.location), delete(b, &opened.location)), (200, 404));
    let returned = whip(b, &token);
    assert_eq!(returned.status, 201, "{}", returned.text);
}
