//! A recording while it runs: what samplers give comes in, what to append to which file goes out.
//!
//! Live media never waits for a disk. What is under way to it is bounded; above the bound, and while there is no space,
//! samples are left out and counted, and the sidecar says so. Sound goes on at once afterwards, pictures at the next key
//! frame, in a new file.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use velella_cmaf::{Configuration, Output, Sample, fragment};

use crate::layout::{FileName, TrackId};
use crate::sidecar::{About, Configured, Fragment, Kind, Line, Loss, Manifest};

/// A fragment is closed when it is this long: so much is lost by a crash.
const FRAGMENT_SECONDS: u64 = 1;
/// … or holds this much, whatever its time.
const FRAGMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// … or so many samples, whatever they claim to last.
const FRAGMENT_SAMPLES_MAX: usize = 1_000;
/// Most bytes under way to the disk, for all tracks of a recording; above, fragments are left out.
const PENDING_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A fragment of video ends before a key frame, so that a segment can begin there; unless it would be shorter than this
/// part of a second.
const KEYFRAME_CUT_PART: u64 = 4;
/// Most tracks of a recording, open and closed.
const TRACKS_MAX: usize = 1_024;

/// What has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A track begins.
    Opened(TrackId, About),
    /// Its sampler gave this.
    Media(TrackId, Output),
    /// A track ended.
    Closed(TrackId),
    /// The recording ended, with all tracks that are open.
    Ended,
    /// The oldest command that was not answered is done.
    Written,
    /// It failed, and nothing that was commanded after it was tried.
    Failed,
    /// There is space again, or it is worth another try.
    SpaceFound,
}

/// What to do, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Append these bytes to a file, which is made when it is not there. Answered by [`Input::Written`] or
    /// [`Input::Failed`].
    Append(FileName, Bytes),
}

/// Counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Fragments that were told to be written.
    pub fragments: u64,
    /// Samples that were left out.
    pub samples_lost: u64,
    /// Inputs of tracks that are not open, or too many.
    pub refused: u64,
}

/// A recording. After each input, [`Self::poll_output`] until `None`.
#[derive(Debug)]
pub struct Recorder {
    /// Until it is written.
    manifest: Option<Bytes>,
    tracks: BTreeMap<TrackId, Track>,
    opened: usize,
    /// Commands that were not answered.
    pending: VecDeque<Pending>,
    pending_bytes: u64,
    /// Nothing is written until there is space.
    full: bool,
    outputs: VecDeque<Command>,
    stats: Stats,
}

/// A command that was not answered.
#[derive(Debug)]
struct Pending {
    bytes: u64,
    line: Option<(TrackId, Tells)>,
}

/// What nobody knows of unless this line is written.
#[derive(Clone, Copy, Debug)]
enum Tells {
    /// So many samples.
    Kept(u64),
    Lost(Loss, u64),
}

#[derive(Debug)]
struct Track {
    about: About,
    /// Whether the sidecar has its first line.
    told: bool,
    configuration: Option<Configuration>,
    /// Of the file that is written, once it has begun.
    file: Option<Written>,
    files: u32,
    sequence: u32,
    samples: Vec<Sample>,
    lost: BTreeMap<Loss, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    number: u32,
    bytes: u64,
}

impl Recorder {
    /// Begins a recording in an empty directory.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        let manifest = Bytes::from(manifest.to_text());
        let mut recorder = Self {
            manifest: Some(manifest.clone()),
            tracks: BTreeMap::new(),
            opened: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            full: false,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        };
        recorder.append(FileName::Manifest, manifest);
        recorder
    }

    /// Takes what has happened.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::Opened(id, about) => self.open(id, about),
            Input::Media(id, output) => {
                self.on_track(id, |recorder, id, track| recorder.handle_media(id, track, output))
            }
            Input::Closed(id) => self.close(&id),
            Input::Ended => self.tracks.keys().cloned().collect::<Vec<_>>().iter().for_each(|id| self.close(id)),
            Input::Written => {
                self.manifest = None;
                self.pending_bytes -= self.pending.pop_front().map_or(0, |pending| pending.bytes);
            }
            Input::Failed => self.fail(),
            Input::SpaceFound => {
                self.full = false;
                if let Some(manifest) = self.manifest.clone().filter(|_| self.pending.is_empty()) {
                    self.append(FileName::Manifest, manifest);
                }
            }
        }
    }

    /// The next command, until there is none.
    pub fn poll_output(&mut self) -> Option<Command> {
        self.outputs.pop_front()
    }

    /// Whether samples are left out for want of space.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn open(&mut self, id: TrackId, about: About) {
        if self.opened == TRACKS_MAX || self.tracks.contains_key(&id) {
            self.stats.refused += 1;
            return;
        }
        self.opened += 1;
        let track = Track {
            about,
            told: false,
            configuration: None,
            file: None,
            files: 0,
            sequence: 0,
            samples: Vec::new(),
            lost: BTreeMap::new(),
        };
        self.tracks.insert(id, track);
    }

    fn close(&mut self, id: &TrackId) {
        let Some(mut track) = self.tracks.remove(id) else {
            self.stats.refused += 1;
            return;
        };
        self.cut(id, &mut track);
        self.tell_losses(id, &mut track);
        self.tell(id, &Line::Ended);
    }

    /// With the track taken out, so that both can be changed.
    fn on_track(&mut self, id: TrackId, change: impl FnOnce(&mut Self, &TrackId, &mut Track)) {
        let Some(mut track) = self.tracks.remove(&id) else {
            self.stats.refused += 1;
            return;
        };
        change(self, &id, &mut track);
        self.tracks.insert(id, track);
    }

    fn handle_media(&mut self, id: &TrackId, track: &mut Track, output: Output) {
        match output {
            Output::Configured(configuration) => {
                self.cut(id, track);
                track.configuration = Some(configuration);
                track.file = None;
            }
            Output::Sample(sample) => self.take_sample(id, track, sample),
            Output::Gap { .. } => self.cut(id, track),
            Output::Discontinuity { decode_time, time } => {
                self.cut(id, track);
                self.tell(id, &Line::Discontinuity { decode_time, captured_ns: time.0 });
            }
        }
    }

    fn take_sample(&mut self, id: &TrackId, track: &mut Track, sample: Sample) {
        // A file begins with a sample that decodes, so that each plays by itself.
        if track.file.is_none() && track.samples.is_empty() && !sample.sync {
            let reason = track.lost.keys().next().copied().unwrap_or(Loss::Disk);
            return self.lose(track, reason, &[sample]);
        }
        if track.about.kind == Kind::Video && sample.sync && track.lasts(KEYFRAME_CUT_PART) {
            self.cut(id, track);
        }
        track.samples.push(sample);
        if track.is_whole() {
            self.cut(id, track);
        }
    }

    /// Writes what has come since the last cut.
    fn cut(&mut self, id: &TrackId, track: &mut Track) {
        let samples = std::mem::take(&mut track.samples);
        let (Some(first), Some(configuration)) = (samples.first(), track.configuration.clone()) else { return };
        let sequence = track.sequence.wrapping_add(1);
        let Ok(bytes) = fragment(&samples, sequence, first.decode_time) else {
            return self.lose(track, Loss::Disk, &samples);
        };
        let length = count(bytes.len());
        if self.full || self.pending_bytes + length > PENDING_BYTES_MAX {
            let reason = if self.full { Loss::Disk } else { Loss::Backlog };
            return self.lose(track, reason, &samples);
        }
        self.tell_losses(id, track);
        let mut file = match track.file {
            Some(file) => file,
            None => self.begin_file(id, track, &configuration),
        };
        track.sequence = sequence;
        let line = described(&samples, file, length, first.decode_time);
        file.bytes += length;
        track.file = Some(file);
        self.append(FileName::Media(id.clone(), file.number), bytes);
        self.tell(id, &Line::Fragment(line));
        self.stats.fragments += 1;
    }

    fn begin_file(&mut self, id: &TrackId, track: &mut Track, configuration: &Configuration) -> Written {
        let number = track.files;
        track.files += 1;
        if !std::mem::replace(&mut track.told, true) {
            self.tell(id, &Line::Opened(track.about.clone()));
        }
        let init_bytes = count(configuration.init.len());
        self.append(FileName::Media(id.clone(), number), configuration.init.clone());
        self.tell(
            id,
            &Line::Configured(Configured {
                file: number,
                init_bytes,
                codecs: configuration.codecs.clone(),
                timescale: configuration.timescale,
                size: configuration.resolution.map(|size| (size.width, size.height)),
            }),
        );
        Written { number, bytes: init_bytes }
    }

    /// What comes next begins a new file: pictures refer to what was lost.
    fn lose(&mut self, track: &mut Track, reason: Loss, samples: &[Sample]) {
        track.lose(reason, count(samples.len()));
        track.file = None;
        self.stats.samples_lost += count(samples.len());
    }

    fn tell_losses(&mut self, id: &TrackId, track: &mut Track) {
        for (reason, samples) in std::mem::take(&mut track.lost) {
            // The line before may have been cut short when writing failed.
            self.append(FileName::Sidecar(id.clone()), Bytes::from_static(b"\n"));
            self.tell(id, &Line::Lost { reason, samples });
        }
    }

    /// What was under way is gone; files may end with half of it, which no line tells of.
    fn fail(&mut self) {
        self.full = true;
        for (id, tells) in std::mem::take(&mut self.pending).into_iter().filter_map(|pending| pending.line) {
            let (reason, samples) = match tells {
                Tells::Kept(samples) => (Loss::Disk, samples),
                Tells::Lost(reason, samples) => (reason, samples),
            };
            self.stats.samples_lost += if matches!(tells, Tells::Kept(_)) { samples } else { 0 };
            if let Some(track) = self.tracks.get_mut(&id) {
                track.lose(reason, samples);
            }
        }
        self.pending_bytes = 0;
        self.outputs.clear();
        for track in self.tracks.values_mut() {
            let samples = count(std::mem::take(&mut track.samples).len());
            track.file = None;
            // Whatever was told may be lost as well.
            track.told = false;
            track.lose(Loss::Disk, samples);
            self.stats.samples_lost += samples;
        }
    }

    fn tell(&mut self, id: &TrackId, line: &Line) {
        let tells = match line {
            Line::Fragment(fragment) => Some(Tells::Kept(count(fragment.sizes.len()))),
            Line::Lost { reason, samples } => Some(Tells::Lost(*reason, *samples)),
            Line::Opened(_) | Line::Configured(_) | Line::Discontinuity { .. } | Line::Ended => None,
        };
        let line = Bytes::from(line.to_text());
        self.command(FileName::Sidecar(id.clone()), line, tells.map(|tells| (id.clone(), tells)));
    }

    fn append(&mut self, file: FileName, bytes: Bytes) {
        self.command(file, bytes, None);
    }

    fn command(&mut self, file: FileName, bytes: Bytes, line: Option<(TrackId, Tells)>) {
        if self.full {
            return;
        }
        let length = count(bytes.len());
        self.pending.push_back(Pending { bytes: length, line });
        self.pending_bytes += length;
        self.outputs.push_back(Command::Append(file, bytes));
    }
}

impl Track {
    fn lose(&mut self, reason: Loss, samples: u64) {
        *self.lost.entry(reason).or_insert(0) += samples;
    }

    fn is_whole(&self) -> bool {
        let bytes: usize = self.samples.iter().map(|sample| sample.data.len()).sum();
        self.lasts(1) || bytes >= FRAGMENT_BYTES_MAX || self.samples.len() >= FRAGMENT_SAMPLES_MAX
    }

    /// Whether what has come since the last cut lasts as long as this part of a fragment.
    fn lasts(&self, part: u64) -> bool {
        let Some(configuration) = &self.configuration else { return false };
        let ticks: u64 = self.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        ticks * part >= FRAGMENT_SECONDS * u64::from(configuration.timescale)
    }
}

fn described(samples: &[Sample], file: Written, bytes: u64, decode_time: u64) -> Fragment {
    let sync = (0..).zip(samples).filter(|(_, sample)| sample.sync).map(|(index, _)| index);
    let offsets = runs(samples.iter().map(|sample| sample.composition_offset));
    Fragment {
        file: file.number,
        from: file.bytes,
        bytes,
        decode_time,
        sizes: samples.iter().map(|sample| u32::try_from(sample.data.len()).unwrap_or(u32::MAX)).collect(),
        durations: runs(samples.iter().map(|sample| sample.duration)),
        sync: sync.collect(),
        offsets: if offsets.iter().all(|(_, offset)| *offset == 0) { Vec::new() } else { offsets },
    }
}

/// Equal values in a row, counted.
fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
