//! Which worker takes a room: a pure function from a wish and the known workers to a decision
//! that keeps its scores, so that the API can explain it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use velella_model::record::{Candidate, Verdict};
use velella_model::wire::announce::{Capacity, WorkerState};
use velella_model::{Incarnation, RoomId, WorkerId};

/// Below this a worker is idle: what it measures is noise, which shall not outweigh how many rooms it holds,
/// since people may come to all of them.
pub const IDLE_PERMILLE: u32 = 50;

/// Loads above that differ less than this count as equal: about what a room costs.
pub const LOAD_STEP_PERMILLE: u32 = 10;

/// A worker as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Its id.
    pub worker: WorkerId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Its media addresses.
    pub endpoints: Vec<SocketAddr>,
    /// Its region.
    pub region: String,
    /// What it says of itself.
    pub state: WorkerState,
    /// Nobody has declared it dead.
    pub lives: bool,
    /// Not heard of for too long.
    pub silent: bool,
    /// What it announced. This alone can make it full: rooms that are expected to cost something may stay empty.
    pub announced_permille: u32,
    /// Announced load plus the expected cost of what was placed there since.
    pub load_permille: u32,
    /// Rooms it holds or was given.
    pub rooms: u32,
    /// Sessions it holds.
    pub sessions: u32,
    /// Its admission limits.
    pub capacity: Capacity,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Which room it is for.
    pub room: &'a RoomId,
    /// Preferred region; empty is no preference.
    pub region: &'a str,
    /// Workers that refused this room just now.
    pub refused_by: &'a BTreeSet<WorkerId>,
    /// Nobody else will do.
    pub only: Option<&'a WorkerId>,
}

/// The choice, with what every known worker scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The worker.
    pub worker: WorkerId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Its media addresses.
    pub endpoints: Vec<SocketAddr>,
    /// Everybody's verdict.
    pub candidates: Vec<Candidate>,
}

/// Nobody fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no worker can take the room")]
pub struct NoWorker {
    /// Why each known worker was left out.
    pub candidates: Vec<Candidate>,
}

/// Lower is better; fields compare top to bottom, the id breaks ties of idle workers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score<'a> {
    region_miss: bool,
    load_step: u32,
    /// Of idle workers; of others the load tells more.
    rooms: u32,
    /// Of busy workers.
    lot: u64,
    worker: &'a WorkerId,
}

/// Chooses the least loaded of the workers that may take a room.
pub fn place(wish: Wish<'_>, contenders: &[Contender]) -> Result<Decision, NoWorker> {
    let candidates = contenders
        .iter()
        .map(|contender| Candidate { worker: contender.worker.clone(), verdict: verdict(wish, contender) })
        .collect();
    let best = contenders.iter().filter(|c| exclusion(wish, c).is_none()).min_by_key(|c| score(wish, c));
    match best {
        Some(best) => Ok(Decision {
            worker: best.worker.clone(),
            incarnation: best.incarnation,
            endpoints: best.endpoints.clone(),
            candidates,
        }),
        None => Err(NoWorker { candidates }),
    }
}

fn score<'a>(wish: Wish<'_>, contender: &'a Contender) -> Score<'a> {
    let is_idle = contender.load_permille < IDLE_PERMILLE;
    Score {
        region_miss: region_miss(wish, contender),
        load_step: if is_idle { 0 } else { contender.load_permille / LOAD_STEP_PERMILLE },
        rooms: if is_idle { contender.rooms } else { 0 },
        lot: if is_idle { 0 } else { lot(wish.room.as_str(), contender.worker.as_str()) },
        worker: &contender.worker,
    }
}

/// Equals are chosen by lot, another one for each room or component and the same wherever it is drawn:
/// coordinators that do not know yet of each other's choices would all choose the same. FNV-1a (Fowler, Noll, Vo), its bits mixed as
/// in `SplitMix64` (Steele, Lea, Flood).
pub(crate) fn lot(what: &str, where_to: &str) -> u64 {
    let bytes = what.bytes().chain([b'/']).chain(where_to.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 1
}

fn verdict(wish: Wish<'_>, contender: &Contender) -> Verdict {
    match exclusion(wish, contender) {
        Some(reason) => Verdict::Excluded { reason: reason.into() },
        None => Verdict::Scored {
            region_miss: region_miss(wish, contender),
            load_permille: contender.load_permille,
            rooms: contender.rooms,
        },
    }
}

fn region_miss(wish: Wish<'_>, contender: &Contender) -> bool {
    !wish.region.is_empty() && contender.region != wish.region
}

/// The hard filters: why a worker may not take a room at all.
fn exclusion(wish: Wish<'_>, contender: &Contender) -> Option<&'static str> {
    let Capacity { load_permille_max, rooms_max, sessions_max } = contender.capacity;
    match contender.state {
        WorkerState::Starting => return Some("starting"),
        WorkerState::Cordoned => return Some("cordoned"),
        WorkerState::Draining => return Some("draining"),
        WorkerState::Fenced => return Some("fenced"),
        WorkerState::Ready => {}
    }
    let rules = [
        (!contender.lives, "dead"),
        (wish.only.is_some_and(|only| *only != contender.worker), "not asked for"),
        (contender.silent, "silent"),
        (wish.refused_by.contains(&contender.worker), "refused"),
        (contender.announced_permille >= load_permille_max, "full: load"),
        (contender.rooms >= rooms_max, "full: rooms"),
        (contender.sessions >= sessions_max, "full: sessions"),
    ];
    rules.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    const NOBODY: &BTreeSet<WorkerId> = &BTreeSet::new();
    static ROOM: LazyLock<RoomId> = LazyLock::new(|| RoomId::parse("r").unwrap());

    fn anywhere() -> Wish<'static> {
        Wish { room: &ROOM, region: "", refused_by: NOBODY, only: None }
    }

    #[test]
    fn the_least_loaded_takes_the_room() {
        assert_eq!(chosen(&[at("a", 300, 0), at("b", 100, 9)]), Some("b"));
    }

    #[test]
    fn noise_below_a_step_leaves_the_choice_to_the_room_count() {
        assert_eq!(chosen(&[at("a", 0, 3), at("b", 49, 2)]), Some("b"));
    }

    #[test]
    fn of_busy_workers_a_rooms_worth_of_load_makes_the_choice() {
        assert_eq!(chosen(&[at("a", 510, 3), at("b", 500, 9)]), Some("b"));
    }

    #[test]
    fn equals_are_chosen_by_a_lot_that_is_another_for_each_room() {
        let equals = [at("a", 500, 1), at("b", 509, 2), at("c", 505, 3)];
        let rooms: Vec<RoomId> = (0..300).map(|n| RoomId::parse(&format!("r{n}")).unwrap()).collect();
        let choose = |room| place(Wish { room, ..anywhere() }, &equals).unwrap().worker;
        for worker in ["a", "b", "c"] {
            let times = rooms.iter().filter(|room| choose(room).as_str() == worker).count();
            assert!((70..130).contains(&times), "{worker}: {times} of 300");
        }
        assert_eq!(choose(&rooms[0]), choose(&rooms[0]));
    }

    #[test]
    fn the_wanted_region_comes_before_the_load() {
        let far = at("far", 0, 0);
        let near = Contender { region: "eu".into(), ..at("near", 700, 9) };
        let wish = Wish { region: "eu", ..anywhere() };
        let decision = place(wish, &[far, near]).unwrap();
        assert_eq!(decision.worker.as_str(), "near");
    }

    #[test]
    fn each_hard_filter_names_its_reason() {
        let full = capacity();
        let table = [
            (Contender { state: WorkerState::Starting, ..at("a", 0, 0) }, "starting"),
            (Contender { state: WorkerState::Cordoned, ..at("a", 0, 0) }, "cordoned"),
            (Contender { state: WorkerState::Draining, ..at("a", 0, 0) }, "draining"),
            (Contender { silent: true, ..at("a", 0, 0) }, "silent"),
            (at("a", full.load_permille_max, 0), "full: load"),
            (at("a", 0, full.rooms_max), "full: rooms"),
            (Contender { sessions: full.sessions_max, ..at("a", 0, 0) }, "full: sessions"),
        ];
        for (contender, reason) in table {
            let verdict = Verdict::Excluded { reason: reason.into() };
            let candidates = vec![Candidate { worker: contender.worker.clone(), verdict }];
            assert_eq!(place(anywhere(), &[contender]), Err(NoWorker { candidates }));
        }
    }

    #[test]
    fn a_worker_that_refused_the_room_is_not_asked_again() {
        let refused_by = BTreeSet::from([WorkerId::parse("a").unwrap()]);
        let wish = Wish { refused_by: &refused_by, ..anywhere() };
        assert_eq!(place(wish, &[at("a", 0, 0), at("b", 500, 9)]).unwrap().worker.as_str(), "b");
    }

    #[test]
    fn the_decision_keeps_what_everybody_scored() {
        let decision = place(anywhere(), &[at("a", 120, 4), Contender { silent: true, ..at("b", 0, 0) }]).unwrap();
        let verdicts: Vec<_> = decision.candidates.into_iter().map(|c| c.verdict).collect();
        let scored = Verdict::Scored { region_miss: false, load_permille: 120, rooms: 4 };
        assert_eq!(verdicts, [scored, Verdict::Excluded { reason: "silent".into() }]);
    }

    proptest! {
        #[test]
        fn placement_never_picks_a_worker_that_must_not_take_rooms(contenders in contenders()) {
            let Ok(decision) = place(anywhere(), &contenders) else {
                prop_assert!(contenders.iter().all(|c| !may_take(c)));
                return Ok(());
            };
            let winner = contenders.iter().find(|c| c.worker == decision.worker).unwrap();
            prop_assert!(may_take(winner));
            prop_assert_eq!(decision.candidates.len(), contenders.len());
        }
    }

    fn may_take(c: &Contender) -> bool {
        c.state == WorkerState::Ready
            && !c.silent
            && c.announced_permille < c.capacity.load_permille_max
            && c.rooms < c.capacity.rooms_max
            && c.sessions < c.capacity.sessions_max
    }

    fn contenders() -> impl Strategy<Value = Vec<Contender>> {
        let named = |(n, c)| Contender { worker: WorkerId::parse(&format!("w{n}")).unwrap(), ..c };
        prop::collection::vec(any_contender(), 0..12)
            .prop_map(move |contenders| (0..).zip(contenders).map(|pair: (u32, _)| named(pair)).collect())
    }

    prop_compose! {
        fn any_contender()(
            silent in any::<bool>(), load in 0_u32..1200, rooms in 0_u32..120, sessions in 0_u32..1200,
            state in prop::sample::select(vec![WorkerState::Ready, WorkerState::Starting, WorkerState::Cordoned, WorkerState::Draining]),
        ) -> Contender {
            Contender { silent, sessions, state, ..at("w", load, rooms) }
        }
    }

    fn chosen(contenders: &[Contender]) -> Option<&str> {
        let worker = place(anywhere(), contenders).ok()?.worker;
        contenders.iter().find(|c| c.worker == worker).map(|c| c.worker.as_str())
    }

    fn capacity() -> Capacity {
        Capacity { load_permille_max: 800, rooms_max: 100, sessions_max: 1000 }
    }

    fn at(worker: &str, load_permille: u32, rooms: u32) -> Contender {
        Contender {
            worker: WorkerId::parse(worker).unwrap(),
            incarnation: Incarnation(1),
            endpoints: Vec::new(),
            region: String::new(),
            state: WorkerState::Ready,
            lives: true,
            silent: false,
            announced_permille: load_permille,
            load_permille,
            rooms,
            sessions: 0,
            capacity: capacity(),
        }
    }
}
