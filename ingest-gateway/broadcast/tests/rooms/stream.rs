use std::time::Duration;

use velella_model::component::IngestState;

use crate::world::World;

#[test]
fn a_camera_becomes_a_stream_of_what_it_sends() {
    let mut world = World::filmed();
    world.run(Duration::from_secs(12));
    assert!(world.playable);
    assert_eq!(world.progress, [IngestState::Connecting, IngestState::Live]);
    let all = world.multivariant();
    assert!(all.contains("high.m3u8") && all.contains("TYPE=AUDIO"), "{all}");
    assert!(!all.contains("low.m3u8"), "nobody sends that size: {all}");
    let playlist = world.playlist("high");
    assert!(playlist.contains("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T"), "{playlist}");
    assert!(!playlist.contains("GAP") && !playlist.contains("DISCONTINUITY\n"), "{playlist}");
    let media = World::media_of(&playlist);
    assert!(media.len() > 10, "{playlist}");
    assert!(media.iter().all(|address| world.bytes_of(address) > 500), "{media:?}");
}

#[test]
fn sound_and_pictures_lie_on_one_time_line() {
    let mut world = World::filmed();
    world.run(Duration::from_secs(12));
    let began = |name| World::first_date_of(&world.playlist(name));
    let (pictures, sound) = (began("high"), began("sound"));
    assert!((pictures - sound).abs() < 0.04, "{pictures} and {sound}");
}

#[test]
fn a_stream_goes_on_when_its_room_moves() {
    let mut world = World::filmed();
    world.run(Duration::from_secs(12));
    let before = world.last_msn("high");
    world.move_room();
    world.run(Duration::from_secs(12));
    let playlist = world.playlist("high");
    assert!(world.last_msn("high") >= before + 4, "{playlist}");
    let last = World::media_of(&playlist).pop().unwrap();
    assert!(world.bytes_of(&last) > 500);
}

#[test]
fn another_gateway_goes_on_with_a_stream() {
    let mut world = World::filmed();
    world.run(Duration::from_secs(12));
    let before = world.last_msn("high");
    world.take_over();
    assert!(world.multivariant().contains("high.m3u8"), "viewers need not wait");
    world.run(Duration::from_secs(8));
    assert_eq!(world.progress, [IngestState::Live]);
    let playlist = world.playlist("high");
    assert!((before + 5..before + 12).contains(&world.last_msn("high")), "{before}: {playlist}");
    assert!(playlist.contains("#EXT-X-DISCONTINUITY\n"), "{playlist}");
    let last = World::media_of(&playlist).pop().unwrap();
    assert!(last.starts_with("2/high/") && world.bytes_of(&last) > 500, "{playlist}");
}

#[test]
fn a_stream_ends_when_it_is_told_to() {
    let mut world = World::filmed();
    world.run(Duration::from_secs(12));
    world.end();
    assert!(world.playlist("high").contains("#EXT-X-ENDLIST"));
}
