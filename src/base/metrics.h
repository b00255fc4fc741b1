// Metrics: counters, gauges and histograms, under TiKV's and PD's names where the meaning is theirs. The registry is
// ambient on purpose, like the logger: metrics decide nothing. Look a metric up once and keep the reference; it lives
// as long as the process.
//
// Counters and histograms may stand on the hottest path: each thread counts in cells of its own
// (base/metric_cells.h), without a lock and without an atomic read-modify-write; who renders sums them up. All values
// are whole numbers: times are counted in nanoseconds and shown in seconds.
//
// Tests: metrics_test.cc.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metric_cells.h"
#include "base/time.h"

namespace cairn::metrics {

using Labels = std::map<std::string, std::string>;

// What a value counts, and so how it is shown.
enum class Unit : uint8_t {
  kOne,      // things, bytes
  kSeconds,  // counted in nanoseconds
};

// Only grows. Any thread.
class Counter {
 public:
  explicit Counter(Cell cell) : cell_(cell) {}
  void add(uint64_t n = 1) { metrics::add(cell_, n); }
  void add(Duration duration) { metrics::add(cell_, static_cast<uint64_t>(std::max<int64_t>(0, duration.count()))); }
  // Sums up all threads' cells.
  uint64_t value() const { return metrics::sum(cell_); }

 private:
  const Cell cell_;
};

// Goes up and down: what was set last, and what was added to it and taken away. Any thread; adding costs as little as a
// counter does.
class Gauge {
 public:
  explicit Gauge(Cell cell) : cell_(cell) {}
  void set(double value) { set_.store(value, std::memory_order_relaxed); }
  void add(int64_t n = 1) { metrics::add(cell_, static_cast<uint64_t>(n)); }
  double value() const {
    return set_.load(std::memory_order_relaxed) + static_cast<double>(static_cast<int64_t>(metrics::sum(cell_)));
  }

 private:
  std::atomic<double> set_{0};
  const Cell cell_;
};

// The bounds of a histogram: `first`, twice that, and so on, `count` of them; above lies the last bucket.
struct Buckets {
  uint64_t first;
  int count;
  Unit unit = Unit::kOne;
};
// From 10 microseconds to 5.6 minutes: what one step of a request takes.
inline constexpr Buckets kStepTimes{.first = 10'000, .count = 26, .unit = Unit::kSeconds};
// From 0.5 milliseconds to 17 minutes: calls to other machines, jobs in the background.
inline constexpr Buckets kJobTimes{.first = 500'000, .count = 22, .unit = Unit::kSeconds};
// How many of something: from 1 to a million.
inline constexpr Buckets kNumbers{.first = 1, .count = 21};
// From 256 bytes to 256 MiB.
inline constexpr Buckets kSizes{.first = 256, .count = 21};

// How often which values came. Any thread.
class Histogram {
 public:
  // The cells are those of the buckets, in order, and then one of the sum.
  Histogram(Cell first_cell, Buckets buckets) : cell_(first_cell), buckets_(buckets) {}
  void observe(uint64_t value);
  void observe(Duration duration) { observe(static_cast<uint64_t>(std::max<int64_t>(0, duration.count()))); }

  const Buckets& buckets() const { return buckets_; }
  uint64_t count() const;
  uint64_t sum() const;
  // How many lie in each bucket, the one above all bounds included.
  std::vector<uint64_t> counts() const;

 private:
  const Cell cell_;
  const Buckets buckets_;
};

// The metric of that name with these labels, made if it is not there yet. A name has one kind and one help text: the
// first. Takes a mutex and looks in a map: not on the hot path.
Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {}, Unit unit = Unit::kOne);
Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
Histogram& histogram(const std::string& name, const std::string& help, const Buckets& buckets,
                     const Labels& labels = {});
// A counter that somebody else counts (the kernel, RocksDB): set to what it is now by whoever looks.
Gauge& reading(const std::string& name, const std::string& help, const Labels& labels = {});

// The metrics of a name for each value of a closed set of one label, looked up by an index or an enumeration.
template <class M>
class Family {
 public:
  Family(std::initializer_list<const char*> values, const std::function<M&(const char* value)>& make) {
    for (const char* value : values) metrics_.push_back(&make(value));
  }
  template <class Index>
  M& operator[](Index index) const {
    return *metrics_[static_cast<size_t>(index)];
  }

 private:
  std::vector<M*> metrics_;
};

// `look` is called before the metrics are rendered, to set gauges to what is so now, until the result is dropped,
// which waits for a call under way. It runs on the thread that renders, which holds up nothing but a page.
class Collector;
using CollectorPtr = std::shared_ptr<Collector>;
[[nodiscard]] CollectorPtr on_render(std::function<void()> look);

// All metrics of the process in Prometheus' text format, in order of their names. Histograms that are empty are left
// out if they have labels: what has never happened of many kinds of things needs no lines.
std::string render();

}  // namespace cairn::metrics
