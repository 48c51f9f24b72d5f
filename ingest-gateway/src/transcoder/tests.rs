//! What ffmpeg encodes goes through ffmpeg, and ffmpeg decodes it.

use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;
use velella_gateway_core::TRANSCODER_HZ;
use velella_media::{Assembled, Assembler, VideoCodec, nals_of_annexb};

use super::*;

/// Longest that anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const PICTURE: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -t 3";
const H264: &str = "-c:v libx264 -preset ultrafast -bf 2 -g 25 -pix_fmt yuv420p";
const H265: &str =
    "-c:v libx265 -preset ultrafast -x265-params bframes=3:keyint=25:log-level=error -pix_fmt yuv420p10le";

#[tokio::test]
async fn pictures_come_out_in_order_with_their_times_and_decode() {
    for (codec, encoder) in [(VideoCodec::H264, H264), (VideoCodec::H265, H265)] {
        let source = encoded(&format!("{PICTURE} {encoder}")).await;
        assert!(source.windows(2).any(|pair| pair[1].ticks < pair[0].ticks), "{codec:?} is reordered");
        let mut transcoder = start(codec).await;
        source.iter().for_each(|coded| transcoder.give(coded.clone()));
        let pictures = pictures(&mut transcoder, source.len() - REORDERED_MAX).await;
        let mut times: Vec<i64> = source.iter().map(|coded| coded.ticks).collect();
        times.sort_unstable();
        let came: Vec<i64> = pictures.iter().map(nearest_tick).collect();
        assert_eq!(came, times[..came.len()], "{codec:?}");
        assert!(pictures[0].keyframe && pictures.iter().all(|picture| !picture.reordered));
        let keys: Vec<usize> = (0..pictures.len()).filter(|at| pictures[*at].keyframe).collect();
        assert_eq!(keys, [0, 50], "a key frame each two seconds");
        assert_eq!(decoded(&pictures).await, pictures.len());
    }
}

/// The last ones come with what follows them.
const REORDERED_MAX: usize = 4;

#[tokio::test]
async fn who_kills_it_is_told_of_and_its_cost_is_known() {
    let (engine, workload) = (engine().await, Arc::default());
    let mut transcoder = Transcoder::start(&engine, H264_HD, &workload);
    let source = encoded(&format!("{PICTURE} {H264}")).await;
    source.iter().for_each(|coded| transcoder.give(coded.clone()));
    pictures(&mut transcoder, 50).await;
    assert_eq!(workload.running(), 1);
    let pid = transcoder.pid.expect("it was started");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_nonzero())).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max file size") && line.contains(" 0 ")), "{limits}");
    assert_eq!(std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap(), b"");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(end(&mut transcoder).await, "was killed by signal 9");
    assert_eq!(workload.running(), 0);
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let workload = Arc::default();
    let transcoder = Transcoder::start(&engine().await, H264_HD, &workload);
    let stat = format!("/proc/{}/stat", transcoder.pid.expect("it was started").as_raw_nonzero());
    drop(transcoder);
    let gone = async {
        while workload.running() > 0 || is_alive(&stat) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is gone");
}

#[tokio::test]
async fn nonsense_ends_nothing_but_itself() {
    let mut transcoder = start(VideoCodec::H264).await;
    for ticks in 0..100 {
        let data: Vec<u8> = (0..4_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        transcoder.give(Coded { ticks: ticks * 3_600, data: data.into() });
    }
    let nothing = tokio::time::timeout(Duration::from_secs(3), transcoder.next()).await;
    assert!(!matches!(nothing, Ok(Ok(_))), "{nothing:?}");
}

#[tokio::test]
async fn one_that_cannot_be_started_says_so() {
    let engine = engine().await.at_path("/nowhere/ffmpeg");
    let mut transcoder = Transcoder::start(&engine, H264_HD, &Arc::default());
    assert!(end(&mut transcoder).await.starts_with("could not be started"));
}

const H264_HD: Encoding = Encoding { from: VideoCodec::H264, bitrate_bps_max: 4_500_000 };

async fn engine() -> Engine {
    Engine::find(None).await.unwrap().expect("ffmpeg is installed")
}

async fn start(from: VideoCodec) -> Transcoder {
    Transcoder::start(&engine().await, Encoding { from, ..H264_HD }, &Arc::default())
}

async fn pictures(transcoder: &mut Transcoder, count: usize) -> Vec<Picture> {
    let mut pictures = Vec::new();
    while pictures.len() < count {
        let picture = tokio::time::timeout(PATIENCE, transcoder.next()).await.expect("it does not take that long");
        pictures.push(picture.unwrap_or_else(|why| panic!("it {why} after {} pictures", pictures.len())));
    }
    pictures
}

async fn end(transcoder: &mut Transcoder) -> String {
    let ended = async {
        loop {
            if let Err(why) = transcoder.next().await {
                return why;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it does not take that long")
}

fn is_alive(stat: &str) -> bool {
    std::fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "))
}

fn nearest_tick(picture: &Picture) -> i64 {
    (picture.time.0 + 5_000) * i64::from(TRANSCODER_HZ) / 1_000_000_000
}

/// As the demuxer of a publisher gives it.
async fn encoded(what: &str) -> Vec<Coded> {
    let stream = ffmpeg(&format!("{what} -f mpegts pipe:1"), &[]).await;
    let (mut demuxer, mut coded) = (Demuxer::new(), Vec::new());
    demuxer.handle_bytes(&stream, Instant::now());
    while let Some(output) = demuxer.poll_output() {
        if let Output::Frame(Frame::Video(picture)) = output {
            coded.push(Coded { ticks: nearest_tick(&picture), data: picture.data });
        }
    }
    assert!(coded.len() > 70, "{} pictures", coded.len());
    coded
}

/// How many of these ffmpeg decodes; all of them have to be sound, and without B slices.
async fn decoded(pictures: &[Picture]) -> usize {
    let mut assembler = Assembler::new(VideoCodec::H264);
    for picture in pictures {
        let assembled = assembler.assemble(nals_of_annexb(&picture.data));
        assert!(matches!(assembled, Assembled::Picture { reordered: false, .. }));
    }
    let stream: Vec<u8> = pictures.iter().flat_map(|picture| picture.data.to_vec()).collect();
    let told = ffmpeg("-xerror -f h264 -i pipe:0 -f framecrc pipe:1", &stream).await;
    String::from_utf8(told).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}

async fn ffmpeg(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error".split(' '))
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut stdin = child.stdin.take().unwrap();
    let write = async move { stdin.write_all(input).await };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    written.unwrap();
    let output = output.unwrap();
    assert!(output.status.success());
    output.stdout
}
