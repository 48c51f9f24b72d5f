//! Disks that are full, come back, or hang.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use velella_archive::{Archive, ArchiveError, FinishError, Progress, Take};
use velella_recording::{FileName, Line, Loss, SpaceLimits};

use crate::room::{MOVIE, begin, id, manifest, movie, open, scratch, second, times, track, until, with_noise};

const MIB: usize = 1024 * 1024;

/// Tells the process in its own namespace where its disk may be.
const DIRECTORY: &str = "VELELLA_ARCHIVE_TEST_DISK";

/// The disk is a tmpfs in a mount namespace of a process of its own, which needs no root and leaves nothing behind.
#[test]
fn on_a_full_disk_recordings_pause_and_go_on() {
    let scratch = scratch();
    for way in ["a_disk_runs_full", "a_disk_runs_low"] {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("disk::{way}"), "--ignored", "--nocapture"])
            .env(DIRECTORY, scratch.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test]
#[ignore = "runs in a mount namespace of its own"]
async fn a_disk_runs_full() {
    // Writes fail, and nothing is there to see it coming.
    pause_and_go_on(SpaceLimits { free_min: 0, free_to_begin: 2 * 1024 * 1024 }).await;
}

#[tokio::test]
#[ignore = "runs in a mount namespace of its own"]
async fn a_disk_runs_low() {
    pause_and_go_on(SpaceLimits { free_min: 1024 * 1024, free_to_begin: 4 * 1024 * 1024 }).await;
}

async fn pause_and_go_on(limits: SpaceLimits) {
    let directory = std::env::var(DIRECTORY).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "velella", &directory]).status();
    assert!(mounted.unwrap().success());
    let directory = Path::new(&directory);
    let filler = directory.join("filler");
    fs::write(&filler, vec![0; 16 * MIB]).unwrap();
    let (archive, _) = Archive::open(directory, MOVIE, limits).await.unwrap();
    let mut take = with_noise(begin(&archive, "lobby").await);
    let mut seconds = 0;
    until("the disk is full", async || more(&mut take, &mut seconds)).await;
    let kept = seconds;
    for _ in 0..5 {
        more(&mut take, &mut seconds);
    }
    assert!(take.is_full() && kept < 40, "{kept} seconds of half a MiB on a disk of eight");
    assert!(matches!(archive.begin(id("hall"), manifest()).await, Err(ArchiveError::Full)));
    fs::remove_file(&filler).unwrap();
    until("it goes on", async || {
        more(&mut take, &mut seconds);
        !take.is_full()
    })
    .await;
    for _ in 0..4 {
        more(&mut take, &mut seconds);
    }
    let stats = take.end().await;
    assert!(stats.failures >= 1 && stats.overflows == 0 && stats.recorder.samples_lost >= 5, "{stats:?}");

    // What is on the disk does not fit on it a second time while others need it.
    fs::write(&filler, vec![0; 6 * MIB]).unwrap();
    let full = archive.finish(&id("lobby"), &Progress::default()).await;
    assert!(matches!(full, Err(FinishError::Full(_))), "{full:?}");
    fs::remove_file(&filler).unwrap();
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(finished.whole && finished.samples_lost == stats.recorder.samples_lost);
    let packets = times(&movie(&archive, "lobby"), "a");
    let lost = usize::try_from(stats.recorder.samples_lost).unwrap();
    let (kept, given) = (packets.len(), usize::try_from(seconds).unwrap());
    assert!(kept + lost >= given && kept < given, "{kept} of {given} are kept and {lost} counted");
    assert_eq!(packets.last().unwrap().round(), f64::from(u32::try_from(seconds - 1).unwrap()));
}

/// One more second of half a MiB. Whether the disk is full.
fn more(take: &mut Take, seconds: &mut u64) -> bool {
    take.media(track("noise"), second(*seconds, MIB / 2));
    *seconds += 1;
    take.is_full()
}

#[tokio::test]
async fn a_disk_that_hangs_costs_the_recording_samples_and_live_media_nothing() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let take = begin(&archive, "lobby").await;
    // A pipe takes nothing until somebody reads it: its writer waits as for a disk that hangs.
    let pipe = archive.path(&id("lobby"), &FileName::Media(track("noise"), 0));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut take = with_noise(take);
    // None of these waits.
    (0..100).for_each(|number| take.media(track("noise"), second(number, MIB)));
    let hanging = take.stats();
    assert!((35..50).contains(&hanging.recorder.samples_lost), "{hanging:?}: 64 MiB are under way");
    let reader = OpenOptions::new().read(true).open(&pipe).unwrap();
    drop(reader);
    let mut seconds = 100;
    until("it goes on", async || {
        take.media(track("noise"), second(seconds, 1_000));
        seconds += 1;
        take.stats().failures == 1 && !take.is_full()
    })
    .await;
    take.media(track("noise"), second(seconds, 1_000));
    let sidecar = archive.path(&id("lobby"), &FileName::Sidecar(track("noise")));
    take.end().await;
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(finished.tracks_kept, "nobody knows what is in the pipe");
    assert!(!times(&movie(&archive, "lobby"), "a").is_empty());
    let lines = fs::read_to_string(sidecar).unwrap();

    let lost = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let reasons: Vec<Loss> =
        lost.filter_map(|line| if let Line::Lost { reason, .. } = line { Some(reason) } else { None }).collect();
    assert_eq!(reasons, [Loss::Disk, Loss::Backlog]);
}
