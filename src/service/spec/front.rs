//! What stands before a service: limits of rate and of connections, and pools of connections to it.

use crate::model::id::StationId;
use crate::model::observer::CallEnd;
use crate::units::SimDuration;

/// A limit of rate as nginx keeps it (`ngx_http_limit_req_module`): a leaky bucket per key. All pods of
/// the service keep one account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimitSpec {
    /// Requests per second of each key, above zero.
    pub per_second: f64,
    /// So many may be ahead of the rate.
    pub burst: u32,
    /// What is ahead of the rate waits for its turn, but for the first so many; `None` is `nodelay`:
    /// nothing waits.
    pub delay_after: Option<u32>,
    /// What counts together.
    pub key: LimitKey,
    /// How a request ends that is too far ahead: [`CallEnd::Limited`] or [`CallEnd::Refused`].
    pub end: CallEnd,
}

/// A limit of requests inside at once (`ngx_http_limit_conn_module`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConnectionLimitSpec {
    /// At most so many of each key.
    pub most: u32,
    /// What counts together.
    pub key: LimitKey,
    /// How a request ends beyond.
    pub end: CallEnd,
}

/// What a limit counts together. Requests of other services have one key among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKey {
    /// Everything.
    Service,
    /// The clients of one load.
    Load,
    /// One virtual user: an address.
    User,
}

/// A pool of connections that each pod of a service keeps to another (SQLAlchemy, `QueuePool`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolSpec {
    /// The other service.
    pub to: StationId,
    /// Connections that stay open.
    pub size: u32,
    /// Further ones, closed after use.
    pub overflow: u32,
    /// How long a call waits for one before it fails.
    pub timeout: SimDuration,
    /// How long one is held.
    pub hold: Hold,
}

/// How long a connection is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// For one call.
    Call,
    /// From the first call of a request to the end of the request.
    Request,
}

/// What a data store takes of connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConnectionSpec {
    /// `max_connections` of each pod: more are refused.
    pub most: u32,
    /// A bouncer before it.
    pub bouncer: Option<BouncerSpec>,
}

/// PgBouncer: many connections of clients share few of the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BouncerSpec {
    /// When a connection of the server is given back.
    pub mode: BouncerMode,
    /// Connections to the server (`default_pool_size`).
    pub pool_size: u32,
    /// Connections of clients (`max_client_conn`): more are refused.
    pub most_clients: u32,
    /// How long a query waits for a connection before it fails (`query_wait_timeout`).
    pub wait_timeout: SimDuration,
}

/// `pool_mode` of PgBouncer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BouncerMode {
    /// When the client disconnects.
    Session,
    /// When its transaction ends: as long as the client's pool holds it.
    Transaction,
    /// After each query.
    Statement,
}
