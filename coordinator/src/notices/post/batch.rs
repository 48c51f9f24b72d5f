//! Several notifications in one body, as they are.

use bytes::{BufMut, Bytes, BytesMut};
use velella_coordinator_core::chronicle::Sequence;

/// A `ServerMessage` with a `NotificationBatch`, made of notifications as they are.
pub(super) fn batch_of(events: &[(Option<Sequence>, Bytes)]) -> Bytes {
    let inner: usize = events.iter().map(|(_, body)| 1 + varint_len(body.len()) + body.len()).sum();
    let mut batch = BytesMut::with_capacity(2 + varint_len(inner) + inner);
    put_varint(&mut batch, 33 << 3 | 2);
    put_varint(&mut batch, inner);
    for (_, body) in events {
        put_varint(&mut batch, 1 << 3 | 2);
        put_varint(&mut batch, body.len());
        batch.put_slice(body);
    }
    batch.freeze()
}

fn put_varint(bytes: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        bytes.put_u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.put_u8(u8::try_from(value).unwrap_or(0));
}

fn varint_len(value: usize) -> usize {
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_proto::Message;
    use velella_proto::fishjam::ServerMessage;
    use velella_proto::fishjam::server_message::{Content, NotificationBatch, RoomEvent};

    #[test]
    fn a_batch_holds_the_very_messages() {
        let message = |id: String| ServerMessage {
            content: Some(Content::RoomCreated(RoomEvent { room_id: id })),
            sequence: 7,
            ..ServerMessage::default()
        };
        let notifications = vec![message("r".into()), message("x".repeat(300))];
        let events: Vec<_> = notifications.iter().map(|m| (Some(Sequence(7)), m.encode_to_vec().into())).collect();
        let expected = Some(Content::NotificationBatch(NotificationBatch { notifications }));
        assert_eq!(ServerMessage::decode(batch_of(&events)).unwrap().content, expected);
    }

    #[test]
    fn lengths_of_varints() {
        assert_eq!([0, 0x7f, 0x80, 0x3fff, 0x4000].map(varint_len), [1, 1, 2, 2, 3]);
    }
}
