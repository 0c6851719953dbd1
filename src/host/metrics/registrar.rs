//! How metrics come onto the page.

use crate::base::{Millis, Unix};
use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result};

/// Makes metrics and registers them, each series from the start.
pub(super) struct Registrar(pub Registry);

impl Registrar {
    pub fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.keep(IntCounter::new(name, help)?)
    }

    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.keep(IntGauge::new(name, help)?)
    }

    pub fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: &[&str],
    ) -> Result<IntCounterVec> {
        let family = self.keep(IntCounterVec::new(Opts::new(name, help), &[label])?)?;
        for word in words {
            family.get_metric_with_label_values(&[word])?;
        }
        Ok(family)
    }

    pub fn gauges(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: &[&str],
    ) -> Result<IntGaugeVec> {
        let family = self.keep(IntGaugeVec::new(Opts::new(name, help), &[label])?)?;
        for word in words {
            family.get_metric_with_label_values(&[word])?;
        }
        Ok(family)
    }

    pub fn process(&self, started: Unix) -> Result<()> {
        let build = Opts::new(
            "beistand_build_info",
            "Always 1; the labels tell the build.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"));
        self.keep(IntGauge::with_opts(build)?)?.set(1);
        let start = self.keep(Gauge::new(
            "process_start_time_seconds",
            "Start time of the process since 1970, in seconds.",
        )?)?;
        start.set(Millis(started.0).duration().as_secs_f64());
        Ok(())
    }
}

/// A counter of prometheus only grows by steps; a total is set by way of zero.
pub(super) fn set_total(counter: &IntCounter, total: u64) {
    counter.reset();
    counter.inc_by(total);
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
