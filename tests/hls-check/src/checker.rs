//! Judges a stream by what was asked and answered. Pure: no clock, no network, no order of its own; whoever
//! feeds it may poll, block and fetch in any way and as often as wanted.
//!
//! What is known of each playlist lives in `history.rs`; the other files hold the rules, by what they look at.

mod delivery;
mod directives;
mod edits;
mod header;
mod history;
mod newcomers;
mod objects;
mod publication;
mod reports;
mod state;

use std::time::Duration;

use url::Url;

use crate::observation::{Directives, Observation, Purpose, Request, Response};
use crate::playlist::{Flaw, MediaPlaylist, Multivariant};
use crate::report::Report;
use crate::rule::{Finding, Ledger, Rule, Scene};

pub(crate) use history::{History, Version};
use state::State;

/// How much a wall clock may wander against the media before time counts as missing. Packagers that follow a
/// sender's clock slew by a few milliseconds a second.
const CLOCK_SLACK: Duration = Duration::from_millis(100);

/// Judges what it is fed with.
#[derive(Debug)]
pub struct Checker {
    /// What network, scheduling and rounding may add to any time between two answers.
    slack: Duration,
    ledger: Ledger,
    histories: Vec<History>,
    multivariant: Option<Multivariant>,
    observed: u64,
}

impl Checker {
    #[must_use]
    pub fn new(slack: Duration) -> Self {
        Self { slack, ledger: Ledger::default(), histories: Vec::new(), multivariant: None, observed: 0 }
    }

    /// The number of a media playlist, which is known from then on.
    pub fn rendition(&mut self, url: &Url) -> usize {
        let known = self.histories.iter().position(|history| history.url == *url);
        known.unwrap_or_else(|| {
            self.histories.push(History::new(url.clone()));
            self.histories.len() - 1
        })
    }

    pub fn observe(&mut self, observation: &Observation) {
        let Observation { request, response } = observation;
        self.observed += 1;
        match request.purpose {
            Purpose::Multivariant => self.observe_multivariant(request, response),
            Purpose::Playlist(directives) => self.observe_playlist(request, directives, response),
            Purpose::Object(object) => {
                let address = request.url.as_str();
                let mut scene = Scene { ledger: &mut self.ledger, url: address, at: response.received };
                if let Some(history) = self.histories.get_mut(object.rendition) {
                    objects::check(&mut scene, history, object.kind, request, response, self.slack);
                }
            }
            Purpose::Nothing => {
                let mut scene = Scene { ledger: &mut self.ledger, url: request.url.as_str(), at: response.received };
                objects::check_nothing(&mut scene, response);
            }
        }
    }

    #[must_use]
    pub fn report(&self) -> Report {
        let playlists = self.histories.iter().filter_map(|history| history.latest()).map(|version| &version.playlist);
        Report::new(&self.ledger, self.observed, &playlists.collect::<Vec<_>>())
    }

    pub(crate) fn histories(&self) -> &[History] {
        &self.histories
    }

    fn observe_multivariant(&mut self, request: &Request, response: &Response) {
        let text = String::from_utf8_lossy(&response.body);
        if response.is_ok() && self.multivariant.is_none() && !Multivariant::is(&text) {
            return self.observe_playlist(request, Directives::default(), response);
        }
        let mut scene = Scene { ledger: &mut self.ledger, url: request.url.as_str(), at: response.received };
        // A server that has nothing yet breaks no rule.
        if !response.is_ok() && self.multivariant.is_none() {
            return;
        }
        let parsed = Multivariant::parse(&text);
        let fine = response.is_ok() && parsed.is_ok();
        scene.must(Rule::Syntax, fine, || Finding::shown(told(response, parsed.as_ref().err()), &text));
        let Ok(playlist) = parsed else { return };
        let urls: Vec<Url> = playlist.media_uris().iter().filter_map(|uri| request.url.join(uri).ok()).collect();
        self.multivariant = Some(playlist);
        for url in urls {
            self.rendition(&url);
        }
    }

    fn observe_playlist(&mut self, request: &Request, directives: Directives, response: &Response) {
        let index = self.rendition(&request.url);
        let address = request.address();
        let mut scene = Scene { ledger: &mut self.ledger, url: address.as_str(), at: response.received };
        let Some((history, others)) = split(&self.histories, index) else { return };
        let state = State::of(request, response, directives, self.slack);
        delivery::check_playlist(&mut scene, history, directives, response);
        let playlist = parse(&mut scene, response);
        directives::check_blocking(&mut scene, history, directives, &state, response, playlist.as_ref());
        let Some(playlist) = playlist else { return };
        directives::check_delta(&mut scene, directives, &playlist);
        header::check(&mut scene, &playlist, &others);
        let is_delta = playlist.skip.is_some();
        let Some(whole) = playlist.completed(|msn| history.segment(msn)) else { return };
        let version = Version { playlist: whole, state };
        let rule = if is_delta { Rule::S12 } else { Rule::S5 };
        edits::check(&mut scene, history, &version, rule);
        reports::check(&mut scene, history, &version, &others, self.multivariant.is_some());
        let claims = reports::claims(&version, &history.url, &self.histories);
        let state = version.state;
        let Some(history) = self.histories.get_mut(index) else { return };
        let hinted = publication::hinted(history);
        let news = history.learn(version);
        for (other, progress) in claims {
            if let Some(other) = self.histories.get_mut(other) {
                other.claim(state.received, progress);
            }
        }
        if let Some(history) = self.histories.get_mut(index) {
            publication::check(&mut scene, history, &news, hinted.as_ref(), &state);
        }
        let Some((history, others)) = split(&self.histories, index) else { return };
        newcomers::check(&mut scene, history, &news, &others);
    }
}

/// One history, and all others.
fn split(histories: &[History], index: usize) -> Option<(&History, Vec<&History>)> {
    let others = histories.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, history)| history);
    Some((histories.get(index)?, others.collect()))
}

/// The playlist of a good answer, when it is well-formed.
fn parse(scene: &mut Scene<'_>, response: &Response) -> Option<MediaPlaylist> {
    if !response.is_ok() {
        return None;
    }
    let text = String::from_utf8_lossy(&response.body);
    let parsed = MediaPlaylist::parse(&text);
    scene.must(Rule::Syntax, parsed.is_ok(), || Finding::shown(told(response, parsed.as_ref().err()), &text));
    parsed.ok()
}

/// Why an answer is no playlist.
fn told(response: &Response, flaws: Option<&Vec<Flaw>>) -> String {
    let flaws = flaws.into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
    if response.is_ok() { flaws.join("; ") } else { format!("the answer is {}", response.status) }
}

/// For sentences.
fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
