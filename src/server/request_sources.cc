#include "server/request_sources.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "base/metrics.h"
#include "base/mutex.h"

namespace cairn::server {
namespace {

struct SourceMetrics {
  explicit SourceMetrics(const std::string& source)
      : requests(metrics::counter("tikv_grpc_request_source_counter_vec", "Requests, by what they were made for",
                                  {{"source", source}})),
        micros(metrics::counter("tikv_grpc_request_source_duration_vec",
                                "Microseconds of requests, by what they were made for", {{"source", source}})) {}
  metrics::Counter& requests;
  metrics::Counter& micros;
};

// Lives as long as the process.
const SourceMetrics& of(const std::string& source) {
  struct Known {
    Mutex mutex;
    std::unordered_map<std::string, std::unique_ptr<SourceMetrics>> by_name CAIRN_GUARDED_BY(mutex);
  };
  static auto* known = new Known();
  MutexLock lock(known->mutex);
  const bool is_one_too_many = known->by_name.size() >= kRequestSourcesMax && !known->by_name.contains(source);
  const std::string& name = is_one_too_many ? "others" : source;
  auto& found = known->by_name[name];
  if (!found) found = std::make_unique<SourceMetrics>(name);
  return *found;
}

}  // namespace

void note_source(const std::string& source, Duration took) {
  // Each thread remembers those that it has met: no lock on the hot path.
  thread_local std::unordered_map<std::string, const SourceMetrics*> met;
  auto found = met.find(source);
  if (found == met.end()) {
    if (met.size() >= kRequestSourcesMax) met.clear();
    found = met.emplace(source, &of(source)).first;
  }
  found->second->requests.add();
  found->second->micros.add(static_cast<uint64_t>(std::max<int64_t>(0, took / std::chrono::microseconds(1))));
}

}  // namespace cairn::server
