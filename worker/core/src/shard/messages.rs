//! Data channels and their messages: from one peer to the others of its room.

use str0m::channel::{ChannelData, ChannelId};
use velella_model::wire::signal::SessionEvent;

use super::Shard;
use crate::channels::{Opened, Stamped};
use crate::session::SessionKey;

impl Shard {
    /// A peer opened a channel. One too many is closed again, so that the peer knows.
    pub(super) fn channel_opened(&mut self, key: SessionKey, id: ChannelId, label: &str) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        match session.channels.opened(id, label) {
            Opened::New => self.emit(key, SessionEvent::ChannelAdded { channel: label.to_owned() }),
            Opened::Again => {}
            Opened::Refused => {
                if let Some(transport) = session.transport_mut() {
                    transport.close_channel(id);
                }
                self.stats.channels_refused += 1;
                self.mark_dirty(key);
            }
        }
    }

    /// A peer closed a channel.
    pub(super) fn channel_closed(&mut self, key: SessionKey, id: ChannelId) {
        if let Some(channel) = self.sessions.get_mut(key.0).and_then(|s| s.channels.closed(id)) {
            self.emit(key, SessionEvent::ChannelRemoved { channel });
        }
    }

    /// Passes a message on to every peer it names, on their channel of the same label.
    pub(super) fn pass_message(&mut self, key: SessionKey, data: &ChannelData) {
        let Some(session) = self.sessions.get(key.0) else { return };
        // Who may not publish looks on: words count like pictures.
        if !session.rights.publish {
            self.stats.messages_not_allowed += 1;
            return;
        }
        let label = session.channels.label(data.id).map(str::to_owned);
        let (Some(label), Some(message)) = (label, Stamped::new(&data.data, &session.peer)) else {
            self.stats.messages_dropped += 1;
            return;
        };
        let Some(room) = self.rooms.get(session.room.0) else { return };
        for other in room.others(key) {
            let Some(receiver) = self.sessions.get_mut(other.0) else { continue };
            if !message.is_for(&receiver.peer) {
                continue;
            }
            // A receiver whose buffer is full misses the message: waiting would stall the sender
            // for everybody.
            let Some(channel) = receiver.channels.id(&label) else { continue };
            if receiver.transport_mut().is_some_and(|t| t.write_channel(channel, &message.bytes)) {
                self.stats.messages += 1;
                if !std::mem::replace(&mut receiver.is_dirty, true) {
                    self.dirty.push(other);
                }
            } else {
                self.stats.messages_dropped += 1;
            }
        }
    }
}
