//! The oracle of ownership: two workers never both let people into one room.
//!
//! Pure. It is fed samples, each taken at some moment between two stamps, and claims a violation only
//! where every choice of those moments gives one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long samples are kept: longer than any two consecutive ones of a worker that runs are apart.
const KEPT: Duration = Duration::from_secs(30);

/// What one worker said of itself. Stamps count from the same moment for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) worker: String,
    pub(crate) incarnation: u64,
    /// Which claim of its key it lets people in under.
    pub(crate) claim: u64,
    pub(crate) asked: Duration,
    pub(crate) answered: Duration,
    /// It lets people in for so long, unless it loses its claim; zero when it does not at all.
    pub(crate) admits_for: Duration,
    /// Held, with the generations of the assignments.
    pub(crate) rooms: BTreeMap<String, u64>,
}

/// Two workers let people into one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    pub(crate) room: String,
    /// Each with its generation of the room.
    pub(crate) owners: [(String, u64); 2],
    /// Both did so at least from then on
    pub(crate) from: Duration,
    /// until then.
    pub(crate) until: Duration,
}

/// One boot of a worker.
type Boot = (String, u64);

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    samples: BTreeMap<String, VecDeque<Sample>>,
    /// Who was seen with a generation of a room first.
    owners: BTreeMap<(String, u64), Boot>,
    /// A generation that two had.
    shared: Vec<String>,
    overlaps: Vec<Overlap>,
    pub(crate) judged: u64,
}

impl Oracle {
    pub(crate) fn observe(&mut self, sample: Sample) {
        self.judged += 1;
        self.note_owners(&sample);
        let before = self.samples.get(&sample.worker).and_then(VecDeque::back);
        let stretch = before.and_then(|before| Stretch::between(before, &sample));
        if let Some(stretch) = stretch {
            self.compare(&stretch);
        }
        let samples = self.samples.entry(sample.worker.clone()).or_default();
        while samples.front().is_some_and(|oldest| oldest.answered + KEPT < sample.asked) {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// What was found since it was asked last: generations with two owners, and overlaps.
    pub(crate) fn take(&mut self) -> (Vec<String>, Vec<Overlap>) {
        (std::mem::take(&mut self.shared), std::mem::take(&mut self.overlaps))
    }

    /// A generation belongs to one boot for ever, so this needs no time.
    fn note_owners(&mut self, sample: &Sample) {
        let boot = (sample.worker.clone(), sample.incarnation);
        for (room, generation) in &sample.rooms {
            let first = self.owners.entry((room.clone(), *generation)).or_insert_with(|| boot.clone());
            if *first != boot {
                self.shared.push(format!("{room} generation {generation}: at {first:?} and at {boot:?}"));
            }
        }
    }

    /// Whoever else was sampled within the stretch let people in at the same time.
    fn compare(&mut self, stretch: &Stretch) {
        let others = self.samples.iter().filter(|(worker, _)| **worker != stretch.worker);
        let within = others.flat_map(|(_, samples)| samples).filter(|other| {
            !other.admits_for.is_zero() && stretch.from <= other.asked && other.answered <= stretch.until
        });
        let mut found = Vec::new();
        for other in within {
            for (room, generation) in &stretch.rooms {
                if let Some(theirs) = other.rooms.get(room) {
                    let mut owners = [(stretch.worker.clone(), *generation), (other.worker.clone(), *theirs)];
                    owners.sort();
                    found.push(Overlap { room: room.clone(), owners, from: other.asked, until: other.answered });
                }
            }
        }
        found.into_iter().for_each(|overlap| self.add(overlap));
    }

    /// Joins what is found again and again.
    fn add(&mut self, found: Overlap) {
        let same = |known: &&mut Overlap| known.room == found.room && known.owners == found.owners;
        match self.overlaps.iter_mut().find(same) {
            Some(known) => {
                known.from = known.from.min(found.from);
                known.until = known.until.max(found.until);
            }
            None => self.overlaps.push(found),
        }
    }
}

/// A time in which a worker surely let people into some rooms without a break.
struct Stretch {
    worker: String,
    from: Duration,
    until: Duration,
    rooms: BTreeMap<String, u64>,
}

impl Stretch {
    /// Between two samples of one claim, of which the first reaches to the second. A room that both show
    /// under one generation was held in between: a worker never takes a generation again that it gave up.
    fn between(one: &Sample, two: &Sample) -> Option<Self> {
        let same = one.incarnation == two.incarnation && one.claim == two.claim;
        let reaches = one.asked + one.admits_for >= two.asked && !two.admits_for.is_zero();
        if !same || !reaches {
            return None;
        }
        let kept = |(room, generation): &(&String, &u64)| two.rooms.get(*room) == Some(*generation);
        let rooms = one.rooms.iter().filter(kept).map(|(room, generation)| (room.clone(), *generation)).collect();
        Some(Self { worker: one.worker.clone(), from: one.answered, until: two.asked, rooms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_let_people_in_at_the_same_time_are_found() {
        let mut oracle = Oracle::default();
        let [one, two] = [at("w1", 0, 1).admits(4_000, 1), at("w1", 100, 101).admits(3_900, 1)];
        feed(&mut oracle, [one, at("w2", 40, 42).admits(4_000, 2), two]);
        let owners = [("w1".to_owned(), 1), ("w2".to_owned(), 2)];
        let overlap = Overlap { room: "r".to_owned(), owners, from: ms(40), until: ms(42) };
        assert_eq!(oracle.take(), (vec![], vec![overlap]));
    }

    #[test]
    fn a_moment_that_may_have_been_before_or_after_proves_nothing() {
        let mut oracle = Oracle::default();
        let [one, two] = [at("w1", 0, 50).admits(4_000, 1), at("w1", 100, 101).admits(3_900, 1)];
        // The answer of w1 may have been given before w2 began, or that of w2 after w1 was asked again.
        let [early, late] = [at("w2", 40, 60).admits(4_000, 2), at("w2", 90, 110).admits(4_000, 2)];
        feed(&mut oracle, [one, early, late, two]);
        assert_eq!(oracle.take(), (vec![], vec![]));
    }

    #[test]
    fn a_worker_that_may_have_stopped_in_between_proves_nothing() {
        for second in [
            // It was fenced for a while.
            at("w1", 2_000, 2_001).admits(4_000, 1),
            // It lost its key and claimed it again.
            at("w1", 100, 101).admits(4_000, 1).claims(2),
            // It gave the room up.
            at("w1", 100, 101).admits(4_000, 3),
            // It is another boot.
            at("w1", 100, 101).admits(4_000, 1).boots(8),
            // It lets nobody in.
            at("w1", 100, 101).admits(0, 1),
        ] {
            let mut oracle = Oracle::default();
            let first = at("w1", 0, 1).admits(1_000, 1);
            feed(&mut oracle, [first, at("w2", 40, 42).admits(4_000, 2), second.clone()]);
            assert_eq!(oracle.take().1, vec![], "{second:?}");
        }
    }

    #[test]
    fn a_fenced_worker_may_hold_what_another_serves() {
        let mut oracle = Oracle::default();
        let [one, two] = [at("w1", 0, 1).admits(4_000, 2), at("w1", 100, 101).admits(3_900, 2)];
        feed(&mut oracle, [one, at("w2", 40, 42).admits(0, 1), two]);
        assert_eq!(oracle.take(), (vec![], vec![]));
    }

    #[test]
    fn a_generation_with_two_owners_is_found_whenever_they_had_it() {
        let mut oracle = Oracle::default();
        feed(&mut oracle, [at("w1", 0, 1).admits(0, 1), at("w2", 9_000, 9_001).admits(0, 1)]);
        assert_eq!(oracle.take().0.len(), 1);
    }

    #[test]
    fn an_overlap_that_lasts_is_one() {
        let mut oracle = Oracle::default();
        for n in 0..10 {
            let [first, second] = [n * 100, n * 100 + 50];
            feed(&mut oracle, [at("w1", first, first + 1).admits(4_000, 1)]);
            feed(&mut oracle, [at("w2", second, second + 1).admits(4_000, 2)]);
        }
        let (_, overlaps) = oracle.take();
        assert_eq!(overlaps.len(), 1);
        assert!(overlaps[0].until - overlaps[0].from > ms(800), "{overlaps:?}");
    }

    fn feed<const N: usize>(oracle: &mut Oracle, samples: [Sample; N]) {
        samples.into_iter().for_each(|sample| oracle.observe(sample));
    }

    fn at(worker: &str, asked: u64, answered: u64) -> Sample {
        Sample {
            worker: worker.to_owned(),
            incarnation: 7,
            claim: 1,
            asked: ms(asked),
            answered: ms(answered),
            admits_for: Duration::ZERO,
            rooms: BTreeMap::new(),
        }
    }

    impl Sample {
        /// The room "r" under this generation.
        fn admits(mut self, for_ms: u64, generation: u64) -> Self {
            self.admits_for = ms(for_ms);
            self.rooms.insert("r".to_owned(), generation);
            self
        }

        fn claims(self, claim: u64) -> Self {
            Self { claim, ..self }
        }

        fn boots(self, incarnation: u64) -> Self {
            Self { incarnation, ..self }
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
}
