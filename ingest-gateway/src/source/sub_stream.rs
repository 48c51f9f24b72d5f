//! The second stream of a camera: watched beside the first, and watched again when it ends. The first one goes on
//! whatever this one does.

use std::time::{Duration, Instant};

use velella_gateway_core::Backoff;
use velella_guard::{Guard, SourceUrl};
use velella_media::{Frame, VideoCodec};
use velella_model::component::Trouble;
use velella_rtsp::{Camera, Discontinuity, Event as Given, Medium, Options, Track};

use super::camera::ended;
use super::outlet::Aside;
use super::{End, Event};

/// Wait before it is opened again after its first failure.
const REOPEN_FIRST: Duration = Duration::from_millis(500);

/// A stream that has played for so long works: the next failure is the first again.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

/// The second stream of a camera.
pub(super) struct SubStream {
    url: SourceUrl,
    guard: Guard,
    options: Options,
    backoff: Backoff,
    /// While it plays.
    camera: Option<Camera>,
}

impl SubStream {
    /// Nothing happens before it is watched. At most so long is waited between attempts.
    pub(super) fn new(url: SourceUrl, guard: Guard, options: Options, wait_max: Duration) -> Self {
        // Cameras that are behind one switch fail together, so each has a lot of its own.
        let seed = aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new());
        let seed = seed.map_or(1, |random| u64::from_le_bytes(random.expose()));
        let backoff = Backoff::new(REOPEN_FIRST.min(wait_max), wait_max, seed);
        Self { url, guard, options, backoff, camera: None }
    }

    /// Watches it until nobody wants more. May be dropped at any time; then close it.
    pub(super) async fn watch(&mut self, outlet: Aside) -> End {
        loop {
            let End { trouble, retry } = match self.attend(&outlet).await {
                Ok(end) => end,
                Err(closed) => return closed,
            };
            tracing::info!(code = trouble.code, reason = trouble.sentence, retry, "the second stream ended");
            if let Err(closed) = outlet.clone().tell(Event::SubEnded(of_second(&trouble))).await {
                return closed;
            }
            if !retry {
                return std::future::pending().await;
            }
            tokio::time::sleep(self.backoff.failed()).await;
        }
    }

    /// Says farewell, where it plays.
    pub(super) async fn close(&mut self) {
        if let Some(camera) = self.camera.take() {
            camera.close().await;
        }
    }

    /// From its opening to its end; an error when nobody wants more.
    async fn attend(&mut self, outlet: &Aside) -> Result<End, End> {
        let camera = match Camera::open(&self.url, &self.guard, &self.options).await {
            Ok(camera) => self.camera.insert(camera),
            Err(error) => return Ok(ended(&error)),
        };
        let opened = Instant::now();
        let end = if camera.tracks().contains(&Track::Video(VideoCodec::H264)) {
            outlet.clone().tell(Event::SubOpened).await?;
            pass_on(camera, outlet).await?
        } else {
            End::for_good("codec_unsupported", "It sends no H.264.")
        };
        if opened.elapsed() >= PROVEN_AFTER {
            self.backoff.succeeded();
        }
        self.close().await;
        Ok(end)
    }
}

/// Its pictures; sound comes with the first stream.
async fn pass_on(camera: &mut Camera, outlet: &Aside) -> Result<End, End> {
    loop {
        let event = match camera.next().await {
            Ok(Given::Frame(Frame::Video(picture))) if picture.reordered => {
                return Ok(End::for_good("b_frames", "It holds B-frames, which browsers cannot show without delay."));
            }
            Ok(Given::Frame(Frame::Video(picture))) => Event::SubPicture(picture),
            Ok(Given::Discontinuity(Medium::Video, Discontinuity::Loss)) => Event::SubPictureLost,
            Ok(Given::Frame(Frame::Audio(_)) | Given::Discontinuity(..) | Given::ParameterSetsMissing) => continue,
            Err(error) => return Ok(ended(&error)),
        };
        outlet.clone().tell(event).await?;
    }
}

/// As people are told of it, who see that the first stream works.
fn of_second(trouble: &Trouble) -> Trouble {
    Trouble {
        code: format!("sub_{}", trouble.code),
        sentence: format!("Of the second stream of the camera: {}", trouble.sentence),
    }
}
