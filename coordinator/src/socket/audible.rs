//! The tracks that an agent receives, as it was told of them: each piece of sound names its own.

use std::collections::BTreeMap;

use velella_model::wire::signal::ServerEvent;
use velella_model::{Json, PeerId, TrackId};

/// By id: whose it is, and its metadata.
#[derive(Debug, Default)]
pub(super) struct Audible(BTreeMap<TrackId, (PeerId, Json)>);

impl Audible {
    /// Follows what the worker says; most of it does not concern agents.
    pub(super) fn follow(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::TracksAdded { endpoint, tracks } => {
                let named = |(id, track): (TrackId, velella_model::wire::signal::Track)| {
                    (id, (endpoint.clone(), track.metadata))
                };
                self.0.extend(tracks.into_iter().map(named));
            }
            ServerEvent::TracksRemoved { tracks, .. } => tracks.iter().for_each(|id| {
                self.0.remove(id);
            }),
            ServerEvent::TrackUpdated { track, metadata, .. } => {
                if let Some((_, known)) = self.0.get_mut(&track) {
                    *known = metadata;
                }
            }
            ServerEvent::EndpointRemoved { endpoint } => self.0.retain(|_, (peer, _)| *peer != endpoint),
            ServerEvent::Connected { .. }
            | ServerEvent::EndpointAdded { .. }
            | ServerEvent::EndpointUpdated { .. }
            | ServerEvent::OfferData { .. }
            | ServerEvent::SdpAnswer { .. }
            | ServerEvent::TrackVariantSwitched { .. }
            | ServerEvent::TrackVariantDisabled { .. }
            | ServerEvent::TrackVariantEnabled { .. }
            | ServerEvent::VadNotification { .. }
            | ServerEvent::Error { .. } => {}
        }
    }

    /// Whose a track is, and its metadata.
    pub(super) fn get(&self, track: &TrackId) -> Option<&(PeerId, Json)> {
        self.0.get(track)
    }
}

#[cfg(test)]
mod tests {
    use velella_model::wire::signal::Track;

    use super::*;

    #[test]
    fn tracks_come_change_and_go() {
        let (peer, id) = (PeerId::parse("p").unwrap(), TrackId::parse("t").unwrap());
        let added = |metadata: &str| {
            let track = Track { metadata: Json::parse(metadata).unwrap(), simulcast: None };
            ServerEvent::TracksAdded { endpoint: peer.clone(), tracks: [(id.clone(), track)].into() }
        };
        let mut audible = Audible::default();
        audible.follow(added("1"));
        assert_eq!(audible.get(&id).unwrap().1.as_str(), "1");
        let metadata = Json::parse("2").unwrap();
        audible.follow(ServerEvent::TrackUpdated { endpoint: peer.clone(), track: id.clone(), metadata });
        assert_eq!(audible.get(&id).unwrap().1.as_str(), "2");
        audible.follow(ServerEvent::TracksRemoved { endpoint: peer.clone(), tracks: vec![id.clone()] });
        assert_eq!(audible.get(&id), None);
        audible.follow(added("3"));
        audible.follow(ServerEvent::EndpointRemoved { endpoint: peer.clone() });
        assert_eq!(audible.get(&id), None);
    }
}
