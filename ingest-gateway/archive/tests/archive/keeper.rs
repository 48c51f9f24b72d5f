//! What becomes of recordings while nobody looks.

use tokio::sync::mpsc;
use tokio::time::Instant;
use velella_archive::{Keeper, Report, Trouble, UploadError};
use velella_recording::retention::Limits;

use crate::room::{MOVIE, begin, id, open, scratch, second, track, with_noise};
use crate::server::Server;

#[tokio::test]
async fn a_recording_that_ends_gets_into_the_bucket_however_long_that_takes() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let (tell, mut told) = mpsc::channel(8);
    let keeper = Keeper::new(archive.clone(), Some(server.bucket(|_| {})), Limits::default(), tell);
    let keeper = tokio::spawn(keeper.run());
    server.door.refuse("PUT", 503, "SlowDown");
    let mut take = with_noise(begin(&archive, "lobby").await);
    take.media(track("noise"), second(0, 1_000));
    take.end().await;
    let finished = told.recv().await.unwrap();
    assert!(matches!(&finished, Report::Finished(of, finished) if *of == id("lobby") && finished.whole));
    let failed = told.recv().await.unwrap();
    assert!(matches!(&failed, Report::Failed(_, Trouble::Upload(UploadError::Unavailable(_)))), "{failed:?}");
    assert!(recordings.path().join("lobby/movie.mp4").exists());
    server.door.open();
    let opened = Instant::now();
    let uploaded = told.recv().await.unwrap();
    assert!(matches!(&uploaded, Report::Uploaded(_, uploaded) if uploaded.keys == ["from/velella/lobby/movie.mp4"]));
    assert!(opened.elapsed().as_millis() > 1_000, "it waited in between");
    crate::room::until("it is deleted here", async || !recordings.path().join("lobby").exists()).await;
    keeper.abort();
}

#[tokio::test]
async fn a_recording_that_cannot_be_uploaded_stops_no_other() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    for name in ["hall", "lobby"] {
        let mut take = with_noise(begin(&archive, name).await);
        take.media(track("noise"), second(0, 1_000));
        take.end().await;
    }
    server.door.refuse("/hall/", 403, "AccessDenied");
    let (tell, mut told) = mpsc::channel(8);
    let keeper = tokio::spawn(Keeper::new(archive, Some(server.bucket(|_| {})), Limits::default(), tell).run());
    for name in ["hall", "lobby"] {
        assert!(matches!(told.recv().await.unwrap(), Report::Finished(of, _) if of == id(name)));
    }
    let failed = told.recv().await.unwrap();
    assert!(matches!(&failed, Report::Failed(of, Trouble::Upload(UploadError::Refused(_))) if *of == id("hall")));
    assert!(matches!(told.recv().await.unwrap(), Report::Uploaded(of, _) if of == id("lobby")));
    assert!(recordings.path().join("hall").exists());
    keeper.abort();
}

#[tokio::test]
async fn without_a_bucket_limits_decide_what_stays() {
    let recordings = scratch();
    let archive = open(recordings.path(), MOVIE).await;
    // What a crash left is taken up.
    let mut take = with_noise(begin(&archive, "lobby").await);
    take.media(track("noise"), second(0, 1_000));
    drop(take);
    let (tell, mut told) = mpsc::channel(8);
    let none = Limits { age_max: None, bytes_max: Some(0) };
    let keeper = tokio::spawn(Keeper::new(archive, None, none, tell).run());
    let finished = told.recv().await.unwrap();
    assert!(matches!(&finished, Report::Finished(_, finished) if !finished.whole), "{finished:?}");
    assert!(matches!(told.recv().await.unwrap(), Report::Expired(of) if of == id("lobby")));
    assert!(!recordings.path().join("lobby").exists());
    keeper.abort();
}
