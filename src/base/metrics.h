// Metrics: counters, gauges and histograms under TiKV's names where the meaning is the same. The registry is ambient on
// purpose, like the logger: metrics decide nothing. Look a metric up once and keep the reference; updating is an
// atomic.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <map>
#include <string>

namespace cairn::metrics {

using Labels = std::map<std::string, std::string>;

prometheus::Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
// Buckets double from `first` (seconds, bytes or a count, as the name says), `count` of them.
prometheus::Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                                 double first = 0.0005, int count = 20);

// All metrics of the process in Prometheus' text format.
std::string render();

}  // namespace cairn::metrics
