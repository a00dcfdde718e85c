//! What stands before a service: `rateLimit`, `connectionLimit`, `shedAfter`, `connections`, `pools`.

use super::codes;
use super::decode::{Fields, Value};
use super::policy::positive;
use crate::model::id::StationId;
use crate::model::observer::CallEnd;
use crate::service::spec::{
    BouncerMode, BouncerSpec, ConnectionLimitSpec, ConnectionSpec, Hold, LimitKey, PoolSpec,
    RateLimitSpec, StationSpec,
};
use crate::units::SimDuration;

/// Reads all of it into a station; `names` are all services, in order of their ids.
pub(super) fn front(
    fields: &Fields<'_>,
    names: &[&str],
    own: &str,
) -> Option<impl FnOnce(&mut StationSpec) + use<>> {
    let shed_after = fields.read("shedAfter", positive);
    let rate_limit = fields.read("rateLimit", rate_limit);
    let connection_limit = fields.read("connectionLimit", connection_limit);
    let connections = fields.read("connections", connections);
    let pools = fields.read_or("pools", Vec::new(), |value| pools(value, names, own));
    let (shed_after, rate_limit, connection_limit) = (shed_after?, rate_limit?, connection_limit?);
    let (connections, pools) = (connections?, pools?);
    Some(move |station: &mut StationSpec| {
        station.shed_after = shed_after;
        station.rate_limit = rate_limit;
        station.connection_limit = connection_limit;
        station.connections = connections;
        station.pools = pools;
    })
}

fn key(fields: &Fields<'_>) -> Option<LimitKey> {
    let words =
        [("service", LimitKey::Service), ("load", LimitKey::Load), ("user", LimitKey::User)];
    fields.read_or("key", LimitKey::User, |value| value.word(&words))
}

/// nginx answers 503 unless told otherwise; what tells a client to slow down is 429.
fn end(fields: &Fields<'_>, default: CallEnd) -> Option<CallEnd> {
    let statuses = [("429", CallEnd::Limited), ("503", CallEnd::Refused)];
    fields.read_or("status", default, |value| {
        let status = value.integer(400..=599_u32)?.to_string();
        let found = statuses.iter().find(|(known, _)| *known == status);
        if found.is_none() {
            let message = "must be 429 or 503: other answers of a limit are not told apart";
            value.report(value.error(codes::INVALID_VALUE, message));
        }
        found.map(|(_, end)| *end)
    })
}

fn rate_limit(value: &Value<'_>) -> Option<RateLimitSpec> {
    let fields = value.fields()?;
    let rate = fields.required("rate").and_then(|value| {
        let rate = value.rate()?.as_per_second();
        if rate <= 0.0 {
            value.report(value.error(codes::INVALID_VALUE, "must be above zero"));
            return None;
        }
        Some(rate)
    });
    let burst = fields.read_or("burst", 0, |value| value.integer(0..=1_000_000_u32));
    let delay = fields.read("delay", |value| value.integer(0..=1_000_000_u32));
    let nodelay = fields.read_or("nodelay", false, Value::boolean);
    let (key, end) = (key(&fields), end(&fields, CallEnd::Limited));
    fields.finish("a limit of rate");
    let (delay, nodelay) = (delay?, nodelay?);
    if nodelay && delay.is_some() {
        let message = "has both `nodelay` and `delay`: nginx takes one of them";
        value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
        return None;
    }
    Some(RateLimitSpec {
        per_second: rate?,
        burst: burst?,
        delay_after: if nodelay { None } else { Some(delay.unwrap_or(0)) },
        key: key?,
        end: end?,
    })
}

fn connection_limit(value: &Value<'_>) -> Option<ConnectionLimitSpec> {
    let fields = value.fields()?;
    let most = fields.required("max").and_then(|value| value.integer(1..=1_000_000_u32));
    let (key, end) = (key(&fields), end(&fields, CallEnd::Refused));
    fields.finish("a limit of connections");
    Some(ConnectionLimitSpec { most: most?, key: key?, end: end? })
}

/// PostgreSQL's default is 100 connections.
fn connections(value: &Value<'_>) -> Option<ConnectionSpec> {
    let fields = value.fields()?;
    let most = fields.read_or("max", 100, |value| value.integer(1..=1_000_000_u32));
    let bouncer = fields.read("pgbouncer", bouncer);
    fields.finish("the connections of a store");
    let (most, bouncer) = (most?, bouncer?);
    if let Some(bouncer) = bouncer.filter(|bouncer| bouncer.pool_size > most) {
        let size = bouncer.pool_size;
        value.report(value.error(
            codes::INVALID_VALUE,
            &format!("lets its pgbouncer open {size} connections, more than its `max` of {most}"),
        ));
        return None;
    }
    Some(ConnectionSpec { most, bouncer })
}

/// PgBouncer's defaults: session mode, 20 connections, 100 clients, two minutes.
fn bouncer(value: &Value<'_>) -> Option<BouncerSpec> {
    let fields = value.fields()?;
    let modes = [
        ("session", BouncerMode::Session),
        ("transaction", BouncerMode::Transaction),
        ("statement", BouncerMode::Statement),
    ];
    let count = |value: &Value<'_>| value.integer(1..=1_000_000_u32);
    let mode = fields.read_or("mode", BouncerMode::Session, |value| value.word(&modes));
    let pool_size = fields.read_or("poolSize", 20, count);
    let most_clients = fields.read_or("maxClients", 100, count);
    let wait_timeout = fields.read_or("waitTimeout", SimDuration::from_secs(120), positive);
    fields.finish("a pgbouncer");
    Some(BouncerSpec {
        mode: mode?,
        pool_size: pool_size?,
        most_clients: most_clients?,
        wait_timeout: wait_timeout?,
    })
}

fn pools(value: &Value<'_>, names: &[&str], own: &str) -> Option<Vec<PoolSpec>> {
    let entries = value.entries()?;
    let read: Vec<Option<PoolSpec>> = entries
        .iter()
        .map(|(name, value)| {
            let to = names.iter().position(|known| *known == name.text);
            if to.is_none() || name.text == own {
                let others = names.iter().copied().filter(|known| *known != own);
                value.report(value.unknown_reference(name.text, "other service", others));
            }
            let pool = pool(value);
            let (to, size, overflow, timeout, hold) = (to?, pool?.0, pool?.1, pool?.2, pool?.3);
            (name.text != own).then_some(PoolSpec {
                to: StationId::at(to),
                size,
                overflow,
                timeout,
                hold,
            })
        })
        .collect();
    read.into_iter().collect()
}

/// SQLAlchemy's defaults: five stay open, ten more at need, half a minute of waiting.
fn pool(value: &Value<'_>) -> Option<(u32, u32, SimDuration, Hold)> {
    if value.node().is_null() {
        return Some((5, 10, SimDuration::from_secs(30), Hold::Call));
    }
    let fields = value.fields()?;
    let size = fields.read_or("size", 5, |value| value.integer(1..=1_000_000_u32));
    let overflow = fields.read_or("overflow", 10, |value| value.integer(0..=1_000_000_u32));
    let timeout = fields.read_or("timeout", SimDuration::from_secs(30), positive);
    let holds = [("call", Hold::Call), ("request", Hold::Request)];
    let hold = fields.read_or("hold", Hold::Call, |value| value.word(&holds));
    fields.finish("a pool of connections");
    Some((size?, overflow?, timeout?, hold?))
}
