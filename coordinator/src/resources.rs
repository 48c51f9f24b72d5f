//! WHIP and WHEP resources: sessions that came with an offer over HTTP, and have nothing else that
//! holds them.
//!
//! A task each: it takes the place that a socket has elsewhere. What clients want of theirs later (RFC
//! 9725 section 4.3) comes over the bus, since another replica may have got the request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::{mpsc, oneshot};
use velella_bus::{Bus, Delivery, Subscription};
use velella_coordinator_core::{Close, Door, Said};
use velella_model::record::PeerKind;
use velella_model::wire::resource::{Deed, Errand, ErrandReply, Fragment};
use velella_model::wire::signal::{PeerEvent, ServerEvent};
use velella_model::wire::{decode, encode};
use velella_model::{CoordinatorId, SessionId};

use crate::driver::{DriverGone, Letter};
use crate::sdp;
use crate::socket::{Outgoing, Sockets};
use crate::tokens::Grant;

/// How long it may take to see that somebody may come in: a read and a write of the store, which have their own,
/// shorter ends.
const WELCOME_PATIENCE: Duration = Duration::from_secs(12);

/// How long an answer may take. Finding a worker has its own, shorter end, which tells more.
const ANSWER_PATIENCE: Duration = Duration::from_secs(12);

/// The same when ICE begins anew: the worker is there.
const RESTART_PATIENCE: Duration = Duration::from_secs(4);

/// How long the holder of a resource may take for an errand.
pub(crate) const ERRAND_PATIENCE: Duration = Duration::from_secs(5);

/// Errands that wait for one resource; one more is dropped, and its client told so.
const ERRANDS_MAX: usize = 16;

/// Adopted sessions that wait to be attended to; the driver waits when there are more.
pub(crate) const ADOPTIONS_MAX: usize = 64;

/// A session that another coordinator held before, with what is told to it.
#[derive(Debug)]
pub(crate) struct Adoption {
    pub(crate) session: SessionId,
    pub(crate) outgoing: mpsc::Receiver<Outgoing>,
}

/// The resources of this coordinator.
#[derive(Clone)]
pub(crate) struct Resources {
    holder: CoordinatorId,
    open: Arc<Mutex<BTreeMap<SessionId, mpsc::Sender<Call>>>>,
}

/// Whether an errand found its resource.
enum Handed {
    Over,
    ToNobody,
    TooMuch,
}

/// An errand that somebody waits for.
struct Call {
    deed: Box<Deed>,
    reply_to: String,
}

/// An offer that was answered.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: SessionId,
    pub(crate) holder: CoordinatorId,
    pub(crate) answer: String,
    pub(crate) etag: String,
}

/// Why an offer was not.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The core closed it.
    Closed(Close),
    /// There is no codec for any of its lines.
    NothingInCommon,
    /// The worker did not answer in time.
    TimedOut,
    /// This process is going down.
    ShuttingDown,
}

impl From<DriverGone> for Refused {
    fn from(DriverGone: DriverGone) -> Self {
        Self::ShuttingDown
    }
}

impl Resources {
    pub(crate) fn new(holder: CoordinatorId) -> Self {
        Self { holder, open: Arc::default() }
    }

    /// Opens a session for an offer. It lasts on when this is answered, and ends with the request before.
    pub(crate) async fn open(
        &self,
        sockets: &Sockets,
        kind: PeerKind,
        grant: Grant,
        offer: String,
    ) -> Result<Opened, Refused> {
        let (session, outgoing) = sockets.attach(grant, kind, Door::Offer).await?;
        let (sender, calls) = mpsc::channel(ERRANDS_MAX);
        self.lock().insert(session.clone(), sender);
        let resource = Resource::new(sockets.clone(), Adoption { session, outgoing }, calls, offer);
        let (first, opened) = oneshot::channel();
        tokio::spawn(resource.run(self.clone(), first));
        opened.await.unwrap_or(Err(Refused::ShuttingDown))
    }

    /// Ourselves.
    pub(crate) fn holder(&self) -> &CoordinatorId {
        &self.holder
    }

    /// Hands out errands and takes in who is adopted, until the bus closes.
    pub(crate) async fn run(
        self,
        mut subscription: Subscription,
        mut adoptions: mpsc::Receiver<Adoption>,
        sockets: Sockets,
    ) {
        loop {
            tokio::select! {
                // An errand may come because of an adoption.
                biased;
                Some(adoption) = adoptions.recv() => self.adopt(&sockets, adoption),
                delivery = subscription.next() => match delivery {
                    Some(delivery) => self.delivered(delivery, &sockets).await,
                    None => return,
                },
            }
        }
    }

    async fn delivered(&self, delivery: Delivery, sockets: &Sockets) {
        let (metrics, Some(reply_to)) = (&sockets.metrics, delivery.reply) else { return };
        let errand = match decode::<Errand>(&delivery.payload) {
            Ok(errand) => errand,
            Err(error) => {
                metrics.bus_messages_bad.with_label_values(&["resource"]).inc();
                return tracing::debug!(%error, "an errand is not understood");
            }
        };
        let call = Call { deed: Box::new(errand.deed), reply_to: reply_to.to_string() };
        match self.hand_over(&errand.session, call) {
            Handed::Over => {}
            Handed::ToNobody => reply(&*sockets.bus, &reply_to, &ErrandReply::Gone).await,
            Handed::TooMuch => metrics.errands_dropped.inc(),
        }
    }

    /// Errands wait from now on.
    fn adopt(&self, sockets: &Sockets, adoption: Adoption) {
        let (sender, calls) = mpsc::channel(ERRANDS_MAX);
        self.lock().insert(adoption.session.clone(), sender);
        let resource = Resource::new(sockets.clone(), adoption, calls, String::new());
        tokio::spawn(resource.run_adopted(self.clone()));
    }

    fn hand_over(&self, session: &SessionId, call: Call) -> Handed {
        match self.lock().get(session).map(|calls| calls.try_send(call)) {
            Some(Ok(())) => Handed::Over,
            Some(Err(mpsc::error::TrySendError::Full(_))) => Handed::TooMuch,
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Handed::ToNobody,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, mpsc::Sender<Call>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session, held.
struct Resource {
    sockets: Sockets,
    session: SessionId,
    outgoing: mpsc::Receiver<Outgoing>,
    calls: mpsc::Receiver<Call>,
    /// As it was last made, for when ICE begins anew.
    offer: String,
    /// Of the client, in the present ICE session.
    ufrag: Option<String>,
    /// Names the present ICE session.
    etag: String,
}

impl Resource {
    fn new(sockets: Sockets, adoption: Adoption, calls: mpsc::Receiver<Call>, offer: String) -> Self {
        let Adoption { session, outgoing } = adoption;
        let ufrag = sdp::read_fragment(&offer).ufrag;
        let etag = etag(&session, ufrag.as_deref());
        Self { sockets, session, outgoing, calls, offer, ufrag, etag }
    }

    /// One that another coordinator held before.
    async fn run_adopted(mut self, resources: Resources) {
        self.sockets.metrics.resources.inc();
        if let Ok(Some(offer)) = tokio::time::timeout(ANSWER_PATIENCE, self.handed_over()).await {
            self.ufrag = sdp::read_fragment(&offer).ufrag;
            self.etag = etag(&self.session, self.ufrag.as_deref());
            self.offer = offer;
            self.attend().await;
        }
        self.end(&resources).await;
    }

    /// Its last offer, once the worker tells us of it.
    async fn handed_over(&mut self) -> Option<String> {
        loop {
            match self.outgoing.recv().await? {
                Outgoing::Adopted { offer } => return Some(offer),
                Outgoing::Close(_) => return None,
                Outgoing::Welcome(_) | Outgoing::Event(_) | Outgoing::TrackTaken { .. } => {}
            }
        }
    }

    async fn end(mut self, resources: &Resources) {
        resources.lock().remove(&self.session);
        while let Ok(Call { reply_to, .. }) = self.calls.try_recv() {
            reply(&*self.sockets.bus, &reply_to, &ErrandReply::Gone).await;
        }
        self.sockets.metrics.resources.dec();
        let _ = self.sockets.mailbox.send(Letter::Gone { session: self.session }).await;
    }

    async fn run(mut self, resources: Resources, mut first: oneshot::Sender<Result<Opened, Refused>>) {
        self.sockets.metrics.resources.inc();
        let answered = tokio::select! {
            answered = self.begin() => Some(answered),
            // Whoever asked has hung up.
            () = first.closed() => None,
        };
        let taken = answered.map(|answered| {
            let opened = answered.and_then(|answer| self.opened(answer, &resources));
            let lasts = opened.is_ok();
            first.send(opened).is_ok() && lasts
        });
        if taken == Some(true) {
            self.attend().await;
        }
        self.end(&resources).await;
    }

    fn opened(&self, answer: String, resources: &Resources) -> Result<Opened, Refused> {
        if !sdp::takes_anything(&answer) {
            return Err(Refused::NothingInCommon);
        }
        let (session, holder, etag) = (self.session.clone(), resources.holder.clone(), self.etag.clone());
        Ok(Opened { session, holder, answer, etag })
    }

    /// Until one side has enough. The end of this process is none: media goes on without it.
    async fn attend(&mut self) {
        loop {
            tokio::select! {
                outgoing = self.outgoing.recv() => {
                    if matches!(outgoing, None | Some(Outgoing::Close(_))) {
                        return;
                    }
                }
                Some(Call { deed, reply_to }) = self.calls.recv() => {
                    let done = self.carry_out(*deed).await;
                    let (answer, lasts) = match done {
                        Ok(Some(answer)) => (answer, true),
                        Ok(None) => (ErrandReply::Done, false),
                        Err(_) => (ErrandReply::Gone, false),
                    };
                    reply(&*self.sockets.bus, &reply_to, &answer).await;
                    if !lasts {
                        return;
                    }
                }
            }
        }
    }

    /// `None` when that was the end of it.
    async fn carry_out(&mut self, deed: Deed) -> Result<Option<ErrandReply>, Refused> {
        let Deed::Patch { if_match, fragment } = deed else { return Ok(None) };
        let is_other = fragment.ufrag.is_some() && fragment.ufrag != self.ufrag;
        match if_match.as_deref() {
            Some("*") if is_other => return self.begin_anew(fragment).await.map(Some),
            // Some published clients forget the tag, so its absence has to do.
            None | Some("*") => {}
            Some(etag) if etag == self.etag => {}
            Some(_) => return Ok(Some(ErrandReply::Stale)),
        }
        if is_other {
            return Ok(Some(ErrandReply::Stale));
        }
        self.trickle(fragment.candidates).await?;
        Ok(Some(ErrandReply::Done))
    }

    async fn begin_anew(&mut self, fragment: Fragment) -> Result<ErrandReply, Refused> {
        let Fragment { ufrag: Some(ufrag), password: Some(password), candidates } = fragment else {
            return Ok(ErrandReply::Stale);
        };
        self.offer = sdp::with_credentials(&self.offer, &ufrag, &password);
        self.etag = etag(&self.session, Some(&ufrag));
        self.ufrag = Some(ufrag);
        let answer = match self.ask(RESTART_PATIENCE).await {
            Ok(answer) => answer,
            Err(Refused::TimedOut) => return Ok(ErrandReply::TimedOut),
            Err(refused) => return Err(refused),
        };
        self.trickle(candidates).await?;
        Ok(ErrandReply::Restarted { etag: self.etag.clone(), fragment: sdp::read_fragment(&answer) })
    }

    /// What is said before the welcome is said to nobody.
    async fn begin(&mut self) -> Result<String, Refused> {
        match tokio::time::timeout(WELCOME_PATIENCE, self.outgoing.recv()).await {
            Ok(Some(Outgoing::Close(close))) => Err(Refused::Closed(close)),
            Ok(Some(_)) => self.ask(ANSWER_PATIENCE).await,
            Ok(None) => Err(Refused::ShuttingDown),
            Err(_) => Err(Refused::Closed(Close::StoreDown)),
        }
    }

    /// The worker's answer to the offer.
    async fn ask(&mut self, patience: Duration) -> Result<String, Refused> {
        let (mid_to_track, metadata) = (BTreeMap::new(), BTreeMap::new());
        self.say(PeerEvent::SdpOffer { sdp: self.offer.clone(), mid_to_track, metadata }).await?;
        tokio::time::timeout(patience, self.answer()).await.unwrap_or(Err(Refused::TimedOut))
    }

    async fn answer(&mut self) -> Result<String, Refused> {
        loop {
            match self.outgoing.recv().await {
                Some(Outgoing::Event(ServerEvent::SdpAnswer { sdp, .. })) => return Ok(sdp),
                Some(Outgoing::Close(close)) => return Err(Refused::Closed(close)),
                Some(_) => {}
                None => return Err(Refused::ShuttingDown),
            }
        }
    }

    async fn trickle(&self, candidates: Vec<String>) -> Result<(), Refused> {
        for candidate in candidates {
            self.say(PeerEvent::Candidate { candidate }).await?;
        }
        Ok(())
    }

    async fn say(&self, event: PeerEvent) -> Result<(), Refused> {
        let letter = Letter::Said { session: self.session.clone(), said: Said::Event(event) };
        Ok(self.sockets.mailbox.send(letter).await?)
    }
}

/// Names an ICE session by what is known of it wherever the resource is held: its client's user name fragment.
fn etag(session: &SessionId, ufrag: Option<&str>) -> String {
    let named = format!("{session} {}", ufrag.unwrap_or_default());
    let name = digest(&SHA256, named.as_bytes());
    let hex: String = name.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

async fn reply(bus: &dyn Bus, to: &str, answer: &ErrandReply) {
    if let Err(error) = bus.publish(to, encode(answer).into()).await {
        tracing::warn!(%error, "the answer to an errand was not sent");
    }
}
