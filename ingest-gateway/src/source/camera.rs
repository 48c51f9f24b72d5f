//! A camera that is asked for its stream.

use std::time::Duration;

use velella_gateway_core::Published;
use velella_guard::SourceUrl;
use velella_media::VideoCodec;
use velella_model::component::RtspSpec;
use velella_model::record::Sealed;
use velella_rtsp::{Camera, Discontinuity, Error, Event, Medium, Options, Track, Transport};

use super::outlet::{Aside, Outlet};
use super::sub_stream::SubStream;
use super::{End, Means};

/// What Fishjam says when nobody asked for a port. Taken at its word, one gateway could watch one camera.
const RTP_PORT_DEFAULT: u16 = 20_000;

/// How often it is looked whether pictures come that nobody can decode.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Watches it until it ends or nobody wants more of it.
pub(super) async fn watch(spec: RtspSpec, key: &str, means: Means, mut outlet: Outlet) -> End {
    let unsealed = unseal(&spec.source, key, &means)
        .and_then(|url| Ok((url, spec.sub.as_ref().map(|sub| unseal(&sub.source, key, &means)).transpose()?)));
    let (url, sub_url) = match unsealed {
        Ok(urls) => urls,
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
    let published = published(camera.tracks(), sub_url.is_some());
    let mut sub = sub_url.filter(|_| published.sub).map(|url| {
        // A port that was asked for is taken by the first stream.
        let options = Options { rtp_port: None, ..options };
        SubStream::new(url, means.guard.clone(), options, Duration::from_millis(spec.reconnect_delay_ms.into()))
    });
    let end = match outlet.describe(published).await {
        Ok(()) => {
            let aside = outlet.aside();
            tokio::select! {
                end = pass_on(&mut camera, &mut outlet) => end,
                end = beside(sub.as_mut(), aside) => end,
            }
        }
        Err(end) => end,
    };
    // Old cameras refuse the next session until this one is over.
    tokio::join!(camera.close(), async {
        if let Some(sub) = &mut sub {
            sub.close().await;
        }
    });
    end
}

async fn beside(sub: Option<&mut SubStream>, outlet: Aside) -> End {
    match sub {
        Some(sub) => sub.watch(outlet).await,
        None => std::future::pending().await,
    }
}

async fn pass_on(camera: &mut Camera, outlet: &mut Outlet) -> End {
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let (mut lost, mut undecodable) = (0, 0);
    loop {
        let event = tokio::select! {
            event = camera.next() => event,
            () = outlet.closed() => return End::closed(),
            _ = look.tick() => {
                let stats = camera.stats();
                let before = std::mem::replace(&mut lost, stats.lost);
                if lost > before && let Err(end) = outlet.tell(super::Event::Lost(lost - before)).await {
                    return end;
                }
                let before = std::mem::replace(&mut undecodable, stats.undecodable);
                if undecodable > before && let Err(end) = outlet.tell(super::Event::Undecodable).await {
                    return end;
                }
                continue;
            }
        };
        let passed_on = match event {
            Ok(Event::Frame(frame)) => outlet.give(frame).await,
            Ok(Event::ParameterSetsMissing) => {
                tracing::warn!("the camera sends pictures without the parameter sets that they need; waiting for them");
                Ok(())
            }
            Ok(Event::Discontinuity(medium, reason)) => {
                note(medium, reason);
                match (medium, reason) {
                    (Medium::Video, Discontinuity::Loss) => outlet.tell(super::Event::PictureLost).await,
                    (Medium::Video | Medium::Audio, _) => Ok(()),
                }
            }
            Err(error) => return ended(&error),
        };
        if let Err(end) = passed_on {
            return end;
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

fn unseal(source: &Sealed, key: &str, means: &Means) -> Result<SourceUrl, End> {
    let unreadable = || {
        End::for_good(
            "sealed",
            "This gateway cannot read the address of the camera: give it the secret that the coordinators have.",
        )
    };
    let opened = means.seal.as_ref().and_then(|seal| seal.open(key, source)).ok_or_else(unreadable)?;
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

fn published(tracks: &[Track], has_sub: bool) -> Published {
    let mut published = Published { video: None, sub: false, audio: false };
    for track in tracks {
        match track {
            Track::Video(codec) => published.video = Some(*codec),
            Track::Audio(_) => published.audio = true,
        }
    }
    published.sub = has_sub && published.video == Some(VideoCodec::H264);
    published
}

/// An error as the end that it is.
pub(super) fn ended(error: &Error) -> End {
    let sentence = format!("{}.", capitalised(&error.to_string()));
    if error.is_retryable() { End::for_now(error.code(), sentence) } else { End::for_good(error.code(), sentence) }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
