//! Webhooks when coordinators die: nothing is missing, nothing overtakes, and one of them delivers.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Coordinator, eventually};
use crate::receiver::{Receiver, Taken};

/// Peers that are added before the leader dies, and after that.
const PEERS: usize = 3;

#[tokio::test]
async fn webhooks_outlive_their_leader_whether_the_receiver_refuses_or_is_away() {
    let (refusing, absent) = (Receiver::listening().await, Receiver::absent());
    refusing.refuse(true);
    let mut cluster = Cluster::start().await;
    let [leader, other] = cluster.leader_first().await;
    let rooms = [&refusing, &absent].map(|receiver| (receiver, other.create_room_for(&receiver.url()).unwrap()));
    rooms.iter().for_each(|(_, room)| add_peers(leader, room));
    eventually("the leader has tried", || (refusing.refused() > 1).then_some(())).await;

    leader.kill();
    // Nobody leads now; what happens goes to whoever will.
    rooms.iter().for_each(|(_, room)| add_peers(other, room));
    rooms.iter().for_each(|(_, room)| other.delete_room(room));
    refusing.refuse(false);
    eventually("B leads", || other.leads().filter(|leads| *leads)).await;
    absent.listen().await;
    for (receiver, room) in &rooms {
        let taken = eventually("the end is told", || ended(receiver, room)).await;
        assert_eq!(words(&in_order(taken)), life(2 * PEERS));
    }
}

#[tokio::test]
async fn each_webhook_is_sent_once_while_both_live_and_when_the_leader_ends_in_order() {
    let receiver = Receiver::listening().await;
    let mut cluster = Cluster::start().await;
    let [leader, other] = cluster.leader_first().await;
    let rooms = [&*leader, &*other].map(|coordinator| coordinator.create_room_for(&receiver.url()).unwrap());
    for room in &rooms {
        [&*leader, &*other].into_iter().for_each(|coordinator| add_peers(coordinator, room));
        eventually("all is told", || (receiver.of(room).len() > 2 * PEERS).then_some(())).await;
    }
    assert_eq!(other.metric("webhook_notifications_total"), Some(0.0), "it does not lead");

    leader.terminate().await;
    for room in &rooms {
        other.delete_room(room);
        let taken = eventually("the end is told", || ended(&receiver, room)).await;
        assert_eq!(words(&taken), life(2 * PEERS));
    }
    let all = receiver.taken();
    assert_eq!(all.len(), all.iter().map(|taken| taken.sequence).collect::<BTreeSet<_>>().len(), "none came twice");
    assert_eq!(other.metric("webhook_gaps_total"), Some(0.0));
}

fn add_peers(coordinator: &Coordinator, room: &str) {
    (0..PEERS).for_each(|_| coordinator.add_peer(room).unwrap());
}

/// All that came of a room, once its end came.
fn ended(receiver: &Receiver, room: &str) -> Option<Vec<Taken>> {
    Some(receiver.of(room)).filter(|taken| taken.last().is_some_and(|last| last.word == "room deleted"))
}

/// Without what came again; what is new must have a higher number.
fn in_order(taken: Vec<Taken>) -> Vec<Taken> {
    let mut seen: Vec<Taken> = Vec::new();
    for taken in taken {
        match seen.last().map(|last| last.sequence) {
            Some(last) if taken.sequence <= last => assert!(seen.contains(&taken), "{taken:?} comes late"),
            Some(_) | None => seen.push(taken),
        }
    }
    seen
}

fn words(taken: &[Taken]) -> Vec<&'static str> {
    taken.iter().map(|taken| taken.word).collect()
}

/// The whole life of a room with so many peers.
fn life(peers: usize) -> Vec<&'static str> {
    let peers = |word| vec![word; peers];
    [vec!["room created"], peers("peer added"), peers("peer deleted"), vec!["room deleted"]].concat()
}
