//! What every process shares: config, logs, metrics, admin port, readiness, shutdown.
