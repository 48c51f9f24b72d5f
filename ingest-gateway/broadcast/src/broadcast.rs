//! The machine: listeners on one side, the packager on the other.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use velella_gateway_core::{
    Counts, Errand, Heard, HeardCodec, Listener, ListenerInput, ListenerOutput, Name, Progress,
};
use velella_hls::{
    Answer, DeclarationError, Input as ToPackager, Packager, ResumeError, Settings, SettingsError, Snapshot,
};
use velella_model::record::Subscriptions;
use velella_model::{MediaKind, PeerId, TrackId, VideoCodec};

use crate::feed::Feed;
use crate::ladder::{self, Feeds, LISTENERS};
use crate::moments::Moments;
use crate::sender::Sender;
use crate::stage::Stage;
use crate::standing::Standing;

/// How often it is looked whether something fails to come.
const PATROL: Duration = Duration::from_millis(100);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// To a listener, below [`LISTENERS`].
    Listener(usize, ListenerInput<'a>),
    /// Receive of these alone from now on; of no effect for who broadcasts everybody.
    Choose(Subscriptions),
    /// The time of `poll_timeout` came.
    Timeout,
    /// It is over.
    End,
}

/// What is to be done, or happened.
#[derive(Debug)]
pub enum Output {
    /// For the session of a listener.
    Do(usize, Errand),
    /// The packager tells.
    Hls(velella_hls::Output),
    /// It goes otherwise than before.
    Progress(Progress),
}

/// What was counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that were shown.
    pub shown: u64,
    /// Frames of others.
    pub unseen: u64,
    /// Frames behind something that was lost.
    pub torn: u64,
    /// Pictures that no viewer's player takes.
    pub unsupported: u64,
}

/// Why a broadcast cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BroadcastError {
    /// Playlists could not be legal.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The packager does not take the renditions.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// What the gateway before left cannot be gone on with: a new stream has to begin.
    #[error(transparent)]
    Resume(#[from] ResumeError),
}

/// One room as one stream.
pub struct Broadcast {
    moments: Moments,
    listeners: Vec<Listener>,
    stage: Stage,
    senders: BTreeMap<PeerId, Sender>,
    /// Of pictures, by listener.
    videos: Vec<Feed>,
    sound: Feed,
    packager: Packager,
    patrol_at: Instant,
    standing: Standing,
    stats: Stats,
    counts: Counts,
    /// By listener.
    pictures: [u64; LISTENERS],
    outputs: VecDeque<Output>,
}

impl Broadcast {
    /// Of a room, or of some in it; `names` are those of the listeners, who each need a job of their own. `epoch` names
    /// the folder of the media: another one for each gateway and attempt. `now` is at `date`.
    ///
    /// # Errors
    /// When playlists could not be legal.
    pub fn new(
        names: [Name; LISTENERS],
        of: Option<Subscriptions>,
        settings: Settings,
        epoch: u32,
        now: Instant,
        date: SystemTime,
    ) -> Result<Self, BroadcastError> {
        let packager = Packager::new(settings, epoch, ladder::write)?;
        Self::with(packager, ladder::listeners(names, of.as_ref()), now, Moments::new(now, date))
    }

    /// Goes on with the stream of a gateway that died, in a higher epoch.
    ///
    /// # Errors
    /// When a new stream has to begin instead.
    pub fn resume(
        names: [Name; LISTENERS],
        of: Option<Subscriptions>,
        snapshot: Snapshot,
        epoch: u32,
        now: Instant,
        date: SystemTime,
    ) -> Result<Self, BroadcastError> {
        let moments = Moments::new(now, date);
        let packager = Packager::resume(snapshot, epoch, ladder::write, moments.date(), now)?;
        Self::with(packager, ladder::listeners(names, of.as_ref()), now, moments)
    }

    fn with(
        mut packager: Packager,
        listeners: Vec<Listener>,
        now: Instant,
        moments: Moments,
    ) -> Result<Self, BroadcastError> {
        let Feeds { videos, sound } = ladder::feeds(&mut packager, now)?;
        let playable = matches!(packager.multivariant(), Answer::Ready { .. });
        let mut broadcast = Self {
            moments,
            listeners,
            stage: Stage::default(),
            senders: BTreeMap::new(),
            videos,
            sound,
            packager,
            patrol_at: now + PATROL,
            standing: Standing::new(playable),
            stats: Stats::default(),
            counts: Counts::default(),
            pictures: [0; LISTENERS],
            outputs: VecDeque::new(),
        };
        broadcast.settle(now);
        Ok(broadcast)
    }

    /// Something happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Listener(at, input) => {
                if let Some(listener) = self.listeners.get_mut(at) {
                    listener.handle_input(input, now);
                }
            }
            Input::Choose(of) => {
                for listener in &mut self.listeners {
                    listener.handle_input(ListenerInput::Choose(of.clone()), now);
                }
            }
            Input::Timeout => self.woken(now),
            Input::End => {
                self.listeners.iter_mut().for_each(Listener::stop);
                self.packager.handle_input(ToPackager::Ended, now);
            }
        }
        self.settle(now);
    }

    /// What is to be done; to be asked until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let listeners = self.listeners.iter().filter_map(Listener::poll_timeout);
        listeners.chain(self.packager.poll_timeout()).fold(self.patrol_at, Instant::min)
    }

    /// The stream: playlists and media.
    #[must_use]
    pub fn packager(&self) -> &Packager {
        &self.packager
    }

    /// Who is shown now.
    #[must_use]
    pub fn shown(&self) -> Option<&PeerId> {
        self.stage.shown()
    }

    /// Counted since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What was shown since the beginning; of pictures, those of the size of which most came.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { pictures: self.pictures.iter().copied().max().unwrap_or_default(), ..self.counts }
    }

    fn woken(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            if listener.poll_timeout().is_some_and(|at| at <= now) {
                listener.handle_input(ListenerInput::Timeout, now);
            }
        }
        if self.patrol_at <= now {
            self.patrol_at = now + PATROL;
            for feed in self.videos.iter_mut().chain([&mut self.sound]) {
                feed.wait_no_longer(now, self.moments);
            }
        }
        self.packager.handle_input(ToPackager::Timeout, now);
    }

    /// Carries everything on, until nothing is left to carry.
    fn settle(&mut self, now: Instant) {
        while self.follow_listeners(now) | self.follow_feeds(now) | self.follow_packager(now) {}
        self.outputs.extend(self.standing.news(now).map(Output::Progress));
    }

    fn follow_listeners(&mut self, now: Instant) -> bool {
        let mut busy = false;
        for at in 0..self.listeners.len() {
            while let Some(told) = self.listeners.get_mut(at).and_then(Listener::poll_output) {
                busy = true;
                self.listener_tells(at, told, now);
            }
        }
        busy
    }

    fn follow_feeds(&mut self, now: Instant) -> bool {
        let mut busy = false;
        for feed in self.videos.iter_mut().chain([&mut self.sound]) {
            for input in feed.poll(self.moments) {
                busy = true;
                self.packager.handle_input(input, now);
            }
        }
        busy
    }

    fn follow_packager(&mut self, now: Instant) -> bool {
        let mut busy = false;
        while let Some(told) = self.packager.poll_output() {
            busy = true;
            if let velella_hls::Output::RequestKeyFrame { rendition } = told {
                self.want_keyframe(|feed| feed.rendition == rendition, now);
            } else {
                self.standing.playable |= told == velella_hls::Output::BecomePlayable;
                self.outputs.push_back(Output::Hls(told));
            }
        }
        busy
    }

    fn listener_tells(&mut self, at: usize, told: ListenerOutput, now: Instant) {
        match told {
            ListenerOutput::Do(errand) => self.outputs.push_back(Output::Do(at, errand)),
            ListenerOutput::TrackAdded { endpoint, track, kind, metadata } => {
                self.stage.enter(at, endpoint, (track, kind), &metadata);
                self.look(now);
            }
            ListenerOutput::TrackRemoved { track } => {
                self.forget(at, &track);
                self.look(now);
            }
            ListenerOutput::Heard(heard) => self.take(at, heard, now),
        }
    }

    fn forget(&mut self, at: usize, track: &TrackId) {
        let Some(act) = self.stage.leave(at, track) else { return };
        if self.senders.get_mut(&act.endpoint).is_some_and(|sender| sender.forget(at, track)) {
            self.senders.remove(&act.endpoint);
        }
    }

    /// Every rendition shows what is on the stage.
    fn look(&mut self, now: Instant) {
        self.sound.show(self.stage.on(0, MediaKind::Audio));
        for at in 0..self.videos.len() {
            let track = self.stage.on(at, MediaKind::Video).cloned();
            let Some(feed) = self.videos.get_mut(at) else { continue };
            if feed.track != track {
                feed.show(track.as_ref());
                let rendition = feed.rendition;
                self.want_keyframe(|feed| feed.rendition == rendition, now);
            }
        }
    }

    fn take(&mut self, at: usize, heard: Heard, now: Instant) {
        if heard.codec == HeardCodec::Video(VideoCodec::Vp8) {
            self.stats.unsupported += 1;
            return self.standing.unsupported(now);
        }
        let Some(act) = self.stage.find(at, &heard.track) else { return };
        let (endpoint, kind) = (act.endpoint.clone(), act.kind);
        let Some(placed) = self.senders.entry(endpoint).or_default().place(at, &heard, self.moments) else { return };
        let feed = match kind {
            MediaKind::Audio => Some(&mut self.sound),
            MediaKind::Video => self.videos.get_mut(at),
        };
        let Some(feed) = feed.filter(|feed| feed.track.as_ref() == Some(&heard.track)) else {
            self.stats.unseen += 1;
            return;
        };
        self.stats.shown += 1;
        self.counts.bytes += heard.data.len() as u64;
        match kind {
            MediaKind::Audio => self.counts.sounds += 1,
            MediaKind::Video => {
                self.pictures.get_mut(at).into_iter().for_each(|pictures| *pictures += 1);
                self.standing.shown();
            }
        }
        let torn = kind == MediaKind::Video && !heard.intact && !heard.keyframe;
        if torn {
            feed.lose();
        }
        feed.take(heard, placed);
        if torn {
            self.stats.torn += 1;
            let rendition = feed.rendition;
            self.want_keyframe(|feed| feed.rendition == rendition, now);
        }
    }

    fn want_keyframe(&mut self, of: impl Fn(&Feed) -> bool, now: Instant) {
        let Some(at) = self.videos.iter().position(of) else { return };
        let track = self.videos.get(at).and_then(|feed| feed.track.clone());
        if let (Some(track), Some(listener)) = (track, self.listeners.get_mut(at)) {
            listener.handle_input(ListenerInput::WantKeyframe(track), now);
        }
    }
}
