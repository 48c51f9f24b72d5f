//! The only file that knows Prometheus.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use velella_coordinator_core::Stats;
use velella_coordinator_core::outbox::OutboxStats;
use velella_model::component::{IngestState, JobKind};

/// Everything the coordinator counts.
pub(crate) struct Metrics {
    pub(crate) requests: IntCounterVec,
    pub(crate) sockets: IntGauge,
    pub(crate) sockets_closed: IntCounterVec,
    pub(crate) resources: IntGauge,
    pub(crate) errands_dropped: IntCounter,
    pub(crate) lobby_evictions: IntCounterVec,
    pub(crate) bad_frames: IntCounterVec,
    pub(crate) stats_reports: IntCounter,
    pub(crate) outbox_overflows: IntCounter,
    pub(crate) bus_messages_bad: IntCounterVec,
    pub(crate) records_bad: IntCounter,
    pub(crate) panics: IntCounter,
    pub(crate) idempotency: IntCounterVec,
    pub(crate) agent_sounds: IntCounterVec,
    pub(crate) agent_images_refused: IntCounter,
    pub(crate) notices: IntCounter,
    pub(crate) subscribers: IntGauge,
    pub(crate) notices_lost: IntCounter,
    pub(crate) webhook_gaps: IntCounter,
    webhooks: WebhookMetrics,
    components: IntGaugeVec,
    gateways_ready: IntGauge,
    core: CoreMetrics,
}

/// What the core counts; it keeps totals, Prometheus wants steps.
struct CoreMetrics {
    last: Mutex<Stats>,
    placements: IntCounterVec,
    signals: IntCounterVec,
    writes: IntCounterVec,
    announcements_ignored: IntCounter,
    takeovers: IntCounter,
    purged: IntCounter,
    workers_dead: IntCounter,
    gateways_dead: IntCounter,
    jobs: IntCounterVec,
    tidied: IntCounterVec,
    leads: IntGauge,
    commands_lost: IntCounter,
    history_skipped: IntCounter,
    sessions_opening: IntGauge,
    workers: IntGauge,
    rooms: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let r = Register(registry);
        Ok(Self {
            requests: r.counters("http_requests_total", "HTTP requests", &["route", "method", "status"])?,
            sockets: r.gauge("peer_sockets", "Authenticated peer sockets")?,
            sockets_closed: r.counters(
                "peer_sockets_closed_total",
                "Sockets of peers, agents and servers closed by the server",
                &["reason"],
            )?,
            resources: r.gauge("resources", "Open WHIP and WHEP resources")?,
            errands_dropped: r.counter(
                "resource_errands_dropped_total",
                "Requests to WHIP and WHEP resources that came too fast to be served",
            )?,
            lobby_evictions: r.counters(
                "lobby_evictions_total",
                "Connections closed because too many others wait without having authenticated",
                &["stage"],
            )?,
            bad_frames: r.counters("peer_frames_bad_total", "Frames of peers that were refused", &["kind"])?,
            stats_reports: r.counter("peer_stats_reports_total", "Statistics that peers sent and nobody reads")?,
            outbox_overflows: r
                .counter("peer_outbox_overflows_total", "Sockets closed because they read too slowly")?,
            bus_messages_bad: r.counters("bus_messages_bad_total", "Undecodable messages", &["conversation"])?,
            records_bad: r.counter("store_records_bad_total", "Undecodable records of the store")?,
            panics: r.counter("http_panics_total", "Requests that ended in a caught panic")?,
            idempotency: r.counters("idempotency_total", "Requests with an Idempotency-Key", &["outcome"])?,
            agent_sounds: r.counters(
                "agent_sounds_total",
                "Pieces of sound that agents said and heard, and what became of them here",
                &["direction", "fate"],
            )?,
            agent_images_refused: r.counter("agent_images_refused_total", "Pictures that agents asked for in vain")?,
            notices: r.counter("notifications_total", "Notifications made")?,
            subscribers: r.gauge("server_sockets", "Authenticated server sockets")?,
            notices_lost: r.counter(
                "notifications_lost_total",
                "Notifications that subscribers lost because they read too slowly",
            )?,
            webhook_gaps: r.counter(
                "webhook_gaps_total",
                "Times that changes were forgotten by the store before their webhooks were made",
            )?,
            webhooks: WebhookMetrics::new(&r)?,
            components: r.gauges("components", "Components of all rooms", &["kind", "state"])?,
            gateways_ready: r.gauge("gateways_ready", "Gateways that take jobs")?,
            core: CoreMetrics::new(&r)?,
        })
    }

    /// Takes the core's totals.
    pub(crate) fn observe(&self, stats: Stats) {
        self.core.observe(stats);
    }

    /// Takes how many components and gateways there are now.
    pub(crate) fn observe_components(&self, counts: &BTreeMap<(JobKind, IngestState), u64>, gateways_ready: usize) {
        for kind in JobKind::ALL {
            for state in IngestState::ALL {
                let count = counts.get(&(kind, state)).copied().unwrap_or(0);
                let gauge = self.components.with_label_values(&[kind.name(), state.name()]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        self.gateways_ready.set(i64::try_from(gateways_ready).unwrap_or(i64::MAX));
    }

    /// Takes the outbox's totals.
    pub(crate) fn observe_outbox(&self, stats: OutboxStats, oldest_age: Option<Duration>) {
        self.webhooks.observe(stats);
        self.webhooks.oldest_age.set(oldest_age.unwrap_or_default().as_secs_f64());
    }
}

/// What the outbox counts; it keeps totals, Prometheus wants steps.
struct WebhookMetrics {
    last: Mutex<OutboxStats>,
    notices: IntCounterVec,
    calls_failed: IntCounter,
    waiting: IntGauge,
    calls: IntGauge,
    oldest_age: Gauge,
}

impl WebhookMetrics {
    fn new(r: &Register<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            last: Mutex::default(),
            notices: r.counters("webhook_notifications_total", "Notifications for webhooks", &["outcome"])?,
            calls_failed: r.counter("webhook_calls_failed_total", "Webhook calls that failed")?,
            waiting: r.gauge("webhook_notifications_waiting", "Notifications that no receiver has taken yet")?,
            calls: r.gauge("webhook_calls", "Webhook calls that run")?,
            oldest_age: r.seconds(
                "webhook_oldest_notification_age_seconds",
                "How long the notification that waits longest for its receiver has waited here",
            )?,
        })
    }

    fn observe(&self, now: OutboxStats) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outcome = |name| self.notices.with_label_values(&[name]);
        outcome("delivered").inc_by(now.delivered.saturating_sub(last.delivered));
        outcome("overflowed").inc_by(now.overflowed.saturating_sub(last.overflowed));
        outcome("given_up").inc_by(now.given_up.saturating_sub(last.given_up));
        self.calls_failed.inc_by(now.calls_failed.saturating_sub(last.calls_failed));
        self.waiting.set(i64::try_from(now.waiting).unwrap_or(i64::MAX));
        self.calls.set(i64::try_from(now.calls).unwrap_or(i64::MAX));
        *last = now;
    }
}

impl CoreMetrics {
    fn new(r: &Register<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            last: Mutex::new(Stats::default()),
            placements: r.counters("placements_total", "Rooms given to workers", &["outcome"])?,
            signals: r.counters("signals_faulty_total", "Signalling messages lost or astray", &["fault"])?,
            writes: r.counters("store_writes_faulty_total", "Writes that lost a race or failed", &["fault"])?,
            announcements_ignored: r.counter("announcements_ignored_total", "Announcements out of order")?,
            takeovers: r.counter("takeovers_total", "Sockets replaced by a newer one of their peer")?,
            purged: r.counter("purged_total", "Rooms and peers removed because nobody used them")?,
            workers_dead: r
                .counter("workers_declared_dead_total", "Workers proven dead before their leases ran out")?,
            gateways_dead: r
                .counter("gateways_declared_dead_total", "Gateways proven dead before their leases ran out")?,
            jobs: r.counters(
                "jobs_total",
                "Components moved to another gateway, or that none could take",
                &["outcome"],
            )?,
            tidied: r.counters("tidied_total", "What the leader cleared away", &["what"])?,
            leads: r.gauge("leads", "1 while this coordinator leads")?,
            commands_lost: r.counter("commands_lost_total", "Commands to workers that were given up")?,
            history_skipped: r.counter("history_skipped_total", "Samples of workers too many for the history")?,
            sessions_opening: r.gauge("sessions_opening", "Sessions that wait for a worker")?,
            workers: r.gauge("workers", "Known workers")?,
            rooms: r.gauge("rooms", "Known rooms")?,
        })
    }

    fn observe(&self, now: Stats) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let step = |counter: &IntCounter, now: u64, last: u64| counter.inc_by(now.saturating_sub(last));
        let placed = |outcome| self.placements.with_label_values(&[outcome]);
        step(&placed("placed"), now.rooms_placed, last.rooms_placed);
        step(&placed("moved"), now.rooms_moved, last.rooms_moved);
        step(&placed("assignment_failed"), now.assignments_failed, last.assignments_failed);
        step(&placed("no_worker"), now.no_worker, last.no_worker);
        step(&self.signals.with_label_values(&["gap"]), now.signal_gaps, last.signal_gaps);
        step(&self.signals.with_label_values(&["stray"]), now.signals_stray, last.signals_stray);
        step(&self.writes.with_label_values(&["conflict"]), now.write_conflicts, last.write_conflicts);
        step(&self.writes.with_label_values(&["lost"]), now.writes_lost, last.writes_lost);
        step(&self.announcements_ignored, now.announcements_ignored, last.announcements_ignored);
        step(&self.takeovers, now.takeovers, last.takeovers);
        step(&self.purged, now.purged, last.purged);
        step(&self.workers_dead, now.workers_declared_dead, last.workers_declared_dead);
        step(&self.gateways_dead, now.gateways_declared_dead, last.gateways_declared_dead);
        step(&self.jobs.with_label_values(&["moved"]), now.jobs_moved, last.jobs_moved);
        step(&self.jobs.with_label_values(&["no_gateway"]), now.no_gateway, last.no_gateway);
        let components = self.tidied.with_label_values(&["abandoned_component"]);
        step(&components, now.components_swept, last.components_swept);
        step(
            &self.tidied.with_label_values(&["orphaned_connection"]),
            now.orphans_disconnected,
            last.orphans_disconnected,
        );
        step(&self.tidied.with_label_values(&["adopted_session"]), now.adoptions, last.adoptions);
        step(&self.tidied.with_label_values(&["stray_room"]), now.strays_closed, last.strays_closed);
        self.leads.set(now.leads.into());
        step(&self.commands_lost, now.commands_lost, last.commands_lost);
        step(&self.history_skipped, now.history_skipped, last.history_skipped);
        self.sessions_opening.set(i64::try_from(now.sessions_opening).unwrap_or(i64::MAX));
        self.workers.set(i64::try_from(now.workers).unwrap_or(i64::MAX));
        self.rooms.set(i64::try_from(now.rooms).unwrap_or(i64::MAX));
        *last = now;
    }
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(opts(name, help))?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(opts(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(opts(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        let gauge = Gauge::with_opts(opts(name, help))?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("velella").subsystem("coordinator")
}
