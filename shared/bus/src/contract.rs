//! What every bus promises: one function per rule, run for each kind.
//!
//! Subjects are fresh for each rule, so that a shared server can be under test too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Bus, BusError, PAYLOAD_BYTES_MAX, SUBSCRIPTION_MESSAGES_MAX, Subscription};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks every rule, each through new handles on the same bus.
pub(crate) async fn holds<B: Bus>(bus: impl AsyncFn() -> B) {
    messages_of_one_publisher_arrive_in_order(&bus().await).await;
    what_is_subscribed_is_heard_from_every_handle(&bus().await, &bus().await).await;
    everyone_subscribed_gets_a_copy(&bus().await).await;
    wildcards_receive_what_they_cover(&bus().await).await;
    a_publish_without_listeners_is_no_error(&bus().await).await;
    a_reply_reaches_the_one_who_asked(&bus().await).await;
    a_request_to_nobody_fails_at_once(&bus().await).await;
    a_request_to_the_silent_times_out(&bus().await).await;
    a_dropped_subscription_is_no_responder(&bus().await).await;
    what_is_too_large_is_refused(&bus().await).await;
    a_slow_subscriber_loses_counts_and_stalls_nobody(&bus().await).await;
}

async fn messages_of_one_publisher_arrive_in_order(bus: &dyn Bus) {
    let subject = fresh("order");
    let mut subscription = bus.subscribe(&subject).await.unwrap();
    for n in 0..1_000 {
        bus.publish(&subject, number(n)).await.unwrap();
    }
    for n in 0..1_000 {
        assert_eq!(next(&mut subscription).await, number(n));
    }
}

/// Over a network, a subscription takes a moment to arrive; messages must not overtake it.
async fn what_is_subscribed_is_heard_from_every_handle(here: &dyn Bus, there: &dyn Bus) {
    for n in 0..100 {
        let subject = fresh("handles");
        let mut subscription = here.subscribe(&subject).await.unwrap();
        there.publish(&subject, number(n)).await.unwrap();
        assert_eq!(next(&mut subscription).await, number(n));
    }
}

async fn everyone_subscribed_gets_a_copy(bus: &dyn Bus) {
    let subject = fresh("copies");
    let mut one = bus.subscribe(&subject).await.unwrap();
    let mut other = bus.subscribe(&subject).await.unwrap();
    bus.publish(&subject, number(1)).await.unwrap();
    assert_eq!(next(&mut one).await, number(1));
    assert_eq!(next(&mut other).await, number(1));
}

async fn wildcards_receive_what_they_cover(bus: &dyn Bus) {
    let root = fresh("wildcard");
    let mut one_token = bus.subscribe(&format!("{root}.*.end")).await.unwrap();
    let mut all_below = bus.subscribe(&format!("{root}.>")).await.unwrap();
    bus.publish(&root, number(0)).await.unwrap();
    bus.publish(&format!("{root}.a"), number(1)).await.unwrap();
    bus.publish(&format!("{root}.a.end"), number(2)).await.unwrap();
    bus.publish(&format!("{root}.a.b.end"), number(3)).await.unwrap();
    bus.publish(&format!("{root}.c.end"), number(4)).await.unwrap();
    for n in [2, 4] {
        assert_eq!(next(&mut one_token).await, number(n));
    }
    for n in [1, 2, 3, 4] {
        assert_eq!(next(&mut all_below).await, number(n));
    }
}

async fn a_publish_without_listeners_is_no_error(bus: &dyn Bus) {
    assert_eq!(bus.publish(&fresh("unheard"), number(1)).await, Ok(()));
}

async fn a_reply_reaches_the_one_who_asked(bus: &dyn Bus) {
    let subject = fresh("reply");
    let mut questions = bus.subscribe(&subject).await.unwrap();
    let ask = |n| bus.request(&subject, number(n), PATIENCE);
    let answer_both_swapped_in_time = async {
        let first = questions.next().await.unwrap();
        let second = questions.next().await.unwrap();
        for question in [second, first] {
            bus.publish(&question.reply.unwrap(), question.payload).await.unwrap();
        }
    };
    let (one, two, ()) = tokio::join!(ask(1), ask(2), answer_both_swapped_in_time);
    assert_eq!((one, two), (Ok(number(1)), Ok(number(2))));
}

async fn a_request_to_nobody_fails_at_once(bus: &dyn Bus) {
    let subject = fresh("nobody");
    let asked = Instant::now();
    let answer = bus.request(&subject, number(1), PATIENCE).await;
    assert_eq!(answer, Err(BusError::NoResponders { subject }));
    assert!(asked.elapsed() < PATIENCE / 2);
}

async fn a_request_to_the_silent_times_out(bus: &dyn Bus) {
    let subject = fresh("silent");
    let _silent = bus.subscribe(&subject).await.unwrap();
    let timeout = Duration::from_millis(20);
    let answer = bus.request(&subject, number(1), timeout).await;
    assert_eq!(answer, Err(BusError::TimedOut { subject, timeout }));
}

async fn a_dropped_subscription_is_no_responder(bus: &dyn Bus) {
    let subject = fresh("dropped");
    drop(bus.subscribe(&subject).await.unwrap());
    let dropped = Instant::now();
    // A bus behind a network may take a moment to hear of it.
    while bus.request(&subject, number(1), Duration::from_millis(20)).await
        != Err(BusError::NoResponders { subject: subject.clone() })
    {
        assert!(dropped.elapsed() < PATIENCE, "the subscription is still there");
    }
}

async fn what_is_too_large_is_refused(bus: &dyn Bus) {
    let subject = fresh("large");
    let mut subscription = bus.subscribe(&subject).await.unwrap();
    let largest = Bytes::from(vec![1; PAYLOAD_BYTES_MAX]);
    let too_large = Bytes::from(vec![1; PAYLOAD_BYTES_MAX + 1]);
    let refused = BusError::TooLarge { bytes: too_large.len() };
    assert_eq!(bus.publish(&subject, too_large.clone()).await, Err(refused.clone()));
    assert_eq!(bus.request(&subject, too_large, PATIENCE).await, Err(refused));
    bus.publish(&subject, largest.clone()).await.unwrap();
    assert_eq!(next(&mut subscription).await, largest);
}

async fn a_slow_subscriber_loses_counts_and_stalls_nobody(bus: &dyn Bus) {
    let subject = fresh("slow");
    let mut slow = bus.subscribe(&subject).await.unwrap();
    let mut quick = bus.subscribe(&subject).await.unwrap();
    let published = SUBSCRIPTION_MESSAGES_MAX as u64 + 1_000;
    for n in 0..published {
        bus.publish(&subject, number(n)).await.unwrap();
        assert_eq!(next(&mut quick).await, number(n));
    }
    assert_eq!(quick.lost(), 0);

    let lost = slow.lost();
    assert!(lost > 0, "more was published than a subscription holds");
    for n in 0..published - lost {
        assert_eq!(next(&mut slow).await, number(n), "the newest are lost, not the oldest");
    }
    bus.publish(&subject, number(published)).await.unwrap();
    assert_eq!(next(&mut slow).await, number(published), "it goes on once there is room again");
}

fn fresh(rule: &str) -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("contract.{}.{}.{rule}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed))
}

fn number(n: u64) -> Bytes {
    Bytes::from(n.to_string())
}

async fn next(subscription: &mut Subscription) -> Bytes {
    let delivery = tokio::time::timeout(PATIENCE, subscription.next()).await;
    delivery.expect("a message arrives in time").expect("the bus is open").payload
}
