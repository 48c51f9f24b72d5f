//! Playlists, to the letter. `UPDATE_GOLDEN=1` writes them anew.

use std::path::PathBuf;

use super::world::{World, settings};
use crate::*;

#[test]
fn the_multivariant_playlist() {
    let mut world = World::broadcast(settings());
    world.run(8_000);
    let Answer::Ready { body, .. } = world.packager.multivariant() else { panic!("not playable") };
    golden("multivariant", &body);
}

#[test]
fn the_multivariant_playlist_of_sound_alone() {
    let mut world = World::new(settings());
    world.audio("opus", 20_000, 48_000);
    world.run(8_000);
    let Answer::Ready { body, .. } = world.packager.multivariant() else { panic!("not playable") };
    golden("multivariant-sound", &body);
}

#[test]
fn the_playlist_of_a_rendition() {
    let mut world = World::broadcast(settings());
    world.run(9_000);
    golden("media", &world.text("high"));
}

#[test]
fn a_playlist_with_gaps_and_a_new_size() {
    let mut world = World::broadcast(settings());
    world.run(5_000);
    world.sources[1].silent_until = world.time + 5_000_000;
    world.run(7_000);
    world.configure(1, 160);
    world.run(1_500);
    golden("media-gap", &world.text("low"));
}

#[test]
fn a_delta() {
    let mut world = World::broadcast(Settings { window: Window::Event, ..settings() });
    world.run(40_000);
    let directives = Directives { skip: Some(Skip::SegmentsAndDates), ..Directives::default() };
    let Answer::Ready { body, .. } = world.packager.playlist("opus", directives, world.now(), world.now()) else {
        panic!("not playable")
    };
    golden("delta", &body);
}

#[test]
fn the_playlist_of_a_stream_that_is_over() {
    let mut world = World::broadcast(settings());
    world.run(9_000);
    world.input(Input::Ended);
    golden("ended", &world.text("high"));
    golden("recorded", &world.packager.recorded("high").unwrap());
}

fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden").join(format!("{name}.m3u8"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
}
