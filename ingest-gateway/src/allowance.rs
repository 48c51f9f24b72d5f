//! What a gateway may carry. Coordinators go by the same rule when they give jobs; publishers come by themselves.

use std::collections::BTreeMap;

use tokio::sync::watch;
use velella_model::component::JobKind;

/// What its operator allows, what jobs are expected to cost, and what they cost; in permille of a core.
#[derive(Debug)]
pub(crate) struct Allowance {
    pub(crate) offers: BTreeMap<JobKind, u32>,
    pub(crate) capacity_permille: u32,
    /// Measured.
    pub(crate) load_permille: watch::Receiver<u32>,
}

/// A job that is carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) kind: JobKind,
    /// Its cost is in what is measured.
    pub(crate) live: bool,
}

impl Allowance {
    /// Whether one more fits beside what is carried: by what is declared, and by what is measured with what is still
    /// to come.
    pub(crate) fn has_room_for(&self, kind: JobKind, carried: impl Iterator<Item = Carried>) -> bool {
        let cost = |kind| self.offers.get(&kind).copied().unwrap_or(0);
        let (mut declared, mut expected) = (cost(kind), self.load_permille.borrow().saturating_add(cost(kind)));
        for Carried { kind, live } in carried {
            declared = declared.saturating_add(cost(kind));
            expected = expected.saturating_add(if live { 0 } else { cost(kind) });
        }
        declared.max(expected) <= self.capacity_permille
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_fits_by_what_is_declared_and_by_what_is_measured() {
        let (load, load_permille) = watch::channel(0);
        let offers = BTreeMap::from([(JobKind::Rtmp, 60), (JobKind::Rtsp, 30)]);
        let allowance = Allowance { offers, capacity_permille: 150, load_permille };
        let fits = |carried: &[Carried]| allowance.has_room_for(JobKind::Rtmp, carried.iter().copied());
        let [camera, encoder] = [JobKind::Rtsp, JobKind::Rtmp].map(|kind| Carried { kind, live: true });
        assert!(fits(&[]) && fits(&[camera, encoder]));
        assert!(!fits(&[encoder, encoder]), "declared");
        load.send_replace(90);
        assert!(fits(&[encoder]), "what is live is measured already");
        assert!(!fits(&[Carried { live: false, ..encoder }]), "it is still to come");
        load.send_replace(91);
        assert!(!fits(&[]), "measured");
    }
}
