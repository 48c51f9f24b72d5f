//! What workers hold.

use velella_model::wire::holding::Holding;
use velella_model::{Generation, Incarnation, RoomId, WorkerId};

#[test]
fn holdings_keep_their_form() {
    let holding = Holding {
        worker: WorkerId::parse("w1").unwrap(),
        incarnation: Incarnation(1),
        rooms: vec![(RoomId::parse("r1").unwrap(), Generation(7))],
    };
    crate::holds("holding", &[("one room", holding)]);
}
