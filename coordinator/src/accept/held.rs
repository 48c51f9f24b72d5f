//! A stream that something hears the end of, whoever owns it then: an upgraded connection passes
//! from the HTTP server to a socket's own task.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(super) struct Held<S> {
    stream: S,
    _token: TaskTrackerToken,
}

impl<S: Unpin> Held<S> {
    pub(super) fn new(stream: S, token: TaskTrackerToken) -> Self {
        Self { stream, _token: token }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut S> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::task::TaskTracker;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_and_the_end_is_heard() {
        let streams = TaskTracker::new();
        let (near, mut far) = tokio::io::duplex(64);
        let mut held = Held::new(near, streams.token());
        held.write_all(b"there").await.unwrap();
        let mut there = [0; 5];
        far.read_exact(&mut there).await.unwrap();
        assert_eq!((&there, streams.is_empty()), (b"there", false));

        drop(held);
        streams.close();
        streams.wait().await;
    }
}
