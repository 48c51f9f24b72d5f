//! `velella rooms`.

use crate::answer::Room;
use crate::command::Rooms;
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{self, Column};

const COLUMNS: [Column; 8] = [
    Column::Text("ROOM"),
    Column::Text("WORKER"),
    Column::Text("TYPE"),
    Column::Text("CODEC"),
    Column::Number("CONNECTED"),
    Column::Number("PEERS"),
    Column::Number("TRACKS"),
    Column::Number("GENERATION"),
];

/// Lists those that are wanted.
pub(crate) fn show(coordinator: &Coordinator, output: Output, wanted: &Rooms) -> Result<(), Failure> {
    let rooms = coordinator.rooms(wanted)?;
    output.show_all(&rooms, || {
        let read = rooms.iter().map(|raw| coordinator.read(raw.get())).collect::<Result<Vec<Room>, Failure>>()?;
        Ok(table::render(COLUMNS, &read.into_iter().map(row).collect::<Vec<_>>()))
    })
}

fn row(room: Room) -> [String; 8] {
    [
        room.room,
        room.worker,
        room.room_type,
        room.video_codec,
        room.peers_connected.to_string(),
        room.peers.to_string(),
        room.tracks.to_string(),
        room.generation.to_string(),
    ]
}
