//! Which gateway takes a component: a pure function from the component and the known gateways.
//!
//! There are no commands. The choice is written into the component's record; gateways follow the records
//! and do what names them.

use std::collections::BTreeMap;

use velella_model::component::{ComponentRecord, Job, JobKind};
use velella_model::wire::announce::{GatewayAnnounce, GatewayState};
use velella_model::{ComponentId, GatewayId};

use crate::placement::lot;

/// Loads that differ less than this count as equal, in permille of what a gateway can carry.
const LOAD_STEP_PERMILLE: u64 = 10;

/// Why a gateway may not take what may have to be transcoded.
pub(crate) const WITHOUT_TRANSCODER: &str = "without a transcoder";

/// Why a gateway may not take a broadcast.
const WITHOUT_VIEWERS: &str = "without an address for viewers";

/// A gateway in the choice.
#[derive(Clone, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) announce: &'a GatewayAnnounce,
    /// Its key stands.
    pub(crate) lives: bool,
    /// Not heard of for too long.
    pub(crate) silent: bool,
    /// What it was given.
    pub(crate) given: Given,
}

/// What a component asks of its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Work {
    pub(crate) kind: JobKind,
    /// It may have to be transcoded.
    pub(crate) transcode: bool,
}

/// How many jobs of each kind of work a gateway was given, and how many of them it does not measure yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given(BTreeMap<Work, [u32; 2]>);

impl Work {
    pub(crate) fn of(record: &ComponentRecord) -> Self {
        Self { kind: record.spec.kind(), transcode: record.transcode }
    }

    /// As its gateway declares it, in permille of a core; why it cannot do it otherwise. Whether a stream has to be
    /// transcoded shows when it comes, so it counts as if it had to.
    fn cost_permille(self, announce: &GatewayAnnounce) -> Result<u32, &'static str> {
        let cost = *announce.offers.get(&self.kind).ok_or("without this kind")?;
        match (self.transcode, &announce.transcoder) {
            (false, _) => Ok(cost),
            (true, Some(transcoder)) => Ok(cost.saturating_add(transcoder.cost_permille)),
            (true, None) => Err(WITHOUT_TRANSCODER),
        }
    }
}

impl Given {
    pub(crate) fn add(&mut self, work: Work, live: bool) {
        let [all, coming] = self.0.entry(work).or_default();
        *all += 1;
        *coming += u32::from(!live);
    }

    /// Takes back what was added.
    pub(crate) fn remove(&mut self, work: Work, live: bool) {
        let Some([all, coming]) = self.0.get_mut(&work) else { return };
        *all -= 1;
        *coming -= u32::from(!live);
        if *all == 0 {
            self.0.remove(&work);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.values().map(|[all, _]| all).sum()
    }

    /// What they cost as declared: all of them, and those that are not live.
    fn costs(&self, announce: &GatewayAnnounce) -> [u32; 2] {
        let cost = |which: fn(&[u32; 2]) -> u32| {
            let costs =
                self.0.iter().map(|(work, n)| which(n).saturating_mul(work.cost_permille(announce).unwrap_or(0)));
            costs.fold(0, u32::saturating_add)
        };
        [cost(|n| n[0]), cost(|n| n[1])]
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) component: &'a ComponentId,
    pub(crate) work: Work,
    /// Preferred; empty for none.
    pub(crate) region: &'a str,
}

/// Lower is better; fields compare top to bottom.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score<'a> {
    region_miss: bool,
    load_step: u64,
    lot: u64,
    gateway: &'a GatewayId,
}

/// The least loaded of the gateways that may do it, or why each may not.
pub(crate) fn choose(errand: Errand<'_>, offers: &[Offer<'_>]) -> Result<Job, Vec<&'static str>> {
    match fitting(errand, offers).first() {
        Some(best) => {
            let GatewayAnnounce { gateway, incarnation, .. } = best.announce;
            Ok(Job { gateway: gateway.clone(), incarnation: *incarnation })
        }
        None => Err(offers.iter().filter_map(|offer| exclusion(errand, offer)).collect()),
    }
}

/// Those that may do it, the best first.
pub(crate) fn fitting<'a, 'b>(errand: Errand<'_>, offers: &'b [Offer<'a>]) -> Vec<&'b Offer<'a>> {
    let mut fitting: Vec<_> = offers.iter().filter(|offer| exclusion(errand, offer).is_none()).collect();
    fitting.sort_by_cached_key(|offer| score(errand, offer.announce, offer.load_permille()));
    fitting
}

impl Offer<'_> {
    /// What it measures and what is still to come, and never less than what it was given.
    pub(crate) fn load_permille(&self) -> u32 {
        let [declared, coming] = self.given.costs(self.announce);
        declared.max(self.announce.load_permille.saturating_add(coming))
    }
}

fn score<'a>(errand: Errand<'_>, announce: &'a GatewayAnnounce, load_permille: u32) -> Score<'a> {
    let share = u64::from(load_permille) * 1000 / u64::from(announce.capacity_permille.max(1));
    Score {
        region_miss: !errand.region.is_empty() && announce.region != errand.region,
        load_step: share / LOAD_STEP_PERMILLE,
        lot: lot(errand.component.as_str(), announce.gateway.as_str()),
        gateway: &announce.gateway,
    }
}

/// The hard filters. Whoever waits for a publisher may be full now: it takes the publisher or refuses him.
fn exclusion(errand: Errand<'_>, offer: &Offer<'_>) -> Option<&'static str> {
    match offer.announce.state {
        GatewayState::Draining => return Some("draining"),
        GatewayState::Fenced => return Some("fenced"),
        GatewayState::Ready => {}
    }
    if offer.silent {
        return Some("silent");
    }
    if !offer.lives {
        return Some("dead");
    }
    let cost = match errand.work.cost_permille(offer.announce) {
        Ok(cost) => cost,
        Err(reason) => return Some(reason),
    };
    if errand.work.kind == JobKind::Hls && offer.announce.serves.is_none() {
        return Some(WITHOUT_VIEWERS);
    }
    let full = offer.load_permille().saturating_add(cost) > offer.announce.capacity_permille;
    (full && errand.work.kind.is_pulled()).then_some("full")
}

#[cfg(test)]
mod tests {
    use velella_model::wire::announce::Transcoder;

    use super::*;
    use crate::testing::{component, gateway_announce};

    const CAMERA: Work = Work { kind: JobKind::Rtsp, transcode: false };

    #[test]
    fn the_least_loaded_gateway_takes_it_and_equals_are_drawn_by_lot() {
        assert_eq!(chosen("c", &[loaded("a", 300), loaded("b", 100)]), Ok("b".into()));
        let equals = [loaded("a", 100), loaded("b", 100)];
        let chosen: Vec<_> = ["1", "2", "3", "4", "5", "6"].map(|id| chosen(id, &equals).unwrap()).into();
        assert!(chosen.contains(&"a".into()) && chosen.contains(&"b".into()), "{chosen:?}");
    }

    #[test]
    fn what_was_given_counts_before_it_is_measured_and_never_less_than_declared() {
        let mut announce = loaded("a", 100);
        announce.offers.insert(JobKind::Rtsp, 50);
        let mut offer = offer(&announce);
        offer.given.add(CAMERA, true);
        assert_eq!(offer.load_permille(), 100, "it is measured");
        offer.given.add(CAMERA, false);
        assert_eq!(offer.load_permille(), 150);
        (0..8).for_each(|_| offer.given.add(CAMERA, true));
        assert_eq!(offer.load_permille(), 500);
        assert_eq!(offer.given.len(), 10);
    }

    #[test]
    fn another_region_is_better_than_none() {
        let far = GatewayAnnounce { region: "far".into(), ..loaded("a", 0) };
        let near = GatewayAnnounce { region: "near".into(), ..loaded("b", 500) };
        let component = component("c");
        let errand = Errand { component: &component, work: CAMERA, region: "near" };
        let choose = |offers: &[Offer<'_>]| choose(errand, offers).unwrap().gateway.to_string();
        assert_eq!(choose(&[offer(&far), offer(&near)]), "b");
        assert_eq!(choose(&[offer(&far)]), "a");
    }

    #[test]
    fn whoever_may_not_take_it_says_why() {
        let with_state = |state| GatewayAnnounce { state, ..loaded("a", 0) };
        let table = [
            (with_state(GatewayState::Draining), "draining"),
            (with_state(GatewayState::Fenced), "fenced"),
            (GatewayAnnounce { offers: BTreeMap::new(), ..loaded("a", 0) }, "without this kind"),
            (loaded("a", 1000), "full"),
        ];
        for (announce, reason) in table {
            assert_eq!(chosen("c", &[announce]), Err(vec![reason]));
        }
        let announce = loaded("a", 0);
        let component = component("c");
        let errand = Errand { component: &component, work: CAMERA, region: "" };
        assert_eq!(choose(errand, &[Offer { lives: false, ..offer(&announce) }]), Err(vec!["dead"]));
        assert_eq!(choose(errand, &[Offer { silent: true, ..offer(&announce) }]), Err(vec!["silent"]));
        assert_eq!(choose(errand, &[]), Err(vec![]));
    }

    #[test]
    fn what_may_have_to_be_transcoded_goes_where_that_can_be_done_and_paid() {
        let transcoder = |cost_permille| Some(Transcoder { version: "5.1".into(), cost_permille });
        let component = component("c");
        let work = Work { transcode: true, ..CAMERA };
        let errand = Errand { component: &component, work, region: "" };
        let chosen = |announces: &[GatewayAnnounce]| {
            let offers: Vec<Offer<'_>> = announces.iter().map(offer).collect();
            choose(errand, &offers).map(|job| job.gateway.to_string())
        };
        let able = GatewayAnnounce { transcoder: transcoder(600), ..loaded("b", 350) };
        assert_eq!(chosen(&[loaded("a", 0), able.clone()]), Ok("b".into()));
        assert_eq!(chosen(&[loaded("a", 0)]), Err(vec![WITHOUT_TRANSCODER]));
        assert_eq!(chosen(&[GatewayAnnounce { load_permille: 351, ..able.clone() }]), Err(vec!["full"]));
        let mut offer = offer(&able);
        offer.given.add(work, false);
        assert_eq!(offer.load_permille(), 350 + 50 + 600);
    }

    #[test]
    fn a_gateway_that_is_full_now_may_yet_take_a_publisher() {
        let (announce, component) = (loaded("a", 1000), component("c"));
        let work = Work { kind: JobKind::Rtmp, transcode: false };
        let errand = Errand { component: &component, work, region: "" };
        assert!(choose(errand, &[offer(&announce)]).is_ok());
    }

    fn chosen(id: &str, announces: &[GatewayAnnounce]) -> Result<String, Vec<&'static str>> {
        let component = component(id);
        let errand = Errand { component: &component, work: CAMERA, region: "" };
        let offers: Vec<Offer<'_>> = announces.iter().map(offer).collect();
        choose(errand, &offers).map(|job| job.gateway.to_string())
    }

    fn loaded(id: &str, load_permille: u32) -> GatewayAnnounce {
        GatewayAnnounce { load_permille, ..gateway_announce(id, 1, 1) }
    }

    fn offer(announce: &GatewayAnnounce) -> Offer<'_> {
        Offer { announce, lives: true, silent: false, given: Given::default() }
    }
}
