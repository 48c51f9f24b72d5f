//! Somebody who makes rooms all the time, whatever goes wrong, and remembers what was promised.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cluster::{create_room, made};
use crate::front::FRONT;
use crate::http::Answer;

/// Wait between an answer and the next question.
const EVERY: Duration = Duration::from_millis(500);

/// What the answers were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    /// Rooms that were acknowledged: they must stay.
    pub(crate) rooms: BTreeSet<String>,
    /// Clear refusals.
    pub(crate) refused: usize,
    /// Neither, and so either: nobody answered.
    pub(crate) unclear: usize,
    /// Answers that no client could make sense of.
    pub(crate) odd: Vec<String>,
}

pub(crate) struct Customer {
    orders: Arc<Mutex<Orders>>,
    ordering: JoinHandle<()>,
}

impl Customer {
    pub(crate) fn start() -> Self {
        let orders = Arc::new(Mutex::new(Orders::default()));
        let ordering = tokio::spawn(order_on(Arc::clone(&orders)));
        Self { orders, ordering }
    }

    pub(crate) fn stop(self) -> Orders {
        self.ordering.abort();
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Orders {
    fn note(&mut self, answer: std::io::Result<Answer>) {
        match answer {
            Ok(answer) if answer.status == 503 => self.refused += 1,
            Ok(answer) => match made(&answer) {
                Some(room) => self.rooms.extend([room]),
                None => self.odd.push(format!("{} {}", answer.status, answer.body)),
            },
            Err(_) => self.unclear += 1,
        }
    }
}

async fn order_on(orders: Arc<Mutex<Orders>>) {
    loop {
        let answer = create_room(FRONT).await;
        orders.lock().unwrap_or_else(PoisonError::into_inner).note(answer);
        tokio::time::sleep(EVERY).await;
    }
}
