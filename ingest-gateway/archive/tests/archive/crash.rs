//! What a crash leaves is a recording all the same.

use std::path::Path;
use std::process::Command;

use velella_archive::{Archive, Products, Progress};
use velella_recording::{FileName, Line, Track};

use crate::room::{Ann, MOVIE, NO_LIMITS, PICTURES, begin, decoded, entries, id, movie, open, scratch, track, until};

/// Tells the process that is killed where to record.
const DIRECTORY: &str = "VELELLA_ARCHIVE_TEST_DIRECTORY";

#[tokio::test]
async fn a_take_that_is_dropped_loses_at_most_a_second() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.clip();
    drop(ann);
    until("its writer is done", async || archive.idle().await.unwrap().unfinished == [id("lobby")]).await;
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(!finished.whole);
    let file = movie(&archive, "lobby");
    assert!(decoded(&file, "0:v").len() >= 2 * PICTURES - 25);
    let durations: Vec<f64> = entries(&file, "stream=duration").iter().map(|text| text.parse().unwrap()).collect();
    assert!(durations.iter().all(|seconds| (6.9..8.1).contains(seconds)), "{durations:?}");
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_what_it_told() {
    let scratch = scratch();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_process_that_is_killed", "--ignored"])
        .env(DIRECTORY, scratch.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let sidecar = scratch.path().join("lobby/ann-video.times.jsonl");
    until("it records", async || pictures_told(&sidecar) > 3 * PICTURES).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let told = pictures_told(&sidecar);
    let (archive, recovered) = Archive::open(scratch.path(), MOVIE, NO_LIMITS).await.unwrap();
    assert_eq!((recovered.unfinished, recovered.finished), (vec![id("lobby")], vec![]));
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(!finished.whole);
    assert_eq!(decoded(&movie(&archive, "lobby"), "0:v").len(), told);
}

#[tokio::test]
#[ignore = "the process that another test kills"]
async fn the_process_that_is_killed() {
    let directory = std::env::var(DIRECTORY).unwrap();
    let archive = open(Path::new(&directory), MOVIE).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    loop {
        ann.clip();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn torn_files_play_up_to_where_they_are_torn() {
    let scratch = scratch();
    let keeping = Products { playlists: true, ..MOVIE };
    let archive = open(scratch.path(), keeping).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.clip();
    ann.end().await;
    let (media, sidecar) = (FileName::Media(track("ann-video"), 0), FileName::Sidecar(track("ann-video")));
    let media_bytes = std::fs::metadata(archive.path(&id("lobby"), &media)).unwrap().len();
    let lines = std::fs::read(archive.path(&id("lobby"), &sidecar)).unwrap();
    let whole = Track::recover(&lines, |_| Some(media_bytes));
    // Spread over the whole, in places that have nothing to do with each other.
    for number in 1..=5 {
        let name = format!("torn-{number}");
        copy(&scratch.path().join("lobby"), &scratch.path().join(&name));
        let media_cut = media_bytes * (number * 3 % 8) / 8 + number * 7;
        let lines_cut = lines.len() * (usize::try_from(number).unwrap() * 5 % 8 + 1) / 9;
        truncate(&archive.path(&id(&name), &media), media_cut);
        truncate(&archive.path(&id(&name), &sidecar), u64::try_from(lines_cut).unwrap());
        let whole_lines =
            lines[..lines_cut].split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let whole_lines = whole_lines.filter_map(fragment_samples).count();
        let kept = whole.fragments.iter().take(whole_lines).filter(|one| one.from + one.bytes <= media_cut);
        let pictures: usize = kept.map(|fragment| fragment.sizes.len()).sum();
        let finished = archive.finish(&id(&name), &Progress::default()).await.unwrap();
        assert!(!finished.whole && finished.tracks_kept);
        let file = movie(&archive, &name);
        let decoded = if pictures == 0 { Vec::new() } else { decoded(&file, "0:v") };
        assert_eq!(decoded.len(), pictures, "cut at {media_cut} and {lines_cut}");
        // Sound is there to its end, whatever became of the pictures.
        let sound = entries(&file, "stream=codec_type,duration");
        let seconds = sound.iter().find_map(|line| line.strip_prefix("audio,")).unwrap();
        assert!((7.9..8.1).contains(&seconds.parse::<f64>().unwrap()), "{sound:?}");
    }
}

fn pictures_told(sidecar: &Path) -> usize {
    let text = std::fs::read(sidecar).unwrap_or_default();
    // The last one has no end yet.
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(fragment_samples).sum()
}

fn fragment_samples(line: &[u8]) -> Option<usize> {
    match serde_json::from_slice(line) {
        Ok(Line::Fragment(fragment)) => Some(fragment.sizes.len()),
        _ => None,
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn truncate(file: &Path, bytes: u64) {
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}
