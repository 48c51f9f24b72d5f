//! A recorder and a disk that fills up, fails and is torn off.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod disk;

use bytes::Bytes;
use disk::Disk;
use proptest::prelude::*;
use velella_cmaf::{AudioSampler, Configuration, Output, Policy, Sample, VideoSampler};
use velella_media::{AudioFormat, MediaTime, Picture, Sound, VideoCodec};
use velella_recording::{
    About, Command, FileName, Input, Kind, Line, Loss, Manifest, Movie, MovieTrack, Recorder, Track, TrackId,
    media_playlist,
};

#[test]
fn a_fragment_of_a_second_is_followed_by_its_line() {
    let (mut recorder, mut disk) = (recorder(), Disk::default());
    recorder.handle_input(Input::Opened(id("a"), about(Kind::Audio)));
    say(&mut recorder, &mut disk, 0, 101);
    let names: Vec<String> = disk.log.iter().map(FileName::to_string).collect();
    let (media, sidecar) = ("a.0.mp4", "a.times.jsonl");
    assert_eq!(names[..6], ["recording.json", sidecar, media, sidecar, media, sidecar]);
    recorder.handle_input(Input::Closed(id("a")));
    disk.run(&mut recorder);
    let track = disk.track("a");
    assert_eq!((track.about.clone(), track.ended), (Some(about(Kind::Audio)), true));
    let fragments: Vec<_> = track.fragments.iter().map(|one| (one.decode_time, one.durations.clone())).collect();
    assert_eq!(fragments, [(0, vec![(50, 960)]), (48_000, vec![(50, 960)]), (96_000, vec![(1, 960)])]);
    assert_eq!(Manifest::read(disk.bytes(&FileName::Manifest)), Some(manifest()));
}

#[test]
fn a_recording_that_ends_closes_its_tracks() {
    let (mut recorder, mut disk) = (recorder(), Disk::default());
    recorder.handle_input(Input::Opened(id("a"), about(Kind::Audio)));
    say(&mut recorder, &mut disk, 0, 10);
    recorder.handle_input(Input::Ended);
    disk.run(&mut recorder);
    let track = disk.track("a");
    assert_eq!((track.fragments.len(), track.ended, recorder.stats().refused), (1, true, 0));
}

#[test]
fn a_fragment_of_video_begins_with_each_key_frame() {
    let (mut recorder, mut disk) = (recorder(), Disk::default());
    recorder.handle_input(Input::Opened(id("v"), about(Kind::Video)));
    film(&mut recorder, &mut disk, 0..80, 18);
    recorder.handle_input(Input::Closed(id("v")));
    disk.run(&mut recorder);
    let sync: Vec<_> = disk.track("v").fragments.iter().map(|one| one.sync.clone()).collect();
    assert_eq!(sync, vec![vec![0]; 5], "every 0.72 s");
}

#[test]
fn while_the_disk_is_full_samples_are_counted_and_then_a_new_file_begins() {
    let (mut recorder, mut disk) = (recorder(), Disk::default());
    recorder.handle_input(Input::Opened(id("v"), about(Kind::Video)));
    film(&mut recorder, &mut disk, 0..60, 25);
    disk.space = 700;
    film(&mut recorder, &mut disk, 60..160, 25);
    assert!(recorder.is_full());
    assert_eq!(disk.run(&mut recorder), 0, "nothing is tried meanwhile");
    disk.space = usize::MAX;
    recorder.handle_input(Input::SpaceFound);
    film(&mut recorder, &mut disk, 160..260, 25);
    recorder.handle_input(Input::Closed(id("v")));
    disk.run(&mut recorder);
    let track = disk.track("v");
    assert!(track.ended && track.samples_lost > 50, "{} lost", track.samples_lost);
    assert_eq!(track.samples_lost, recorder.stats().samples_lost);
    let kept: usize = track.fragments.iter().map(|one| one.sizes.len()).sum();
    assert_eq!(u64::try_from(kept).unwrap() + track.samples_lost, 230, "of 260, 30 came before a key frame");
    // The last key frame before the disk had space is at 6 s; its second was not written yet.
    let second: Vec<_> = track.fragments.iter().filter(|one| one.file == 1).collect();
    assert_eq!((second.first().unwrap().decode_time, second.first().unwrap().sync[0]), (540_000, 0));
    assert_eq!(track.end(), 259 * 3_600 + 3_600);
}

#[test]
fn what_was_under_way_when_the_disk_failed_is_counted() {
    let mut recorder = recorder();
    recorder.handle_input(Input::Opened(id("a"), about(Kind::Audio)));
    let mut disk = Disk::default();
    let mut sampler = AudioSampler::new(MediaTime(0), Policy::RECORDING);
    let mut hear = |recorder: &mut Recorder, packets: std::ops::Range<i64>| {
        for n in packets {
            let (format, data) = (AudioFormat::Opus { channels: 2 }, Bytes::from_static(&[0xfc, 1, 2]));
            sampler.handle_sound(&Sound { format, time: MediaTime(n * 20_000_000), data });
            while let Some(output) = sampler.poll_output() {
                recorder.handle_input(Input::Media(id("a"), output));
            }
        }
    };
    hear(&mut recorder, 0..120);
    while recorder.poll_output().is_some() {}
    // Twice, so that also what was told of the first time is lost.
    recorder.handle_input(Input::Failed);
    recorder.handle_input(Input::SpaceFound);
    hear(&mut recorder, 120..180);
    while recorder.poll_output().is_some() {}
    recorder.handle_input(Input::Failed);
    recorder.handle_input(Input::SpaceFound);
    hear(&mut recorder, 180..250);
    recorder.handle_input(Input::Closed(id("a")));
    disk.run(&mut recorder);
    let track = disk.track("a");
    let kept: usize = track.fragments.iter().map(|one| one.sizes.len()).sum();
    assert_eq!((kept, track.samples_lost, recorder.stats().samples_lost), (70, 180, 180));
}

#[test]
fn a_disk_that_is_slow_costs_samples_and_no_memory() {
    let (mut recorder, mut disk) = (recorder(), Disk::default());
    recorder.handle_input(Input::Opened(id("v"), about(Kind::Video)));
    let configuration = Configuration::of_sound(AudioFormat::Opus { channels: 2 }).unwrap();
    recorder.handle_input(Input::Media(id("v"), Output::Configured(configuration)));
    let mut commanded = 0;
    for second in 0..200 {
        let data = Bytes::from(vec![0; 1024 * 1024]);
        let sample = Sample { decode_time: second * 48_000, composition_offset: 0, duration: 48_000, sync: true, data };
        recorder.handle_input(Input::Media(id("v"), Output::Sample(sample)));
        // Commands are taken, and not answered.
        while let Some(Command::Append(file, bytes)) = recorder.poll_output() {
            commanded += bytes.len();
            disk.append(&file, &bytes);
        }
    }
    assert!((60..=65).contains(&(commanded / 1024 / 1024)), "{commanded} bytes under way");
    assert!(recorder.stats().samples_lost > 130);
    for _ in 0..1_000 {
        recorder.handle_input(Input::Written);
    }
    recorder.handle_input(Input::Closed(id("v")));
    disk.run(&mut recorder);
    let sidecar = disk.lines("v");
    assert!(sidecar.iter().any(|line| matches!(line, Line::Lost { reason: Loss::Backlog, samples: 100.. })));
}

#[test]
fn what_nobody_opened_is_refused() {
    let mut recorder = recorder();
    recorder.handle_input(Input::Closed(id("x")));
    recorder.handle_input(Input::Media(id("x"), Output::Gap { from: 0, ticks: 1 }));
    recorder.handle_input(Input::Opened(id("a"), about(Kind::Audio)));
    recorder.handle_input(Input::Opened(id("a"), about(Kind::Audio)));
    recorder.handle_input(Input::Written);
    recorder.handle_input(Input::Written);
    assert_eq!(recorder.stats().refused, 3);
}

proptest! {
    // Each case films twelve seconds.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_a_crash_all_but_the_last_second_is_there(written in 0_usize..200_000) {
        let (mut recorder, mut disk) = (recorder(), Disk { space: written, torn: true, ..Disk::default() });
        recorder.handle_input(Input::Opened(id("v"), about(Kind::Video)));
        film(&mut recorder, &mut disk, 0..300, 25);
        let track = disk.track("v");
        // What is told is there, and follows itself.
        let mut end = 0;
        for fragment in &track.fragments {
            prop_assert_eq!(fragment.decode_time, end);
            end += fragment.ticks();
        }
        let there = disk.size("v", 0).unwrap_or(0);
        let told = track.fragments.last().map_or(0, |last| last.from + last.bytes);
        let fragment_bytes = track.fragments.first().map_or(u64::MAX, |one| one.bytes + 500);
        prop_assert!(there <= told.saturating_add(fragment_bytes) || told == 0, "{there} bytes are there, {told} told");
        prop_assert!(track.lines_dropped <= 1);
    }

    #[test]
    fn any_sidecar_can_be_read(
        noise: Vec<u8>,
        lines in prop::collection::vec((0_u64..9_000, 0_u64..9_000, any::<u64>(), 0_u8..70, any::<u32>(), 0_u32..4), 0..9),
    ) {
        let configuration = Configuration::of_sound(AudioFormat::Opus { channels: 1 }).unwrap();
        let mut sidecar =
            b"{\"type\":\"configured\",\"file\":0,\"init_bytes\":0,\"codecs\":\"\",\"timescale\":9}\n".to_vec();
        sidecar.extend(noise);
        for (from, bytes, time, shift, ticks, count) in lines {
            let line = format!(
                "\n{{\"type\":\"fragment\",\"file\":0,\"from\":{from},\"bytes\":{bytes},\"decode_time\":{},\"sizes\":[7,1],\
                 \"durations\":[[{count},{ticks}],[1,{ticks}]],\"offsets\":[[2,{}]]}}\n",
                time.checked_shr(u32::from(shift)).unwrap_or(0),
                i64::from(ticks) - (1 << 31),
            );
            sidecar.extend(line.bytes());
        }
        let track = Track::recover(&sidecar, |_| Some(u64::MAX));
        prop_assert!(track.fragments.windows(2).all(|pair| pair[0].decode_time <= pair[1].decode_time));
        prop_assert!(media_playlist(&id("a"), &track).ends_with("#EXT-X-ENDLIST\n"));
        let inits = [(0, configuration.init)].into();
        if let Ok(movie) = Movie::plan(&[MovieTrack { id: id("a"), track: &track, inits }]) {
            prop_assert_eq!(movie.copies.len(), track.fragments.len());
        }
    }
}

fn recorder() -> Recorder {
    Recorder::new(&manifest())
}

fn manifest() -> Manifest {
    Manifest { version: 1, room: "lobby".to_owned(), zero_unix_ms: 1_700_000_000_000 }
}

fn about(kind: Kind) -> About {
    About { kind, peer: "ann".to_owned() }
}

fn id(name: &str) -> TrackId {
    name.parse().unwrap()
}

/// So many packets of 20 ms, from the one with this number on.
fn say(recorder: &mut Recorder, disk: &mut Disk, from: i64, count: i64) {
    let mut sampler = AudioSampler::new(MediaTime(0), Policy::RECORDING);
    for n in from..from + count {
        let data = Bytes::from_static(&[0xfc, 1, 2]);
        sampler.handle_sound(&Sound {
            format: AudioFormat::Opus { channels: 2 },
            time: MediaTime(n * 20_000_000),
            data,
        });
        while let Some(output) = sampler.poll_output() {
            recorder.handle_input(Input::Media(id("a"), output));
        }
        disk.run(recorder);
    }
}

/// Pictures of 40 ms with these numbers, each n-th a key frame.
fn film(recorder: &mut Recorder, disk: &mut Disk, numbers: std::ops::Range<i64>, each: i64) {
    let mut sampler = VideoSampler::new(MediaTime(0), Policy::RECORDING);
    for n in numbers {
        sampler.handle_picture(&picture(n, n % each == 0));
        while let Some(output) = sampler.poll_output() {
            recorder.handle_input(Input::Media(id("v"), output));
        }
        disk.run(recorder);
    }
    sampler.finish();
    while let Some(output) = sampler.poll_output() {
        recorder.handle_input(Input::Media(id("v"), output));
    }
    disk.run(recorder);
}

fn picture(number: i64, keyframe: bool) -> Picture {
    let sets = "00000001 6742c028d900780227e5c044000003000400000300c83c60c920 00000001 68ce3c80 00000001 6588"
        .replace(' ', "");
    let sets = (0..sets.len()).step_by(2).map(|at| u8::from_str_radix(sets.get(at..at + 2).unwrap(), 16).unwrap());
    let delta = [0, 0, 0, 1, 0x41, 0xe0].into_iter().chain([7; 500]);
    let data = if keyframe { sets.chain([7; 2_000]).collect() } else { delta.collect() };
    let time = MediaTime(number * 40_000_000);
    Picture { codec: VideoCodec::H264, time, keyframe, reordered: false, data }
}
