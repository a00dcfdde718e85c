//! Linear regression with an intercept: how a quantity follows others.

use super::{Estimate, Refusal, mean, t_quantile};
use crate::units::convert::f64_from_usize;

/// `y = intercept + sum of slope x column`, fitted by least squares.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The value when every column is zero.
    pub intercept: Estimate,
    /// One slope a column.
    pub slopes: Vec<Estimate>,
    /// Share of the variation of `y` that the line explains, 0 to 1.
    pub r_squared: f64,
    /// Standard deviation of what it does not explain.
    pub residual: f64,
    /// How many independent samples the series are worth: fewer than samples when neighbours resemble
    /// each other, as overlapping windows of rates do.
    pub effective_samples: f64,
}

/// Fits a line.
///
/// Standard errors are those of ordinary least squares, widened by `sqrt((1 + r) / (1 - r))` when the
/// residuals of neighbours correlate (`r` above its own noise): the usual correction for a first-order
/// autoregressive error.
///
/// # Errors
///
/// [`Refusal`] when there are too few samples, a column stands still or columns move together. `names`
/// are those of the columns.
pub fn fit(columns: &[Vec<f64>], y: &[f64], names: &[String]) -> Result<Line, Refusal> {
    let (samples, width) = (y.len(), columns.len() + 1);
    let need = width + 3;
    if samples < need {
        return Err(Refusal::TooFew { what: "samples", have: samples, need });
    }
    let finite = columns.iter().flatten().chain(y).all(|value| value.is_finite());
    if !finite {
        return Err(Refusal::Impossible("the samples hold numbers that are not finite".to_owned()));
    }
    let scales: Vec<(f64, f64)> = columns.iter().map(|column| mean_and_spread(column)).collect();
    if let Some(at) =
        scales.iter().position(|(mean, spread)| *spread <= 1e-9 * mean.abs().max(1e-12))
    {
        return Err(Refusal::NoSpread(names[at].clone()));
    }
    // Centred and scaled columns: the matrix is that of correlations, and says when they move together.
    let z = |row: usize, at: usize| (columns[at][row] - scales[at].0) / scales[at].1;
    let p = columns.len();
    let mut matrix = vec![vec![0.0; p]; p];
    for (i, line) in matrix.iter_mut().enumerate() {
        for (j, cell) in line.iter_mut().enumerate() {
            *cell = (0..samples).map(|row| z(row, i) * z(row, j)).sum();
        }
    }
    let inverse = inverse(&matrix).ok_or_else(|| Refusal::Collinear(names.join(" and ")))?;
    let n = f64_from_usize(samples);
    // A variance inflation of 1000 leaves no digit of a slope.
    if inverse.iter().enumerate().any(|(at, line)| line[at] * (n - 1.0) > 1000.0) {
        return Err(Refusal::Collinear(names.join(" and ")));
    }
    let y_mean = mean(y);
    let right: Vec<f64> =
        (0..p).map(|at| (0..samples).map(|row| z(row, at) * (y[row] - y_mean)).sum()).collect();
    let scaled: Vec<f64> = inverse.iter().map(|line| dot(line, &right)).collect();
    let predicted = |row: usize| y_mean + (0..p).map(|at| scaled[at] * z(row, at)).sum::<f64>();
    let residuals: Vec<f64> = (0..samples).map(|row| y[row] - predicted(row)).collect();
    let unexplained: f64 = residuals.iter().map(|value| value * value).sum();
    let total: f64 = y.iter().map(|value| (value - y_mean) * (value - y_mean)).sum();
    let effective_samples = effective(&residuals, f64_from_usize(width));
    let degrees = (effective_samples - f64_from_usize(width)).max(1.0);
    let variance = unexplained / (n - f64_from_usize(width)) * (n / effective_samples);
    let quantile = t_quantile(degrees);
    let slopes = (0..p).map(|at| {
        let error = (variance * inverse[at][at]).sqrt() / scales[at].1;
        Estimate::around(scaled[at] / scales[at].1, error, quantile)
    });
    let slopes: Vec<Estimate> = slopes.collect();
    let shift: Vec<f64> = scales.iter().map(|(mean, spread)| mean / spread).collect();
    let lever = dot(&shift, &inverse.iter().map(|line| dot(line, &shift)).collect::<Vec<_>>());
    let intercept = y_mean - dot(&scaled, &shift);
    Ok(Line {
        intercept: Estimate::around(intercept, (variance * (1.0 / n + lever)).sqrt(), quantile),
        slopes,
        r_squared: if total > 0.0 { 1.0 - unexplained / total } else { 0.0 },
        residual: (unexplained / (n - f64_from_usize(width))).sqrt(),
        effective_samples,
    })
}

impl Line {
    /// What the line says for one value of each column.
    #[must_use]
    pub fn at(&self, values: &[f64]) -> f64 {
        let slopes: Vec<f64> = self.slopes.iter().map(|slope| slope.value).collect();
        self.intercept.value + dot(&slopes, values)
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Mean and standard deviation.
fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / f64_from_usize(values.len().max(2) - 1)).sqrt())
}

/// How many independent samples residuals are worth, at least `width` + 1.
fn effective(residuals: &[f64], width: f64) -> f64 {
    let n = f64_from_usize(residuals.len());
    let squares: f64 = residuals.iter().map(|value| value * value).sum();
    let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let r = if squares > 0.0 { neighbours / squares } else { 0.0 };
    // Independent residuals have |r| below 2 / sqrt(n) in 95 of 100 series.
    if r <= 2.0 / n.sqrt() {
        return n;
    }
    (n * (1.0 - r) / (1.0 + r)).max(width + 1.0)
}

/// The inverse of a small symmetric matrix by elimination with pivots; `None` when it has none.
pub(super) fn inverse(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    let identity = |row: usize| (0..size).map(move |at| if at == row { 1.0 } else { 0.0 });
    let mut rows: Vec<Vec<f64>> = matrix
        .iter()
        .enumerate()
        .map(|(row, line)| line.iter().copied().chain(identity(row)).collect())
        .collect();
    for column in 0..size {
        let largest = (column..size).max_by(|left, right| {
            rows[*left][column].abs().total_cmp(&rows[*right][column].abs())
        })?;
        rows.swap(column, largest);
        let pivot = rows[column][column];
        if pivot.abs() <= 1e-12 * matrix[column][column].abs().max(1e-300) {
            return None;
        }
        rows[column].iter_mut().for_each(|cell| *cell /= pivot);
        let reduced = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let factor = row[column];
            row.iter_mut().zip(&reduced).for_each(|(cell, pivot)| *cell -= factor * pivot);
        }
    }
    Some(rows.into_iter().map(|row| row[size..].to_vec()).collect())
}
