//! Rehearse a Kubernetes rollout before it happens.

pub mod units;

pub mod engine;
pub mod promql;

pub mod fit;
pub mod model;

pub mod cluster;
pub mod load;
pub mod service;

pub mod control;

pub mod scenario;

pub mod input;
pub mod placement;
pub mod sim;

pub mod alerts;
pub mod backtest;
pub mod calibrate;
pub mod metrics;
pub mod trace;

pub mod checks;
pub mod findings;

pub mod sweep;

pub mod report;

pub mod cli;
