//! What a room becomes.

use velella_archive::{Archive, ArchiveError, FinishError, Products, Progress};
use velella_recording::FileName;

use crate::room::{
    Ann, MOVIE, NO_LIMITS, PICTURES, begin, decoded, entries, finished, id, manifest, movie, open, scratch, times,
    track,
};

#[tokio::test]
async fn a_room_becomes_a_movie_that_plays_from_its_beginning() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.clip();
    ann.end().await;
    let progress = Progress::default();
    let finished = archive.finish(&id("lobby"), &progress).await.unwrap();
    let (done, total) = progress.bytes();
    assert!(done == total && total > 50_000, "{done} of {total}");
    assert_eq!((finished.whole, finished.samples_lost, finished.tracks_kept), (true, 0, false));
    assert_eq!((finished.manifest.as_ref(), finished.trouble.as_ref()), (Some(&manifest()), None));
    let file = movie(&archive, "lobby");
    let bytes = std::fs::read(&file).unwrap();
    let listed: Vec<_> = finished.files.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
    assert_eq!(listed, [("movie.mp4", u64::try_from(bytes.len()).unwrap())]);
    let at = |name: &[u8]| bytes.windows(4).position(|window| window == name);
    assert!(at(b"moov") < at(b"mdat"), "the index comes first");
    let pictures = decoded(&file, "0:v");
    assert_eq!(pictures.len(), 2 * PICTURES);
    assert_eq!(pictures[..PICTURES], pictures[PICTURES..], "the same clip twice");
    // The last picture of each clip is not told, and the one before stands in its place.
    let durations: Vec<f64> = entries(&file, "stream=duration").iter().map(|text| text.parse().unwrap()).collect();
    assert!(durations.iter().all(|seconds| (7.9..8.1).contains(seconds)), "{durations:?}");
    let longest_step = |stream| times(&file, stream).windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(longest_step("v") < 0.081 && longest_step("a") < 0.021, "no gaps");
    assert!(!archive.path(&id("lobby"), &FileName::Media(track("ann-video"), 0)).exists(), "it is in the movie");
    assert_eq!(archive.finish(&id("lobby"), &progress).await.unwrap(), finished, "again is the same");
}

#[tokio::test]
async fn tracks_play_by_their_playlists_and_alone() {
    let scratch = scratch();
    let archive = open(scratch.path(), Products { movie: false, track_movies: true, playlists: true }).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.end().await;
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    let names: Vec<_> = finished.files.iter().map(|file| file.name.as_str()).collect();
    let movies = ["ann-audio.movie.mp4", "ann-video.movie.mp4"];
    let tracks = ["ann-audio.0.mp4", "ann-video.0.mp4", "ann-audio.m3u8", "ann-video.m3u8"];
    assert_eq!(names, [&movies[..], &tracks[..]].concat());
    let path = |file| archive.path(&id("lobby"), &file);
    let alone = decoded(&path(FileName::TrackMovie(track("ann-video"))), "0:v");
    assert_eq!(alone.len(), PICTURES);
    assert_eq!(decoded(&path(FileName::Playlist(track("ann-video"))), "0:v"), alone);
    assert!(decoded(&path(FileName::Playlist(track("ann-audio"))), "0:a").len() > 190);
}

#[tokio::test]
async fn finishing_goes_on_behind_the_last_whole_file() {
    let scratch = scratch();
    let products = Products { movie: true, track_movies: true, playlists: false };
    let archive = open(scratch.path(), products).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.end().await;
    let folder = scratch.path().join("lobby");
    let stopped = Progress::default();
    stopped.stop();
    assert!(matches!(archive.finish(&id("lobby"), &stopped).await, Err(FinishError::Stopped)));
    assert!(!folder.join("movie.mp4").exists() && !folder.join("movie.mp4.part").exists());
    // As a crash leaves it: one file is done, half of another is there.
    std::fs::write(folder.join("ann-audio.movie.mp4"), "done before").unwrap();
    std::fs::write(folder.join("movie.mp4.part"), "half of it").unwrap();
    drop(archive);
    let (again, recovered) = Archive::open(scratch.path(), products, NO_LIMITS).await.unwrap();
    assert_eq!(recovered.unfinished, [id("lobby")]);
    again.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert_eq!(std::fs::read(folder.join("ann-audio.movie.mp4")).unwrap(), b"done before");
    assert_eq!(decoded(&movie(&again, "lobby"), "0:v").len(), PICTURES);
    assert_eq!(decoded(&folder.join("ann-video.movie.mp4"), "0:v").len(), PICTURES);
}

#[tokio::test]
async fn tracks_that_were_not_deleted_before_a_crash_go_afterwards() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    finished(&archive, "lobby", 1, 100).await;
    let media = archive.path(&id("lobby"), &FileName::Media(track("noise"), 0));
    std::fs::write(&media, "not deleted yet").unwrap();
    std::fs::create_dir(scratch.path().join(".deleted-hall")).unwrap();
    drop(archive);
    open(scratch.path(), MOVIE).await;
    assert!(!media.exists() && !scratch.path().join(".deleted-hall").exists());
}

#[tokio::test]
async fn what_no_sidecar_tells_of_is_never_deleted() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let mut ann = Ann::new(begin(&archive, "lobby").await);
    ann.clip();
    ann.end().await;
    let stranger = archive.path(&id("lobby"), &FileName::Media(track("bob"), 0));
    std::fs::write(&stranger, "whoever wrote this").unwrap();
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(finished.tracks_kept && stranger.exists());
}

#[tokio::test]
async fn a_room_in_which_nothing_happened_has_no_files() {
    let scratch = scratch();
    let archive = open(scratch.path(), Products { movie: true, track_movies: true, playlists: true }).await;
    begin(&archive, "lobby").await.end().await;
    let finished = archive.finish(&id("lobby"), &Progress::default()).await.unwrap();
    assert!(finished.files.is_empty() && finished.trouble.is_none());
}

#[tokio::test]
async fn a_recording_that_runs_belongs_to_its_take() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let take = begin(&archive, "lobby").await;
    assert!(matches!(archive.begin(id("lobby"), manifest()).await, Err(ArchiveError::Busy)));
    assert!(matches!(archive.finish(&id("lobby"), &Progress::default()).await, Err(FinishError::Busy)));
    assert!(matches!(archive.remove(&id("lobby")).await, Err(ArchiveError::Busy)));
    take.end().await;
    assert!(matches!(archive.begin(id("lobby"), manifest()).await, Err(ArchiveError::Exists)));
    assert!(archive.remove(&id("lobby")).await.unwrap() && !archive.remove(&id("lobby")).await.unwrap());
    begin(&archive, "lobby").await.end().await;
}

#[tokio::test]
async fn a_directory_belongs_to_one_archive_as_long_as_anything_runs() {
    let scratch = scratch();
    let archive = open(scratch.path(), MOVIE).await;
    let take = begin(&archive, "lobby").await;
    drop(archive);
    let second = Archive::open(scratch.path(), MOVIE, NO_LIMITS).await.unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::ResourceBusy, "{second}");
    take.end().await;
    open(scratch.path(), MOVIE).await;
}
