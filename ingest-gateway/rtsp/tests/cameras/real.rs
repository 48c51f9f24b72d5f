//! A real server, real encoders: each codec, each way, each login.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use velella_guard::Guard;
use velella_media::{AacConfig, AudioFormat, VideoCodec, nals_of_annexb};
use velella_rtsp::{Camera, Discontinuity, Error, Event, Options, Track, Transport};
use velella_servers::Ca;

use crate::gstreamer::GstCamera;
use crate::{Watched, open, refused, steps, watch};

fn over(transport: Transport) -> Options {
    Options { transport, ..Options::default() }
}

/// What must hold of pictures at 25 a second, whatever is busy here.
fn assert_pictures(watched: &Watched, codec: VideoCodec) {
    let first = &watched.pictures[0];
    assert!(first.keyframe, "the first picture decodes");
    let sets = if codec == VideoCodec::H264 { 2 } else { 3 };
    assert!(nals_of_annexb(&first.data).count() > sets, "it has its parameter sets");
    assert!(watched.pictures.iter().all(|picture| picture.codec == codec && !picture.reordered));
    let lost = watched.others.iter().any(|event| matches!(event, Event::Discontinuity(_, Discontinuity::Loss)));
    assert!(!lost, "{:?}", watched.others);
    for step in steps(watched.pictures.iter().map(|picture| picture.time)) {
        assert!((39.0..41.0).contains(&step), "{step} ms between pictures");
    }
}

fn assert_sound(watched: &Watched, format: AudioFormat, millis: f64) {
    assert!(watched.sounds.iter().all(|sound| sound.format == format && !sound.data.is_empty()));
    let steps = steps(watched.sounds.iter().map(|sound| sound.time));
    // Sound may be set right against the pictures once.
    let uneven = steps.iter().filter(|step| (*step - millis).abs() > 1.0).count();
    assert!(uneven <= 1, "{steps:?}");
}

/// Sound and pictures of the same time arrive at the same time.
fn assert_together(watched: &Watched) {
    let ends = [watched.pictures.last().unwrap().time.0, watched.sounds.last().unwrap().time.0];
    let apart = (ends[0] - ends[1]).abs() / 1_000_000;
    assert!(apart < 1_500, "{apart} ms apart");
}

#[tokio::test]
async fn h264_and_aac_over_tcp() {
    let server = GstCamera::start(&["--video", "h264", "--audio", "aac"]);
    let mut camera = open(&server.url("main"), &over(Transport::Tcp)).await.unwrap();
    let aac = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 });
    assert_eq!(camera.tracks(), [Track::Video(VideoCodec::H264), Track::Audio(aac)]);
    let watched = watch(&mut camera, 60, 80).await;
    assert_pictures(&watched, VideoCodec::H264);
    assert_sound(&watched, aac, 1_024_000.0 / 44_100.0);
    assert_together(&watched);
    assert!(watched.pictures.iter().filter(|picture| picture.keyframe).count() >= 2);
    camera.close().await;
}

#[tokio::test]
async fn h265_and_pcmu_over_udp() {
    let server = GstCamera::start(&["--video", "h265", "--audio", "pcmu", "--protocols", "udp"]);
    let mut camera = open(&server.url("main"), &over(Transport::Udp)).await.unwrap();
    let pcmu = AudioFormat::Pcmu { sample_rate_hz: 8_000 };
    assert_eq!(camera.tracks(), [Track::Video(VideoCodec::H265), Track::Audio(pcmu)]);
    let watched = watch(&mut camera, 60, 50).await;
    assert_pictures(&watched, VideoCodec::H265);
    assert!(watched.sounds.iter().all(|sound| sound.format == pcmu && !sound.data.is_empty()));
    assert_together(&watched);
    assert_eq!(camera.stats().foreign, 0);
    camera.close().await;
}

#[tokio::test]
async fn opus_and_pcma_alone() {
    // The server sends 1024 samples of G.711 at once.
    for (name, format, millis) in [
        ("opus", AudioFormat::Opus { channels: 2 }, 20.0),
        ("pcma", AudioFormat::Pcma { sample_rate_hz: 8_000 }, 128.0),
    ] {
        let server = GstCamera::start(&["--video", "none", "--audio", name]);
        let mut camera = open(&server.url("main"), &Options::default()).await.unwrap();
        assert_eq!(camera.tracks(), [Track::Audio(format)]);
        let watched = watch(&mut camera, 0, 30).await;
        assert_sound(&watched, format, millis);
        camera.close().await;
    }
}

#[tokio::test]
async fn parameter_sets_that_only_the_description_tells() {
    let server = GstCamera::start(&["--repeat", "0"]);
    let mut camera = open(&server.url("main"), &Options::default()).await.unwrap();
    assert_pictures(&watch(&mut camera, 30, 0).await, VideoCodec::H264);
    camera.close().await;
}

#[tokio::test]
async fn pictures_that_are_shown_before_earlier_ones_are_marked() {
    let server = GstCamera::start(&["--video", "h264-bframes"]);
    let mut camera = open(&server.url("main"), &Options::default()).await.unwrap();
    let pictures = watch(&mut camera, 50, 0).await.pictures;
    let back: Vec<_> = pictures.windows(2).map(|pair| pair[1].time < pair[0].time).collect();
    assert!(back.contains(&true), "times are those of showing");
    assert!(pictures.windows(2).zip(back).all(|(pair, back)| pair[1].reordered || !back));
    assert!(pictures.iter().all(|picture| !picture.reordered || !picture.keyframe));
    camera.close().await;
}

#[tokio::test]
async fn main_and_sub_stream_at_once() {
    let server = GstCamera::start(&[]);
    let mut main = open(&server.url("main"), &Options::default()).await.unwrap();
    let mut sub = open(&server.url("sub"), &Options::default()).await.unwrap();
    let (main, sub) = tokio::join!(watch(&mut main, 30, 0), watch(&mut sub, 30, 0));
    assert_pictures(&main, VideoCodec::H264);
    assert_pictures(&sub, VideoCodec::H264);
}

#[tokio::test]
async fn a_camera_that_refuses_udp_or_tcp_is_heard_the_other_way() {
    let server = GstCamera::start(&["--protocols", "tcp"]);
    let mut camera = open(&server.url("main"), &over(Transport::Automatic)).await.unwrap();
    assert_pictures(&watch(&mut camera, 10, 0).await, VideoCodec::H264);
    camera.close().await;
    let udp = refused(&server.url("main"), &over(Transport::Udp)).await;
    assert!(matches!(udp, Error::TransportRefused("UDP")), "{udp}");
    let server = GstCamera::start(&["--protocols", "udp"]);
    let tcp = refused(&server.url("main"), &over(Transport::Tcp)).await;
    assert!(matches!(tcp, Error::TransportRefused("TCP")), "{tcp}");
    let mut camera = open(&server.url("main"), &over(Transport::Automatic)).await.unwrap();
    assert_pictures(&watch(&mut camera, 10, 0).await, VideoCodec::H264);
}

#[tokio::test]
async fn a_login_is_digest_or_basic_with_any_character_in_it() {
    for kind in ["--digest", "--basic"] {
        let server = GstCamera::start(&[kind, "admin:p#s@s/1"]);
        for userinfo in ["admin:p%23s%40s%2F1", "admin:p#s@s/1"] {
            let mut camera = open(&server.url_as(userinfo, "main"), &Options::default()).await.unwrap();
            assert_pictures(&watch(&mut camera, 5, 0).await, VideoCodec::H264);
            camera.close().await;
        }
        let wrong = refused(&server.url_as("admin:secret", "main"), &Options::default()).await;
        assert!(matches!(wrong, Error::LoginRefused { given: true }) && !wrong.is_retryable(), "{wrong}");
        assert!(!format!("{wrong} {wrong:?}").contains("secret"));
        let missing = refused(&server.url("main"), &Options::default()).await;
        assert!(matches!(missing, Error::LoginRefused { given: false }), "{missing}");
    }
}

#[tokio::test]
async fn an_encrypted_camera_has_to_prove_its_name() {
    let ca = Ca::new();
    let identity = ca.issue("camera");
    let (certificate, key) = (identity.certificate.to_str().unwrap(), identity.key.to_str().unwrap());
    let server = GstCamera::start(&["--cert", certificate, "--key", key, "--digest", "admin:secret", "--audio", "aac"]);
    let trusting = |ca: &Ca| Options { tls: Some(trust(ca)), transport: Transport::Automatic, ..Options::default() };
    for host in ["admin:secret@127.0.0.1", "admin:secret@localhost"] {
        let mut camera = open(&server.tls_url(host, "main"), &trusting(&ca)).await.unwrap();
        assert_pictures(&watch(&mut camera, 30, 30).await, VideoCodec::H264);
        camera.close().await;
    }
    let url = server.tls_url("admin:secret@127.0.0.1", "main");
    for options in [trusting(&Ca::new()), Options::default()] {
        let error = refused(&url, &options).await;
        assert!(matches!(error, Error::Tls(_)), "{error}");
    }
    let other = refused(&server.tls_url("127.0.0.2", "main").replace("rtsps://", "rtsps://a:b@"), &trusting(&ca)).await;
    assert!(matches!(other, Error::Tls(_) | Error::Unreachable(_)), "{other}");
}

fn trust(ca: &Ca) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.certificate()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn a_wrong_path_an_unknown_codec_and_nobody_at_home_are_told() {
    let server = GstCamera::start(&["--video", "jpeg"]);
    let path = refused(&server.url("nothing"), &Options::default()).await;
    assert!(matches!(path, Error::NotFound), "{path}");
    let codec = refused(&server.url("main"), &Options::default()).await;
    assert!(matches!(&codec, Error::CodecUnsupported(names) if names == "JPEG"), "{codec}");
    let url = server.url("main");
    drop(server);
    let nobody = refused(&url, &Options::default()).await;
    assert!(matches!(nobody, Error::Unreachable(_)) && nobody.is_retryable(), "{nobody}");
}

#[tokio::test]
async fn a_camera_that_dies_ends_the_stream() {
    let server = GstCamera::start(&[]);
    let mut camera = open(&server.url("main"), &Options::default()).await.unwrap();
    watch(&mut camera, 5, 0).await;
    drop(server);
    let error = loop {
        if let Err(error) = crate::next(&mut camera).await {
            break error;
        }
    };
    assert!(matches!(error, Error::Ended | Error::Unreachable(_)), "{error}");
    camera.close().await;
}

#[tokio::test]
async fn the_guard_is_asked_before_anything_is_sent() {
    let server = GstCamera::start(&[]);
    let url = server.url("main").parse().unwrap();
    let refused = Camera::open(&url, &Guard::default(), &Options::default()).await.err().unwrap();
    assert!(matches!(refused, Error::Refused(_)) && !refused.is_retryable(), "{refused}");
}
