//! HTTP: metrics, liveness, readiness. It reads, and changes nothing.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::{MissedTickBehavior, interval};

use super::connections::Bounded;
use super::health::Health;
use super::metrics::Metrics;
use crate::clock;
use crate::config;

/// How often workers are asked whether they go round.
const PULSE_EVERY: Duration = Duration::from_secs(1);
/// The text format of the metrics.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A socket for HTTP, before anything is served on it.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    path: String,
}

impl Bound {
    /// Binds the first of the addresses that can be bound.
    ///
    /// # Errors
    /// None can; what the system says to the last one.
    pub fn bind(metrics: &config::Metrics) -> io::Result<Bound> {
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in metrics.addresses() {
            match TcpListener::bind(address) {
                Ok(listener) => {
                    listener.set_nonblocking(true)?;
                    return Ok(Bound { listener, path: metrics.path.clone() });
                }
                // Another server has it, for IPv6 only perhaps: beside it nobody would know which one answers.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What is shown.
#[derive(Debug)]
pub struct Admin {
    health: Health,
    metrics: Metrics,
}

impl Admin {
    /// Shows `metrics` and what `health` says.
    pub fn new(health: Health, metrics: Metrics) -> Admin {
        Admin { health, metrics }
    }

    /// Serves until the task is dropped.
    ///
    /// # Errors
    /// The system does not let the socket be waited for.
    pub async fn serve(self, bound: Bound) -> io::Result<()> {
        let Bound { listener, path } = bound;
        let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?);
        let admin = Arc::new(self);
        tokio::select! {
            () = ask_workers(&admin) => Ok(()),
            served = axum::serve(listener, routes(Arc::clone(&admin), &path)).into_future() => served,
        }
    }
}

/// Asks the workers again and again whether they go round, and notes how long it took them to answer.
async fn ask_workers(admin: &Admin) {
    let mut ticks = interval(PULSE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At once: there is no answer before the first question.
    ticks.tick().await;
    admin.health.pulse.ping(clock::now().mono);
    loop {
        ticks.tick().await;
        let now = clock::now().mono;
        admin.metrics.observe(&admin.health.pulse.beats(now));
        admin.health.pulse.ping(now);
    }
}

fn routes(admin: Arc<Admin>, metrics_path: &str) -> Router {
    Router::new()
        .route("/", get(|| async { "ok\n" }))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route(metrics_path, get(metrics))
        .fallback(nothing)
        .layer(map_response(last_of_its_connection))
        .with_state(admin)
}

async fn readyz(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    match admin.health.reasons() {
        reasons if reasons.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    match admin.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn nothing(method: Method) -> Response {
    match method {
        Method::GET | Method::HEAD => (StatusCode::NOT_FOUND, "not found\n").into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response(),
    }
}

/// One request a connection: none waits for another one.
async fn last_of_its_connection(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
