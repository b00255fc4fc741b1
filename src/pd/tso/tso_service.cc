#include "pd/tso/tso_service.h"

#include "base/log.h"

namespace cairn::pd {
namespace {

constexpr size_t kTsoWaitingMax = 16'384;
// How soon those who wait look at the clock again: it must pass a millisecond.
constexpr Duration kTsoRetry = std::chrono::milliseconds(1);

}  // namespace

void TsoService::begin() {
  has_bound_ = false;
  oracle_.reset(leadership_.wall_ms(),
                (number_of(leadership_.own().value(leadership_.keys().timestamp())) + 999'999) / 1'000'000);
  save_bound();
}

void TsoService::end() {
  oracle_.stop();
  is_saving_ = false;
  auto waiting = std::exchange(waiting_, {});
  for (auto& [call, since] : waiting) call.finish(MetaGroup::not_leader());
}

void TsoService::on_timer() {
  if (!oracle_.is_active()) return;
  oracle_.update(leadership_.wall_ms(), leadership_.clock().now());
  save_bound();
}

void TsoService::save_bound() {
  if (is_saving_ || !oracle_.is_active()) return;
  const auto bound_ms = oracle_.wanted_bound(leadership_.wall_ms());
  if (!bound_ms) return;
  is_saving_ = true;
  metrics_.tso_saves.add();
  MetaTxn txn;
  txn.put(leadership_.keys().timestamp(), number_bytes(*bound_ms * 1'000'000));
  leadership_.group().propose(
      MetaStore::encode_own(txn),
      [this, weak = leadership_.owner(), leadership = leadership_.number(), bound = *bound_ms](CommandResult result) {
        if (const auto owner = weak.lock()) on_bound_saved(leadership, bound, std::move(result));
      });
}

void TsoService::on_bound_saved(uint64_t leadership, uint64_t bound_ms, CommandResult result) {
  if (leadership != leadership_.number()) return;
  is_saving_ = false;
  if (!result.status.ok()) {
    LOG_WARN("the bound of timestamps was not saved: {}", result.status.message);
    return;
  }
  oracle_.on_saved(bound_ms);
  // A clock beyond the old bound could not be followed, and the next regular look may find it beyond this one.
  oracle_.update(leadership_.wall_ms(), leadership_.clock().now());
  if (!std::exchange(has_bound_, true)) on_first_bound_();
  drain();
}

void TsoService::tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
  metrics_.tso_requests.add();
  if (!leadership_.admit(call)) return;
  const uint64_t count = call.request().count();
  if (count == 0 || count > TsoOracle::kCountMax) {
    call.finish({api::Code::kInvalidArgument,
                 fmt::format("tso count should be positive and at most {}, got {}", TsoOracle::kCountMax, count)});
    return;
  }
  const Instant now = leadership_.clock().now();
  if (waiting_.empty() && answer(call, now)) return;
  if (waiting_.size() >= kTsoWaitingMax) {
    return call.finish({api::Code::kResourceExhausted, "too many requests wait for timestamps"});
  }
  metrics_.tso_waits.add();
  waiting_.push_back({std::move(call), now});
  wait();
}

void TsoService::wait() {
  save_bound();
  if (std::exchange(is_retry_armed_, true)) return;
  leadership_.executor().after(kTsoRetry, [this, weak = leadership_.owner()] {
    const auto owner = weak.lock();
    if (!owner) return;
    is_retry_armed_ = false;
    drain();
  });
}

bool TsoService::answer(api::Call<pdpb::TsoRequest, pdpb::TsoResponse>& call, Instant since) {
  const uint64_t count = call.request().count();
  const Instant now = leadership_.clock().now();
  const auto batch = oracle_.allocate(leadership_.wall_ms(), count, now);
  if (!batch) return false;
  auto& response = call.response();
  response.set_count(static_cast<uint32_t>(count));
  response.mutable_timestamp()->set_physical(static_cast<int64_t>(batch->physical_ms));
  response.mutable_timestamp()->set_logical(static_cast<int64_t>(batch->last_logical));
  metrics_.tso_timestamps.add(count);
  metrics_.tso_batch.observe(count);
  metrics_.tso_time.observe(now - since);
  if (!leadership_.group().is_leader()) {  // the lease may have run out meanwhile
    call.finish(MetaGroup::not_leader());
    return true;
  }
  leadership_.finish(std::move(call));
  return true;
}

void TsoService::drain() {
  while (!waiting_.empty()) {
    if (!leadership_.group().is_leader()) {
      waiting_.front().call.finish(MetaGroup::not_leader());
    } else if (!answer(waiting_.front().call, waiting_.front().since)) {
      wait();
      return;
    }
    waiting_.pop_front();
  }
}

void TsoService::get_min_ts(api::Call<pdpb::GetMinTSRequest, pdpb::GetMinTSResponse> call) {
  if (!leadership_.admit(call)) return;
  const auto batch = oracle_.allocate(leadership_.wall_ms(), 1, leadership_.clock().now());
  if (!batch) {
    save_bound();
    call.finish({api::Code::kUnavailable, "no timestamp is free at this moment"});
    return;
  }
  call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(batch->physical_ms));
  call.response().mutable_timestamp()->set_logical(static_cast<int64_t>(batch->last_logical));
  leadership_.finish(std::move(call));
}

}  // namespace cairn::pd
