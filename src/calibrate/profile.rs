//! A calibration as a document of kind ServiceProfiles: each figure beside where it comes from.

use std::fmt::Write as _;

use super::{Calibration, EndpointFit, Observed};
use crate::fit::distribution::{Family, Fitted};
use crate::fit::servers::Servers;
use crate::fit::{Estimate, Refusal};
use crate::units::convert::{ceil_u64, f64_from_u64, round_u64};

/// Names under which the service is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The service.
    pub service: String,
    /// Its workload: `Deployment/gateway`.
    pub workload: String,
    /// Cores that one pod can use at most, if known.
    pub max_cores: Option<u32>,
}

/// Writes the profile.
#[must_use]
pub fn profile(observed: &Observed, calibration: &Calibration, names: &Names) -> String {
    let mut text = head(observed, names);
    let (service, calibration) = (&key(&names.service), &with_keys(calibration));
    let _ = writeln!(text, "services:\n  {}:\n    workload: {}", key(service), names.workload);
    match names.max_cores {
        Some(cores) => {
            let _ = writeln!(text, "    cpu: {{maxCores: {cores}}}                     # stated");
        }
        None => text.push_str(
            "    cpu: {}                                # not measured: how many cores and requests at a time it can use\n",
        ),
    }
    idle(&mut text, observed, calibration);
    start(&mut text, observed, calibration);
    let places: Vec<&EndpointFit> =
        calibration.endpoints.iter().filter(|fit| places(fit).is_some()).collect();
    if !places.is_empty() {
        text.push_str("    pools:                                 # places that requests wait for, found in their starts and ends\n");
        for fit in &places {
            let count = places_count(fit);
            let _ = writeln!(
                text,
                "      {}: {{size: {count}, overflow: 0, timeout: 1h}}   # measured: {count} at a time explains {} requests best",
                inner(service, &fit.name),
                fit.requests
            );
        }
    }
    text.push_str("    operations:\n");
    for fit in &calibration.endpoints {
        operation(&mut text, service, fit, calibration);
    }
    for fit in &places {
        place(&mut text, service, fit);
    }
    ways(&mut text, service, calibration);
    classes(&mut text, service, calibration);
    text
}

/// The same calibration with its operations under names that are keys, each once.
fn with_keys(calibration: &Calibration) -> Calibration {
    let mut keyed = calibration.clone();
    let mut taken: Vec<String> = Vec::new();
    for fit in &mut keyed.endpoints {
        let plain = key(&fit.name);
        let mut unique = plain.clone();
        let mut number = 2;
        while taken.contains(&unique) {
            unique = format!("{plain}{number}");
            number += 1;
        }
        if let Ok(cpu) = &mut keyed.cpu
            && let Some(demand) = cpu.operations.iter_mut().find(|demand| demand.name == fit.name)
        {
            demand.name.clone_from(&unique);
        }
        fit.name.clone_from(&unique);
        taken.push(unique);
    }
    keyed
}

fn head(observed: &Observed, names: &Names) -> String {
    let files = [
        observed.requests_from.as_deref(),
        observed.rates_from.as_deref(),
        observed.cpu.as_ref().map(|signal| signal.source.as_str()),
        observed.memory.as_ref().map(|signal| signal.source.as_str()),
        observed.start_up.as_ref().map(|signal| signal.source.as_str()),
    ];
    let files: Vec<&str> = files.into_iter().flatten().collect();
    format!(
        "# Fitted by aurelius-sim {} from {}.\n# Where a figure comes from stands beside it; (low .. high) is its 95 % interval.\n\
         apiVersion: aurelius.dev/v1\nkind: ServiceProfiles\nmetadata: {{name: {}}}\n",
        env!("CARGO_PKG_VERSION"),
        files.join(", "),
        key(&names.service)
    )
}

fn idle(text: &mut String, observed: &Observed, calibration: &Calibration) {
    let cpu = calibration.cpu.as_ref().ok().map(|cpu| cpu.idle);
    let memory = calibration.memory.as_ref().ok();
    let source = |signal: &Option<super::Signal>| {
        signal.as_ref().map_or_else(String::new, |signal| signal.source.clone())
    };
    let mut figures = Vec::new();
    let mut reasons = Vec::new();
    if let Some(cpu) = cpu {
        figures.push(format!("cpu: {}m", ceil_u64((cpu.value * 1e3).max(0.0))));
        reasons.push(format!("cpu: where the line of {} meets no load", source(&observed.cpu)));
    }
    if let Some(memory) = memory {
        figures.push(format!("memory: {}Mi", mebibytes(memory.idle.value)));
        reasons.push(format!("memory: {}", source(&observed.memory)));
    }
    if !figures.is_empty() {
        let _ = writeln!(
            text,
            "    idle: {{{}}}   # measured: {}",
            figures.join(", "),
            reasons.join("; ")
        );
    }
    if let Some((memory, per_request)) = memory.and_then(|it| Some((it, it.per_request?))) {
        let _ = writeln!(
            text,
            "    memory: {{perRequest: {}}}   # measured: R2 {:.2} over requests in progress",
            round_u64(per_request.value.max(0.0)),
            memory.r_squared
        );
    } else if let Some(memory) = memory {
        let _ = writeln!(
            text,
            "    # memory per request: not told, memory does not follow the requests in progress (R2 {:.2})",
            memory.r_squared
        );
    }
}

fn start(text: &mut String, observed: &Observed, calibration: &Calibration) {
    match &calibration.start_up {
        Ok(fitted) => {
            let file = observed.start_up.as_ref().map_or("", |signal| signal.source.as_str());
            let _ = writeln!(
                text,
                "    start: {}   # measured: {} starts in {file}; {}",
                dist(fitted.family(), 1.0),
                fitted.count,
                goodness(fitted)
            );
        }
        Err(refusal) => {
            let _ = writeln!(text, "    # start: not told, {refusal}");
        }
    }
}

fn operation(text: &mut String, service: &str, fit: &EndpointFit, calibration: &Calibration) {
    let _ = writeln!(text, "      {}:", key(&fit.name));
    let cpu = calibration.cpu.as_ref().map(|cpu| cpu.of(&fit.name));
    let mut own_s = 0.0;
    match cpu {
        Ok(Some(demand)) => {
            own_s = demand.cpu.value.max(0.0);
            let how = if demand.together.len() == 1 {
                "regression of CPU on rates".to_owned()
            } else {
                let others = demand.together.join(", ");
                format!(
                    "rates of {others} move together: their sum is measured, shared out by undisturbed duration"
                )
            };
            let _ = writeln!(
                text,
                "        cpu: {}   # measured: {how} {}",
                time(own_s),
                interval(&demand.cpu)
            );
        }
        Ok(None) => text.push_str("        # cpu: not told, it had no rate\n"),
        Err(refusal) => {
            let _ = writeln!(text, "        # cpu: not told, {refusal}");
        }
    }
    if places(fit).is_some() {
        let _ = writeln!(
            text,
            "        calls: [{{to: {}.{}}}]",
            inner(service, &fit.name),
            key(&fit.name)
        );
    } else if let Ok(fitted) = &fit.service {
        let waits = without(fitted, own_s);
        let _ = writeln!(
            text,
            "        wait: {waits}   # measured: duration of {} requests less their CPU; nobody had to wait visibly; {}",
            fit.requests,
            goodness(fitted)
        );
    } else if let Err(refusal) = &fit.service {
        let _ = writeln!(text, "        # wait: not told, {refusal}");
    }
}

/// What an operation waits for that has places: a service outside, whose places are the caller's pool.
fn place(text: &mut String, service: &str, fit: &EndpointFit) {
    let (Some(station), Ok(fitted)) = (places(fit), &fit.service) else { return };
    let capacity = fit.capacity().map_or_else(String::new, |capacity| {
        format!("; capacity {:.2}/s ({:.2} .. {:.2})", capacity.value, capacity.low, capacity.high)
    });
    let _ = write!(
        text,
        "  {}:\n    delay:\n    operations:\n      {}:\n        wait: {}   # measured: service of {} requests that had to wait {}{capacity}; {}\n",
        inner(service, &fit.name),
        key(&fit.name),
        dist(fitted.family(), 1.0),
        station.waited,
        interval(&station.service),
        goodness(fitted)
    );
}

/// The way to the service and back, where it could be told from the service itself.
fn ways(text: &mut String, service: &str, calibration: &Calibration) {
    let far: Vec<&EndpointFit> =
        calibration.endpoints.iter().filter(|fit| way(fit).is_some()).collect();
    if far.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {}:\n    delay:\n    operations:", way_name(service));
    for fit in far {
        let cpu = calibration.cpu.as_ref().ok().and_then(|cpu| cpu.of(&fit.name));
        let outside = way(fit).unwrap_or(0.0) - cpu.map_or(0.0, |demand| demand.cpu.value.max(0.0));
        let _ = writeln!(
            text,
            "      {name}:\n        wait: {}   # measured: what a request that met no queue takes beyond its service\n        calls: [{{to: {service}.{name}}}]",
            time(outside.max(0.0)),
            name = key(&fit.name)
        );
    }
}

fn classes(text: &mut String, service: &str, calibration: &Calibration) {
    text.push_str("classes:\n");
    for fit in &calibration.endpoints {
        let to = if way(fit).is_some() { way_name(service) } else { service.to_owned() };
        let name = key(&fit.name);
        let _ =
            writeln!(text, "  {name}: {{steps: [{{call: {to}.{name}, tags: {{name: {name}}}}}]}}");
    }
}

fn places(fit: &EndpointFit) -> Option<&Servers> {
    fit.station.as_ref().ok().filter(|station| station.count.is_some() && fit.service.is_ok())
}

fn places_count(fit: &EndpointFit) -> usize {
    places(fit).and_then(|station| station.count).unwrap_or(1)
}

fn way(fit: &EndpointFit) -> Option<f64> {
    places(fit).map(|station| station.outside).filter(|outside| *outside > 0.0)
}

fn inner(service: &str, endpoint: &str) -> String {
    let mut letters = key(endpoint);
    if let Some(first) = letters.get(0..1).map(str::to_uppercase) {
        letters.replace_range(0..1, &first);
    }
    format!("{}{letters}Place", key(service))
}

fn way_name(service: &str) -> String {
    format!("{}Way", key(service))
}

/// A name as a key: what is neither letter nor digit ends a word.
fn key(name: &str) -> String {
    let mut key = String::new();
    let mut upper = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            upper = !key.is_empty();
        } else if upper {
            key.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            key.push(letter);
        }
    }
    if key.is_empty() || key.starts_with(|first: char| first.is_ascii_digit()) {
        key.insert_str(0, "op");
    }
    key
}

/// A family in the words of service profiles, its times scaled.
fn dist(family: &Family, scale: f64) -> String {
    match family {
        Family::Constant { value } => time(value.value * scale),
        Family::Lognormal { median, sigma } => {
            format!(
                "{{lognormal: {{median: {}, sigma: {:.4}}}}}",
                time(median.value * scale),
                sigma.value
            )
        }
        Family::Gamma { mean, cv } => {
            format!("{{gamma: {{mean: {}, cv: {:.4}}}}}", time(mean.value * scale), cv.value)
        }
        Family::Weibull { scale: lambda, shape } => format!(
            "{{weibull: {{scale: {}, shape: {:.4}}}}}",
            time(lambda.value * scale),
            shape.value
        ),
        Family::Empirical { values } => {
            let values: Vec<String> = values.iter().map(|value| time(value * scale)).collect();
            format!("{{empirical: [{}]}}", values.join(", "))
        }
    }
}

/// A fitted duration less the CPU that is a part of it: scaled to the rest of its mean, shape kept.
fn without(fitted: &Fitted, own_s: f64) -> String {
    let mean = fitted.family().dist().map_or(0.0, |dist| dist.mean());
    let rest = if mean > 0.0 { ((mean - own_s) / mean).max(0.0) } else { 0.0 };
    dist(fitted.family(), rest)
}

fn goodness(fitted: &Fitted) -> String {
    let taken = &fitted.candidates[fitted.taken];
    let others: Vec<String> = fitted
        .candidates
        .iter()
        .enumerate()
        .filter(|(at, candidate)| *at != fitted.taken && candidate.aic.is_some())
        .map(|(_, candidate)| format!("{} {:.3}", candidate.family.name(), candidate.distance))
        .collect();
    let own = match taken.family {
        Family::Constant { .. } => format!("constant, spread {:.1} %", 100.0 * taken.distance),
        Family::Empirical { .. } => "empirical".to_owned(),
        Family::Lognormal { .. } | Family::Gamma { .. } | Family::Weibull { .. } => {
            format!("{} {:.3}", taken.family.name(), taken.distance)
        }
    };
    if others.is_empty() {
        return own;
    }
    format!(
        "{own} (distance of others: {}; at most {:.3} is good)",
        others.join(", "),
        fitted.bound
    )
}

/// `110ms`: milliseconds with four digits, in the unit that needs no zeros.
#[must_use]
pub fn time(seconds: f64) -> String {
    let (scaled, unit) = match seconds {
        _ if seconds >= 1.0 => (seconds, "s"),
        _ if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "us"),
    };
    let digits = match scaled {
        _ if scaled >= 100.0 => 1,
        _ if scaled >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{scaled:.digits$}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `(110.9ms .. 111.4ms)`.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    format!("({} .. {})", time(estimate.low.max(0.0)), time(estimate.high.max(0.0)))
}

/// Why a figure is missing, in a table.
#[must_use]
pub fn refused<T>(result: &Result<T, Refusal>) -> Option<String> {
    result.as_ref().err().map(ToString::to_string)
}

fn mebibytes(bytes: f64) -> u64 {
    ceil_u64(bytes.max(0.0) / f64_from_u64(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::{Endpoint, Request, calibrate};

    #[test]
    fn names_that_are_no_keys_become_keys_each_once() {
        let endpoint = |name: &str| Endpoint {
            name: name.to_owned(),
            requests: (0..30_u32)
                .map(|at| Request {
                    start_s: f64::from(at),
                    end_s: f64::from(at) + 0.1 + 0.01 * f64::from(at % 7),
                    failed: false,
                })
                .collect(),
            rates: Vec::new(),
        };
        let endpoints = vec![endpoint("api/user-list"), endpoint("api-user/list"), endpoint("9")];
        let observed = Observed { endpoints, ..Observed::default() };
        let names = Names {
            service: "my-gateway".to_owned(),
            workload: "Deployment/my-gateway".to_owned(),
            max_cores: None,
        };
        let text = profile(&observed, &calibrate(&observed), &names);
        for line in [
            "  myGateway:",
            "    workload: Deployment/my-gateway",
            "      apiUserList:",
            "      apiUserList2:",
            "  apiUserList2: {steps: [{call: myGateway.apiUserList2, tags: {name: apiUserList2}}]}",
            "  op9: {steps: [{call: myGateway.op9, tags: {name: op9}}]}",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert_eq!(time(0.1112), "111.2ms");
        assert_eq!(time(0.0), "0us");
        assert_eq!(time(2.5), "2.5s");
    }
}
