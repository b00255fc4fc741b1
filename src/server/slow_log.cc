#include "server/slow_log.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "base/redact.h"

namespace cairn::server {

std::string stages_of(const kvrpcpb::ExecDetailsV2& details) {
  constexpr double kNsPerMs = 1e6;
  const auto& write = details.write_detail();
  const auto& scan = details.scan_detail_v2();
  const std::pair<const char*, uint64_t> stages[] = {
      {"read pool", scan.read_pool_schedule_wait_nanos()},
      {"latch", write.latch_wait_nanos()},
      {"snapshot", scan.get_snapshot_nanos()},
      {"lock wait", write.pessimistic_lock_wait_nanos()},
      {"process", details.time_detail_v2().process_wall_time_ns()},
      {"batch wait", write.store_batch_wait_nanos()},
      {"persist", write.persist_log_nanos()},
      {"commit", write.commit_log_nanos()},
      {"apply wait", write.apply_batch_wait_nanos()},
      {"apply", write.apply_log_nanos()},
  };
  std::string out;
  for (const auto& [name, nanos] : stages) {
    const double ms = static_cast<double>(nanos) / kNsPerMs;
    if (ms >= 0.1) out += fmt::format("{}{} {:.1f}", out.empty() ? "" : ", ", name, ms);
  }
  return out;
}

void SlowLog::note(std::string_view kind, uint64_t region, std::optional<ByteView> key, Duration took,
                   const kvrpcpb::ExecDetailsV2* details, Instant now) {
  uint64_t left_out = 0;
  {
    MutexLock lock(mutex_);
    if (now - second_began_ >= 1s) {
      second_began_ = now;
      lines_ = 0;
    }
    if (lines_ >= kLinesASecond) {
      ++left_out_;
      return;
    }
    ++lines_;
    left_out = std::exchange(left_out_, 0);
  }
  if (kind.ends_with("Request")) kind.remove_suffix(7);
  const std::string stages = details == nullptr ? "" : stages_of(*details);
  LOG_WARN("slow request: {} of region {}{} took {} ms{}{}{}", kind, region,
           key ? fmt::format(", key {},", log::user_text(*key)) : "", took / 1ms,
           stages.empty() ? "" : "; in ms: ", stages,
           left_out == 0 ? "" : fmt::format("; {} more were not written", left_out));
}

}  // namespace cairn::server
