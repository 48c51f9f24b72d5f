//! One row of the tests: something goes wrong while people talk and rooms are made, and then it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;

use crate::clock;
use crate::cluster::{Cluster, Place, delete_room, places};
use crate::customer::{Customer, Orders};
use crate::front::FRONT;
use crate::matrix::Break;
use crate::oracle::Overlap;
use crate::servers::Servers;
use crate::viewers::Sight;

/// A picture that comes later than this was missed: some frames at 15 a second, and a busy machine's pauses.
const NO_GAP: Duration = Duration::from_millis(1_500);

/// From the moment in which a gateway may count as gone to the picture of the camera from another one.
pub(crate) const PICTURE_BACK: Duration = Duration::from_secs(5);

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Part of what every change has to pass.
    pub(crate) quick: bool,
    pub(crate) servers: Servers,
    pub(crate) deed: Deed,
    pub(crate) rooms: Rooms,
    pub(crate) media: Media,
    pub(crate) owners: Owners,
    pub(crate) camera: Sighting,
}

/// What goes wrong; afterwards it is right again.
pub(crate) enum Deed {
    Break(Break),
    Act(Act),
}

/// Anything else, with checks of its own.
pub(crate) type Act = for<'a> fn(&'a mut Cluster) -> LocalBoxFuture<'a, anyhow::Result<()>>;

/// What becomes of the placements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rooms {
    /// None moves.
    Stay,
    /// Those of the victim move, to others.
    Leave,
    /// At most those of one worker move.
    OfOne,
    /// Any may.
    May,
}

/// What the people see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Nothing.
    NoGap,
    /// Each other again, in the end.
    Back,
    /// The same, and no page had to be loaded again.
    Kept,
}

/// Whether two workers let people into one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Never.
    One,
    /// They do, since they were lied to; the oracle has to see it.
    Two,
}

/// What becomes of the camera. In the end people see it in every row, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It may stand still, and move.
    May,
    /// It stays with its gateway and comes no second time, though it may stand still.
    Stays,
    /// Another gateway has it; it came once more and was away no longer than this.
    Moves(Duration),
}

/// What a row went through.
pub(crate) struct Seen {
    gap: Duration,
    /// The longest that a bot heard nothing.
    silence: Duration,
    reloads: u64,
    sight: Sight,
    /// Which gateway had the camera, before and after.
    gateways: [Option<String>; 2],
    moved: usize,
    /// Whose they were.
    left: BTreeSet<String>,
    overlap: Duration,
    back: Duration,
    orders: Orders,
}

impl Row {
    /// Breaks, mends, and judges.
    pub(crate) async fn play(&self, cluster: &mut Cluster) -> anyhow::Result<Seen> {
        let before = places(FRONT).await;
        ensure!(cluster.rooms.iter().all(|room| before.contains_key(room)), "a room is missing before the fault");
        let gateway = cluster.camera.gateway().await;
        let (began, customer) = (clock::now(), Customer::start());
        let victims = match &self.deed {
            Deed::Break(broken) => broken.play(cluster).await?,
            Deed::Act(act) => act(cluster).await.map(|()| Vec::new())?,
        };
        let (mended, orders) = (clock::now(), customer.stop());
        cluster.rooms.extend(orders.rooms.iter().cloned());
        cluster.is_whole_again().await?;
        let back = clock::now().saturating_sub(mended);
        let after = places(FRONT).await;
        let (shared, overlaps) = cluster.watch.oracle().take();
        ensure!(shared.is_empty(), "a generation with two owners: {}", shared.join("; "));
        let moved = moved(&before, &after);
        let (gap, reloads) = cluster.people.gap(began);
        let (silence, _) = cluster.bots.gap(began);
        let seen = Seen {
            gap,
            silence,
            reloads,
            sight: cluster.people.sight(began),
            gateways: [gateway, cluster.camera.gateway().await],
            moved: moved.len(),
            left: moved.into_values().collect(),
            overlap: longest(&overlaps),
            back,
            orders,
        };
        self.judge(&seen, &overlaps).with_context(|| format!("{seen}; {overlaps:?}"))?;
        if self.rooms == Rooms::Leave {
            all_left(&victims, &before, &after)?;
        }
        seen.forget(cluster).await?;
        Ok(seen)
    }

    fn judge(&self, seen: &Seen, overlaps: &[Overlap]) -> anyhow::Result<()> {
        match self.owners {
            Owners::One => ensure!(overlaps.is_empty(), "two workers let people into one room"),
            Owners::Two => ensure!(!overlaps.is_empty(), "the oracle is blind"),
        }
        match self.rooms {
            Rooms::Stay => ensure!(seen.moved == 0, "rooms have moved"),
            Rooms::OfOne => ensure!(seen.left.len() <= 1, "rooms have left {:?}", seen.left),
            Rooms::Leave | Rooms::May => {}
        }
        match self.media {
            Media::NoGap => {
                ensure!(seen.gap <= NO_GAP, "people have seen it");
                ensure!(seen.silence <= NO_GAP, "bots have heard it");
            }
            Media::Kept => ensure!(seen.reloads == 0, "a page had to be loaded again"),
            Media::Back => {}
        }
        let [before, after] = &seen.gateways;
        match self.camera {
            Sighting::May => {}
            Sighting::Stays => {
                ensure!(before == after, "the camera has moved");
                ensure!(seen.sight.added == 0, "the camera came once more");
            }
            Sighting::Moves(within) => {
                ensure!(before != after, "the camera is where it was");
                ensure!(seen.sight.gap <= within, "people have missed the camera for longer than {within:?}");
                ensure!(seen.sight.added == 1, "the camera came more than once");
            }
        }
        ensure!(seen.orders.odd.is_empty(), "neither a room nor a clear refusal");
        Ok(())
    }
}

impl Seen {
    /// The rooms that were made meanwhile have proven their point.
    async fn forget(&self, cluster: &mut Cluster) -> anyhow::Result<()> {
        for room in &self.orders.rooms {
            ensure!(delete_room(FRONT, room).await?, "{room} cannot be deleted");
            cluster.rooms.remove(room);
        }
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gap, silence, reloads, sight, gateways, moved, left: _, overlap, back, orders } = self;
        let [gap, silence, overlap, back] = [gap, silence, overlap, back].map(Duration::as_millis);
        let [before, after] = gateways.each_ref().map(|gateway| gateway.as_deref().unwrap_or("nobody"));
        let away = sight.gap.as_millis();
        let Orders { rooms, refused, unclear, odd } = orders;
        write!(
            f,
            "no picture for {gap} ms, bots silent for {silence} ms, {reloads} pages loaded again, {moved} rooms moved, overlap {overlap} ms, "
        )?;
        write!(f, "camera away for {away} ms, {} times anew, at {before} and at {after}, ", sight.added)?;
        write!(f, "whole {back} ms after; {} rooms made, {refused} refused, {unclear} unanswered", rooms.len())?;
        if odd.is_empty() { Ok(()) } else { write!(f, ", odd: {odd:?}") }
    }
}

/// What the victims had is elsewhere, under higher generations.
fn all_left(victims: &[&str], before: &BTreeMap<String, Place>, after: &BTreeMap<String, Place>) -> anyhow::Result<()> {
    for (room, place) in before.iter().filter(|(_, place)| victims.contains(&place.worker.as_str())) {
        let now = after.get(room).context("a room is lost")?;
        ensure!(now.generation > place.generation, "{room} is where it was");
    }
    Ok(())
}

/// Rooms that moved, and whose they were.
fn moved(before: &BTreeMap<String, Place>, after: &BTreeMap<String, Place>) -> BTreeMap<String, String> {
    let moved = before.iter().filter(|(room, place)| after.get(*room) != Some(place));
    moved.map(|(room, place)| (room.clone(), place.worker.clone())).collect()
}

fn longest(overlaps: &[Overlap]) -> Duration {
    overlaps.iter().map(|overlap| overlap.until.saturating_sub(overlap.from)).max().unwrap_or_default()
}
