//! A camera that is asked for its stream.

use std::time::Duration;

use velella_gateway_core::Published;
use velella_guard::SourceUrl;
use velella_model::component::RtspSpec;
use velella_rtsp::{Camera, Discontinuity, Error, Event, Medium, Options, Track, Transport};

use super::{End, Means, Outlet};

/// What Fishjam says when nobody asked for a port. Taken at its word, one gateway could watch one camera.
const RTP_PORT_DEFAULT: u16 = 20_000;

/// Watches it until it ends or nobody wants more of it.
pub(super) async fn watch(spec: RtspSpec, key: &str, means: Means, mut outlet: Outlet) -> End {
    let url = match unseal(&spec, key, &means) {
        Ok(url) => url,
        Err(end) => return end,
    };
    let options = options(&spec, &means);
    let opened = tokio::select! {
        opened = Camera::open(&url, &means.guard, &options) => opened,
        () = outlet.closed() => return End::closed(),
    };
    let mut camera = match opened {
        Ok(camera) => camera,
        Err(error) => return ended(&error),
    };
    let end = match outlet.describe(published(camera.tracks())).await {
        Ok(()) => pass_on(&mut camera, &mut outlet).await,
        Err(end) => end,
    };
    // Old cameras refuse the next session until this one is over.
    camera.close().await;
    end
}

async fn pass_on(camera: &mut Camera, outlet: &mut Outlet) -> End {
    let mut lost = 0;
    loop {
        let event = tokio::select! {
            event = camera.next() => event,
            () = outlet.closed() => return End::closed(),
        };
        let before = std::mem::replace(&mut lost, camera.stats().lost);
        if lost > before
            && let Err(end) = outlet.lost(lost - before).await
        {
            return end;
        }
        match event {
            Ok(Event::Frame(frame)) => {
                if let Err(end) = outlet.give(frame).await {
                    return end;
                }
            }
            Ok(Event::ParameterSetsMissing) => {
                tracing::warn!("the camera sends pictures without the parameter sets that they need; waiting for them");
            }
            Ok(Event::Discontinuity(medium, reason)) => note(medium, reason),
            Err(error) => return ended(&error),
        }
    }
}

/// Losses are counted by the camera, and are too many to be told one by one.
fn note(medium: Medium, reason: Discontinuity) {
    match reason {
        Discontinuity::Loss => tracing::debug!(?medium, "a part was lost on the way from the camera"),
        Discontinuity::Jump { .. } | Discontinuity::Resynchronised { .. } => {
            tracing::info!(?medium, ?reason, "the camera's clock moved");
        }
    }
}

fn unseal(spec: &RtspSpec, key: &str, means: &Means) -> Result<SourceUrl, End> {
    let unreadable = || {
        End::for_good(
            "sealed",
            "This gateway cannot read the address of the camera: give it the secret that the coordinators have.",
        )
    };
    let opened = means.seal.as_ref().and_then(|seal| seal.open(key, &spec.source)).ok_or_else(unreadable)?;
    let text = String::from_utf8(opened).map_err(|_| unreadable())?;
    text.parse::<SourceUrl>().map_err(|error| End::for_good("bad_url", error.to_string()))
}

fn options(spec: &RtspSpec, means: &Means) -> Options {
    let keep_alive = Duration::from_millis(spec.keep_alive_interval_ms.into());
    Options {
        transport: Transport::Automatic,
        tls: means.tls.clone(),
        keep_alive: Some(keep_alive).filter(|every| !every.is_zero()),
        rtp_port: Some(spec.rtp_port).filter(|port| ![0, RTP_PORT_DEFAULT].contains(port)),
        pierce_nat: spec.pierce_nat,
        ..Options::default()
    }
}

fn published(tracks: &[Track]) -> Published {
    let mut published = Published { video: None, audio: false };
    for track in tracks {
        match track {
            Track::Video(codec) => published.video = Some(*codec),
            Track::Audio(_) => published.audio = true,
        }
    }
    published
}

fn ended(error: &Error) -> End {
    let sentence = format!("{}.", capitalised(&error.to_string()));
    if error.is_retryable() { End::for_now(error.code(), sentence) } else { End::for_good(error.code(), sentence) }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
