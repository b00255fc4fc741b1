#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/mutex.h"

namespace cairn::metrics {
namespace {

// kReading: a gauge that says to be a counter.
enum class Kind : uint8_t { kCounter, kReading, kGauge, kHistogram };

constexpr const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
    case Kind::kReading:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "";
}

// All metrics of one name, by what stands between the braces.
struct Named {
  Kind kind;
  Unit unit;
  std::string help;
  std::map<std::string, std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>>
      series;
};

struct Registry {
  Mutex mutex;
  std::map<std::string, Named> names CAIRN_GUARDED_BY(mutex);
  // Held while they are called: an end waits for that.
  Mutex collectors_mutex;
  std::vector<Collector*> collectors CAIRN_GUARDED_BY(collectors_mutex);
};

// Never destroyed, as threads may count until the very end.
Registry& registry() {
  static auto* instance = new Registry();
  return *instance;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_of(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value));
  }
  return out;
}

template <class M, class Make>
M& find_or_make(const std::string& name, const std::string& help, Kind kind, Unit unit, const Labels& labels,
                Make make) {
  auto& all = registry();
  MutexLock lock(all.mutex);
  auto& named = all.names.try_emplace(name, Named{kind, unit, help, {}}).first->second;
  CHECK(named.kind == kind && named.unit == unit, "the metric {} is a {}, not a {}", name, name_of(named.kind),
        name_of(kind));
  auto [found, is_new] = named.series.try_emplace(text_of(labels));
  if (is_new) found->second = make();
  return *std::get<std::unique_ptr<M>>(found->second);
}

double shown(uint64_t value, Unit unit) {
  constexpr double kNanosASecond = 1e9;
  return unit == Unit::kSeconds ? static_cast<double>(value) / kNanosASecond : static_cast<double>(value);
}

using Out = std::back_insert_iterator<std::string>;

void put_number(std::string& out, uint64_t value, Unit unit) {
  if (unit == Unit::kOne) {
    fmt::format_to(Out(out), "{}\n", value);
  } else {
    fmt::format_to(Out(out), "{}\n", shown(value, unit));
  }
}

void put_line(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
}

void put_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram) {
  const auto& buckets = histogram.buckets();
  const auto counts = histogram.counts();
  uint64_t below = 0;
  uint64_t bound = buckets.first;
  for (const auto& count : counts) {
    below += count;
    out += name;
    out += "_bucket{";
    out += labels;
    if (!labels.empty()) out += ',';
    const bool is_last = &count == &counts.back();
    if (is_last) {
      out += "le=\"+Inf\"} ";
    } else {
      fmt::format_to(Out(out), "le=\"{}\"}} ", shown(bound, buckets.unit));
    }
    fmt::format_to(Out(out), "{}\n", below);
    bound *= 2;
  }
  put_line(out, name, "_sum", labels);
  put_number(out, histogram.sum(), buckets.unit);
  put_line(out, name, "_count", labels);
  fmt::format_to(Out(out), "{}\n", below);
}

}  // namespace

class Collector {
 public:
  explicit Collector(std::function<void()> look) : look_(std::move(look)) {
    auto& all = registry();
    MutexLock lock(all.collectors_mutex);
    all.collectors.push_back(this);
  }
  ~Collector() {
    auto& all = registry();
    MutexLock lock(all.collectors_mutex);
    all.collectors.erase(std::find(all.collectors.begin(), all.collectors.end(), this));
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;
  void look() const { look_(); }

 private:
  const std::function<void()> look_;
};

CollectorPtr on_render(std::function<void()> look) { return std::make_shared<Collector>(std::move(look)); }

void Histogram::observe(uint64_t value) {
  // The values of bucket k are those above half its bound, and no more than it: (first * 2^(k-1), first * 2^k].
  const int bucket = value <= buckets_.first ? 0 : static_cast<int>(std::bit_width((value - 1) / buckets_.first));
  metrics::add(cell_ + static_cast<Cell>(std::min(bucket, buckets_.count)), 1);
  metrics::add(cell_ + static_cast<Cell>(buckets_.count) + 1, value);
}

std::vector<uint64_t> Histogram::counts() const {
  std::vector<uint64_t> out(static_cast<size_t>(buckets_.count) + 1);
  sum_up(cell_, out.size(), out.data());
  return out;
}

uint64_t Histogram::count() const {
  uint64_t out = 0;
  for (const uint64_t n : counts()) out += n;
  return out;
}

uint64_t Histogram::sum() const { return metrics::sum(cell_ + static_cast<Cell>(buckets_.count) + 1); }

Counter& counter(const std::string& name, const std::string& help, const Labels& labels, Unit unit) {
  return find_or_make<Counter>(name, help, Kind::kCounter, unit, labels,
                               [] { return std::make_unique<Counter>(allocate_cells(1)); });
}

Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return find_or_make<Gauge>(name, help, Kind::kGauge, Unit::kOne, labels,
                             [] { return std::make_unique<Gauge>(allocate_cells(1)); });
}

Gauge& reading(const std::string& name, const std::string& help, const Labels& labels) {
  return find_or_make<Gauge>(name, help, Kind::kReading, Unit::kOne, labels,
                             [] { return std::make_unique<Gauge>(allocate_cells(1)); });
}

Histogram& histogram(const std::string& name, const std::string& help, const Buckets& buckets, const Labels& labels) {
  return find_or_make<Histogram>(name, help, Kind::kHistogram, buckets.unit, labels, [&] {
    return std::make_unique<Histogram>(allocate_cells(static_cast<size_t>(buckets.count) + 2), buckets);
  });
}

std::string render() {
  auto& all = registry();
  {
    MutexLock lock(all.collectors_mutex);
    for (const auto* collector : all.collectors) collector->look();
  }
  std::string out;
  MutexLock lock(all.mutex);
  for (const auto& [name, named] : all.names) {
    const size_t head = out.size();
    fmt::format_to(Out(out), "# HELP {} {}\n# TYPE {} {}\n", name, named.help, name, name_of(named.kind));
    const size_t body = out.size();
    for (const auto& [labels, series] : named.series) {
      if (const auto* counter = std::get_if<std::unique_ptr<Counter>>(&series)) {
        put_line(out, name, "", labels);
        put_number(out, (*counter)->value(), named.unit);
      } else if (const auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&series)) {
        put_line(out, name, "", labels);
        fmt::format_to(Out(out), "{}\n", (*gauge)->value());
      } else {
        const auto& histogram = *std::get<std::unique_ptr<Histogram>>(series);
        if (!labels.empty() && histogram.count() == 0) continue;
        put_histogram(out, name, labels, histogram);
      }
    }
    if (out.size() == body) out.resize(head);
  }
  return out;
}

}  // namespace cairn::metrics
