// Requests that took long: a line in the log for each, with the stages that its answer tells of (WriteDetail,
// TimeDetail), and the first of its keys (redacted on request: base/redact.h). Bounded: of many in one second, some are
// written and the rest counted. Thread-safe. Tests: slow_log_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/time.h"
#include "kvrpcpb.pb.h"

namespace cairn::server {

// Where the time went, in milliseconds: "latch 0.1, persist 512.3, commit 512.9, apply 0.4". What took none is left
// out.
std::string stages_of(const kvrpcpb::ExecDetailsV2& details);

// The first of the keys that a request names, whatever it is called there.
template <class Request>
std::optional<ByteView> first_key_of(const Request& request) {
  if constexpr (requires { request.mutations(0).key(); }) {
    if (request.mutations_size() > 0) return request.mutations(0).key();
  } else if constexpr (requires { request.key().size(); }) {
    return request.key();
  } else if constexpr (requires { request.keys(0).size(); }) {
    if (request.keys_size() > 0) return request.keys(0);
  } else if constexpr (requires { request.pairs(0).key(); }) {
    if (request.pairs_size() > 0) return request.pairs(0).key();
  } else if constexpr (requires { request.start_key().size(); }) {
    return request.start_key();
  } else if constexpr (requires { request.primary_key().size(); }) {
    return request.primary_key();
  }
  return std::nullopt;
}

class SlowLog {
 public:
  // 0: nothing is slow.
  explicit SlowLog(Duration threshold) : threshold_(threshold) {}
  void set_threshold(Duration threshold) { threshold_ = threshold; }
  bool is_slow(Duration took) const {
    const Duration threshold = threshold_;
    return threshold > Duration{} && took >= threshold;
  }

  // Of a request that is slow. `kind` as its message is called, "PrewriteRequest"; `key` the first of its keys, nothing
  // if it has none; `details` nullptr: nothing is known.
  void note(std::string_view kind, uint64_t region, std::optional<ByteView> key, Duration took,
            const kvrpcpb::ExecDetailsV2* details, Instant now);

  static constexpr uint64_t kLinesASecond = 16;

 private:
  std::atomic<Duration> threshold_;
  Mutex mutex_;
  Instant second_began_ CAIRN_GUARDED_BY(mutex_);
  uint64_t lines_ CAIRN_GUARDED_BY(mutex_) = 0;     // since then
  uint64_t left_out_ CAIRN_GUARDED_BY(mutex_) = 0;  // not said yet
};

}  // namespace cairn::server
