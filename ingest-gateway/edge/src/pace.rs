//! Whether a connection still takes what it asked for, and still asks.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What happened on a connection lately.
#[derive(Debug)]
pub(crate) struct Pace {
    begun: Instant,
    /// Milliseconds since then: when something was asked or answered, when an answer was taken on, when the socket took
    /// bytes.
    busy_at: AtomicU64,
    taken_at: AtomicU64,
    written_at: AtomicU64,
    requests: AtomicUsize,
    deliveries: AtomicUsize,
    blocked: AtomicBool,
    bytes: IntCounter,
}

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It takes nothing of what it asked for.
    Slow,
    /// It asks for nothing.
    Idle,
    /// It speaks no TLS, or too slowly.
    Tls,
}

impl Pace {
    /// Of a new connection; counts what is sent.
    pub(crate) fn new(bytes: IntCounter) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            busy_at: AtomicU64::new(0),
            taken_at: AtomicU64::new(0),
            written_at: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            deliveries: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            bytes,
        })
    }

    /// Why the connection is to be cut now, if it is.
    pub(crate) fn verdict(&self, slow: Duration, idle: Duration) -> Option<Cut> {
        let now = self.now();
        let past = |since: &AtomicU64, patience: Duration| {
            u128::from(now.saturating_sub(since.load(Relaxed))) >= patience.as_millis()
        };
        let delivers = self.deliveries.load(Relaxed) > 0;
        let full = self.blocked.load(Relaxed);
        if (delivers && past(&self.taken_at, slow)) || (full && past(&self.written_at, slow)) {
            return Some(Cut::Slow);
        }
        let quiet = !delivers && self.requests.load(Relaxed) == 0;
        (quiet && past(&self.busy_at, idle)).then_some(Cut::Idle)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self, at: &AtomicU64) {
        at.store(self.now(), Relaxed);
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(crate) struct Asking(Arc<Pace>);

impl Asking {
    pub(crate) fn begin(pace: &Arc<Pace>) -> Self {
        pace.requests.fetch_add(1, Relaxed);
        Self(Arc::clone(pace))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.touch(&self.0.busy_at);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Delivery(Arc<Pace>);

impl Delivery {
    pub(crate) fn begin(pace: &Arc<Pace>) -> Self {
        pace.touch(&pace.taken_at);
        pace.deliveries.fetch_add(1, Relaxed);
        Self(Arc::clone(pace))
    }

    /// So many bytes of it were taken.
    pub(crate) fn taken(&self, bytes: usize) {
        self.0.touch(&self.0.taken_at);
        self.0.bytes.inc_by(bytes as u64);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.0.touch(&self.0.busy_at);
        self.0.deliveries.fetch_sub(1, Relaxed);
    }
}

/// A stream that tells when it takes no more bytes.
pub(crate) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S: Unpin> Paced<S> {
    pub(crate) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self { stream, pace }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut S> {
        Pin::new(&mut self.get_mut().stream)
    }

    fn wrote<T>(pace: &Pace, wrote: Poll<T>) -> Poll<T> {
        if wrote.is_pending() {
            // Time counts from the moment at which it stops.
            if !pace.blocked.swap(true, Relaxed) {
                pace.touch(&pace.written_at);
            }
        } else {
            pace.blocked.store(false, Relaxed);
        }
        wrote
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = self.as_mut().stream().poll_write(cx, bytes);
        Self::wrote(&self.pace, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().stream().poll_flush(cx);
        Self::wrote(&self.pace, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = self.as_mut().stream().poll_write_vectored(cx, parts);
        Self::wrote(&self.pace, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn pace() -> Arc<Pace> {
        Pace::new(IntCounter::new("n", "n").unwrap())
    }

    #[test]
    fn who_asks_nothing_is_idle_and_who_waits_is_not() {
        let pace = pace();
        assert_eq!(pace.verdict(LONG, Duration::ZERO), Some(Cut::Idle));
        let asking = Asking::begin(&pace);
        assert_eq!(pace.verdict(Duration::ZERO, Duration::ZERO), None);
        drop(asking);
        assert_eq!(pace.verdict(LONG, LONG), None);
    }

    #[test]
    fn who_takes_nothing_of_an_answer_is_slow() {
        let pace = pace();
        let delivery = Delivery::begin(&pace);
        assert_eq!(pace.verdict(Duration::ZERO, LONG), Some(Cut::Slow));
        delivery.taken(5);
        assert_eq!((pace.verdict(LONG, Duration::ZERO), pace.bytes.get()), (None, 5));
        drop(delivery);
        assert_eq!(pace.verdict(Duration::ZERO, LONG), None);
    }

    #[tokio::test]
    async fn a_socket_that_is_full_is_slow_until_it_takes_more() {
        let pace = pace();
        let (near, far) = tokio::io::duplex(4);
        let mut near = Paced::new(near, Arc::clone(&pace));
        near.write_all(b"four").await.unwrap();
        assert_eq!(pace.verdict(Duration::ZERO, LONG), None);
        tokio::select! {
            biased;
            _ = near.write_all(b"more") => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(pace.verdict(Duration::ZERO, LONG), Some(Cut::Slow));
        drop(far);
        let _ = near.write_all(b"more").await;
        assert_eq!(pace.verdict(Duration::ZERO, LONG), None);
    }
}
