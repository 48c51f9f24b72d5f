//! Cameras as they are: GStreamer's server, as real as cameras get here, and scripted ones that do
//! what no server should.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod gstreamer;
mod hostile;
mod real;
mod scripted;

use std::time::Duration;

use velella_guard::{Guard, Policy};
use velella_media::{Frame, Picture, Sound};
use velella_rtsp::{Camera, Error, Event, Options};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets loopback be reached, where all cameras of these tests are.
fn guard() -> Guard {
    Guard::new(Policy { allow: ["127.0.0.0/8", "::1"].map(|range| range.parse().unwrap()).to_vec() })
}

async fn open(url: &str, options: &Options) -> Result<Camera, Error> {
    let (url, guard) = (url.parse().unwrap(), guard());
    tokio::time::timeout(PATIENCE, Camera::open(&url, &guard, options)).await.expect("opening a camera ends")
}

async fn refused(url: &str, options: &Options) -> Error {
    match open(url, options).await {
        Ok(camera) => panic!("the camera plays {:?}", camera.tracks()),
        Err(error) => error,
    }
}

async fn next(camera: &mut Camera) -> Result<Event, Error> {
    tokio::time::timeout(PATIENCE, camera.next()).await.expect("a camera gives something")
}

/// What a camera gives until there are this many pictures and pieces of sound.
async fn watch(camera: &mut Camera, pictures: usize, sounds: usize) -> Watched {
    let mut watched = Watched::default();
    while watched.pictures.len() < pictures || watched.sounds.len() < sounds {
        match next(camera).await.expect("the camera plays") {
            Event::Frame(Frame::Video(picture)) => watched.pictures.push(picture),
            Event::Frame(Frame::Audio(sound)) => watched.sounds.push(sound),
            other @ (Event::ParameterSetsMissing | Event::Discontinuity(..)) => watched.others.push(other),
        }
    }
    watched
}

#[derive(Debug, Default)]
struct Watched {
    pictures: Vec<Picture>,
    sounds: Vec<Sound>,
    others: Vec<Event>,
}

/// Milliseconds from each time to the next.
fn steps(times: impl Iterator<Item = velella_media::MediaTime>) -> Vec<f64> {
    let times: Vec<_> = times.collect();
    #[expect(clippy::cast_precision_loss, reason = "some milliseconds")]
    times.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 / 1e6).collect()
}
