//! Metrics and health: their socket, and the task that serves them.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use super::log::Lost;
use crate::admin::{Admin, Bound, Family, Health, Metrics, user_families};
use crate::config::{self, Config};
use crate::udp::Engine;
use crate::userdb::Database;

/// Binds the socket, if metrics are shown. Another server on this host may have the default place; the server then goes on
/// without. As coturn, profile coturn never fails for want of it.
///
/// # Errors
/// A place that was asked for cannot be bound.
pub(super) fn bind(config: &Config) -> Result<Option<Bound>> {
    let Some(metrics) = &config.metrics else { return Ok(None) };
    match Bound::bind(metrics) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if metrics.required => Err(error).with_context(|| {
            format!(
                "metrics cannot be shown on {}: choose another prometheus-address or prometheus-port",
                place(metrics)
            )
        }),
        Err(error) => {
            warn!(
                place = place(metrics),
                %error,
                "metrics and health are not shown; give this server a prometheus-port of its own, or prometheus=false"
            );
            Ok(None)
        }
    }
}

/// What is counted outside of the engine.
pub(super) struct Beside {
    pub(super) database: Option<Arc<Database>>,
    pub(super) lost_lines: Vec<Lost>,
}

impl Beside {
    fn add_to(self, metrics: &Metrics) -> prometheus::Result<()> {
        let Beside { database, lost_lines } = self;
        if let Some(database) = database {
            metrics.add(move || user_families(&database))?;
        }
        metrics.add(move || {
            let lost = lost_lines.iter().map(Lost::count).sum();
            let help = "Lines of the log that were lost: it was too slow, or could not be written.";
            vec![Family::counter("turnserver_log_lines_lost_total", help).value(lost)]
        })
    }
}

/// Serves on the runtime's thread until the runtime ends.
///
/// # Errors
/// Two metrics have one name: our bug.
pub(super) fn serve(runtime: &Runtime, bound: Bound, config: &Config, engine: &Engine, beside: Beside) -> Result<()> {
    let health = Health::new(engine.readings(), engine.pulse());
    let metrics = Metrics::new(config, &health)?;
    beside.add_to(&metrics)?;
    let address = bound.address()?;
    let path = config.metrics.as_ref().map_or("", |metrics| metrics.path.as_str());
    info!(%address, path, "metrics and health are shown");
    if !address.ip().is_loopback() {
        warn!(%address, "metrics are shown to whoever reaches this address; let a firewall keep strangers out");
    }
    let serving = Admin::new(health, metrics).serve(bound);
    runtime.spawn(async {
        if let Err(error) = serving.await {
            error!(%error, "metrics and health are not shown any more");
        }
    });
    Ok(())
}

fn place(metrics: &config::Metrics) -> String {
    let ip = metrics.ip.map_or("every address".to_owned(), |ip| ip.to_string());
    format!("{ip} port {}", metrics.port)
}
