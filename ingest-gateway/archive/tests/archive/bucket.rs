//! Recordings in a bucket, whatever its server does meanwhile.

use velella_archive::{Archive, Progress, UploadError};
use velella_recording::FileName;

use crate::room::{MOVIE, NO_LIMITS, finished, id, movie, open, scratch};
use crate::server::{SECRET, Server};

/// Of a second; a movie of seventeen is sent in three parts.
const MIB: usize = 1024 * 1024;
const MOVIE_KEY: &str = "from/velella/lobby/movie.mp4";

#[tokio::test]
async fn an_upload_goes_on_where_it_was_when_both_sides_come_back() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let lobby = finished(&archive, "lobby", 17, MIB).await;
    server.door.refuse("partNumber=3", 500, "InternalError");
    let failed = archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await;
    assert!(matches!(&failed, Err(UploadError::Unavailable(code)) if code == "InternalError"), "{failed:?}");
    let tried: Vec<usize> = (1..=3).map(|part| server.door.count(&format!("partNumber={part}&"))).collect();
    assert_eq!(tried, [1, 1, 4], "a hiccup would have been ridden out");
    assert_eq!(server.object(MOVIE_KEY), None);

    let server = server.restart().await;
    server.door.open();
    server.door.forget();
    drop(archive);
    let (archive, recovered) = Archive::open(recordings.path(), MOVIE, NO_LIMITS).await.unwrap();
    assert_eq!(recovered.finished, std::slice::from_ref(&lobby));
    let progress = Progress::default();
    let uploaded = archive.upload(&lobby, &server.bucket(|_| {}), &progress).await.unwrap();
    assert_eq!(uploaded.keys, [MOVIE_KEY]);
    let (done, total) = progress.bytes();
    assert!(done == total && total > 17 * 1024 * 1024, "{done} of {total}");
    assert_eq!((server.door.count("partNumber="), server.door.count("partNumber=3&")), (1, 1));
    assert!(server.object(MOVIE_KEY) == Some(std::fs::read(movie(&archive, "lobby")).unwrap()), "every byte");
    server.door.forget();
    assert_eq!(archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await.unwrap(), uploaded);
    assert_eq!(server.door.count(""), 0, "what is known to be there is not sent again");
}

#[tokio::test]
async fn an_upload_that_the_bucket_forgot_begins_anew() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let lobby = finished(&archive, "lobby", 9, MIB).await;
    server.door.refuse("partNumber=2", 404, "NoSuchUpload");
    let failed = archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await;
    assert!(matches!(&failed, Err(UploadError::Unknown(code)) if code == "NoSuchUpload"), "{failed:?}");
    server.door.open();
    archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await.unwrap();
    assert_eq!((server.door.count("?uploads"), server.door.count("partNumber=1&")), (2, 2));
    assert!(server.object(MOVIE_KEY).is_some());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_looking() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let lobby = finished(&archive, "lobby", 9, MIB).await;
    server.door.refuse("POST /recordings/from/velella/lobby/movie.mp4?uploadId", 404, "NoSuchUpload");
    // As if the request before this one had completed it.
    let object = objects.path().join("recordings").join(MOVIE_KEY);
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::copy(movie(&archive, "lobby"), object).unwrap();
    archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await.unwrap();
    assert_eq!(server.door.count("?uploadId"), 1);
}

#[tokio::test]
async fn wrong_credentials_are_told_and_lose_nothing() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let lobby = finished(&archive, "lobby", 1, 1_000).await;
    let mistaken = "another-secret";
    let wrong = server.bucket(|config| config.secret_access_key = mistaken.parse().unwrap());
    let failed = archive.upload(&lobby, &wrong, &Progress::default()).await.unwrap_err();
    assert_eq!(failed.to_string(), "the bucket refuses these credentials: SignatureDoesNotMatch");
    // The server here would make the bucket.
    server.door.refuse("/nowhere/", 404, "NoSuchBucket");
    let elsewhere = server.bucket(|config| config.bucket = "nowhere".to_owned());
    let failed = archive.upload(&lobby, &elsewhere, &Progress::default()).await.unwrap_err();
    assert_eq!(failed.to_string(), "the bucket knows nothing of it: NoSuchBucket");
    let printed = format!("{failed:?} {wrong:?}");
    assert!(!printed.contains(mistaken) && !printed.contains(SECRET), "{printed}");
    assert!(archive.path(&id("lobby"), &FileName::Movie).exists());
    archive.upload(&lobby, &server.bucket(|_| {}), &Progress::default()).await.unwrap();
    assert!(server.object(MOVIE_KEY).is_some());
}

#[tokio::test]
async fn a_server_that_is_not_there_and_a_recording_that_is_not_finished_are_told() {
    let (recordings, objects) = (scratch(), scratch());
    let server = Server::start(objects.path()).await;
    let archive = open(recordings.path(), MOVIE).await;
    let bucket = server.bucket(|config| config.endpoint = Some("http://127.0.0.1:1".to_owned()));
    let nothing = archive.upload(&id("hall"), &bucket, &Progress::default()).await;
    assert!(matches!(nothing, Err(UploadError::Unfinished)), "{nothing:?}");
    let lobby = finished(&archive, "lobby", 1, 1_000).await;
    let failed = archive.upload(&lobby, &bucket, &Progress::default()).await.unwrap_err();
    assert!(failed.to_string().contains("Connection refused"), "{failed}");
}
