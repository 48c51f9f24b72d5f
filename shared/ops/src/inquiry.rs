//! Questions about the present state of a service, which the admin port passes on.
//!
//! Metrics carry no ids of rooms; who looks for one room, or checks the whole cluster, asks here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions that wait for one service; further ones are refused.
const QUESTIONS_MAX: usize = 16;

/// Whoever takes it sends the state of the moment back.
pub type Question = oneshot::Sender<Value>;

/// The services of a process that can be asked. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Inquiries {
    services: Arc<Mutex<Vec<mpsc::Sender<Question>>>>,
}

impl Inquiries {
    /// Nobody to ask yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The questions to one more service; once for each, at its start.
    pub fn open(&self) -> mpsc::Receiver<Question> {
        let (sender, receiver) = mpsc::channel(QUESTIONS_MAX);
        self.services.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// What every service says, in the order of their start; `None` when one has no time for it.
    pub(crate) async fn ask(&self) -> Option<Vec<Value>> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answers = Vec::new();
        for service in services {
            let (question, answer) = oneshot::channel();
            service.try_send(question).ok()?;
            answers.push(tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()?);
        }
        Some(answers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn everybody_is_asked_and_one_who_is_gone_spoils_the_answer() {
        let inquiries = Inquiries::new();
        assert_eq!(inquiries.ask().await, Some(vec![]));
        let mut questions = [inquiries.open(), inquiries.open()];
        let answering = async {
            for (n, questions) in questions.iter_mut().enumerate() {
                questions.recv().await.unwrap().send(json!({ "n": n })).unwrap();
            }
        };
        let (answers, ()) = tokio::join!(inquiries.ask(), answering);
        assert_eq!(answers, Some(vec![json!({ "n": 0 }), json!({ "n": 1 })]));
        drop(questions);
        assert_eq!(inquiries.ask().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_busy_is_not_waited_for() {
        let inquiries = Inquiries::new();
        let _questions = inquiries.open();
        assert_eq!(inquiries.ask().await, None);
    }
}
