// Timestamps and ids: calls wait in a queue while the bound that they need is being saved, or for the clock.
#include "base/codec.h"
#include "base/log.h"
#include "pd/node/node_core.h"

namespace cairn::pd {
namespace {

constexpr size_t kTsoWaitingMax = 16'384;
// How soon those who wait look at the clock again: it must pass a millisecond.
constexpr Duration kTsoRetry = std::chrono::milliseconds(1);

}  // namespace

void NodeCore::save_tso_bound() {
  if (saving_tso_ || !tso_.is_active()) return;
  const auto bound_ms = tso_.wanted_bound(wall_ms());
  if (!bound_ms) return;
  saving_tso_ = true;
  Bytes value;
  codec::put_u64_be(value, *bound_ms * 1'000'000);
  MetaTxn txn;
  txn.put(keys_.timestamp(), value);
  group_.propose(MetaStore::encode_own(txn),
                 [weak = weak_from_this(), leadership = leadership_, bound = *bound_ms](CommandResult result) {
                   if (auto self = weak.lock()) self->on_tso_bound_saved(leadership, bound, std::move(result));
                 });
}

void NodeCore::on_tso_bound_saved(uint64_t leadership, uint64_t bound_ms, CommandResult result) {
  if (leadership != leadership_) return;
  saving_tso_ = false;
  if (!result.status.ok()) {
    LOG_WARN("the bound of timestamps was not saved: {}", result.status.message);
    return;
  }
  tso_.on_saved(bound_ms);
  // A clock beyond the old bound could not be followed, and the next regular look may find it beyond this one.
  tso_.update(wall_ms(), dependencies_.clock.now());
  if (!serving_) {
    serving_ = true;
    LOG_INFO("pd serves cluster {}, timestamps from {}", cluster_id_, tso_.physical_ms());
    ready({});
  }
  drain_tso();
}

void NodeCore::tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) {
  metrics_.tso_requests.Increment();
  if (!admit(call)) return;
  const uint64_t count = call.request().count();
  if (count == 0 || count > TsoOracle::kCountMax) {
    call.finish({api::Code::kInvalidArgument,
                 fmt::format("tso count should be positive and at most {}, got {}", TsoOracle::kCountMax, count)});
    return;
  }
  if (tso_waiting_.empty() && answer_tso(call)) return;
  if (tso_waiting_.size() >= kTsoWaitingMax) {
    return call.finish({api::Code::kResourceExhausted, "too many requests wait for timestamps"});
  }
  metrics_.tso_waits.Increment();
  tso_waiting_.push_back(std::move(call));
  wait_for_tso();
}

void NodeCore::wait_for_tso() {
  save_tso_bound();
  if (std::exchange(tso_retry_armed_, true)) return;
  executor_->after(kTsoRetry, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->tso_retry_armed_ = false;
    self->drain_tso();
  });
}

bool NodeCore::answer_tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse>& call) {
  const uint64_t count = call.request().count();
  const auto batch = tso_.allocate(wall_ms(), count, dependencies_.clock.now());
  if (!batch) return false;
  auto& response = call.response();
  response.set_count(static_cast<uint32_t>(count));
  response.mutable_timestamp()->set_physical(static_cast<int64_t>(batch->physical_ms));
  response.mutable_timestamp()->set_logical(static_cast<int64_t>(batch->last_logical));
  metrics_.tso_timestamps.Increment(static_cast<double>(count));
  if (!group_.is_leader()) {  // the lease may have run out meanwhile
    call.finish(MetaGroup::not_leader());
    return true;
  }
  finish(std::move(call));
  return true;
}

void NodeCore::drain_tso() {
  while (!tso_waiting_.empty()) {
    if (!group_.is_leader()) {
      tso_waiting_.front().finish(MetaGroup::not_leader());
    } else if (!answer_tso(tso_waiting_.front())) {
      wait_for_tso();
      return;
    }
    tso_waiting_.pop_front();
  }
}

void NodeCore::get_min_ts(api::Call<pdpb::GetMinTSRequest, pdpb::GetMinTSResponse> call) {
  if (!admit(call)) return;
  const auto batch = tso_.allocate(wall_ms(), 1, dependencies_.clock.now());
  if (!batch) {
    save_tso_bound();
    call.finish({api::Code::kUnavailable, "no timestamp is free at this moment"});
    return;
  }
  call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(batch->physical_ms));
  call.response().mutable_timestamp()->set_logical(static_cast<int64_t>(batch->last_logical));
  finish(std::move(call));
}

std::optional<uint64_t> NodeCore::allocate_ids(uint64_t count) {
  auto last = ids_.allocate(count);
  if (!last && !saving_ids_) {
    saving_ids_ = true;  // cleared by the task; the next who asks finds them
    auto fetch = [](std::shared_ptr<NodeCore> self, uint64_t leadership) -> Task<void> {
      co_await self->ids_lane_.acquire();
      if (leadership == self->leadership_) {
        const uint64_t end = self->ids_.window_for(1);
        Bytes value;
        codec::put_u64_be(value, end);
        MetaTxn txn;
        txn.put(self->keys_.alloc_id(), value);
        auto result = co_await self->commit(std::move(txn));
        if (leadership == self->leadership_) {
          if (result.status.ok()) self->ids_.on_saved(end);
          self->saving_ids_ = false;
        }
      }
      self->ids_lane_.release();
    };
    spawn(fetch(shared_from_this(), leadership_));
  }
  return last;
}

runtime::Task<Result<uint64_t, api::Status>> NodeCore::take_ids(uint64_t count) {
  const uint64_t leadership = leadership_;
  co_await ids_lane_.acquire();
  std::optional<uint64_t> last;
  if (leadership == leadership_ && serving_) {
    last = ids_.allocate(count);
    if (!last) {
      const uint64_t end = ids_.window_for(count);
      Bytes value;
      codec::put_u64_be(value, end);
      MetaTxn txn;
      txn.put(keys_.alloc_id(), value);
      auto result = co_await commit(std::move(txn));
      if (result.status.ok() && leadership == leadership_) {
        ids_.on_saved(end);
        last = ids_.allocate(count);
      }
    }
  }
  ids_lane_.release();
  if (!last) co_return Err(MetaGroup::not_leader());
  co_return *last;
}

void NodeCore::alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) {
  if (admit(call)) spawn(serve_alloc_id(std::move(call)));
}

runtime::Task<void> NodeCore::serve_alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) {
  const uint32_t count = std::max<uint32_t>(1, call.request().count());
  auto last = co_await take_ids(count);
  if (!last.ok()) {
    call.finish(std::move(last).error());
    co_return;
  }
  call.response().set_id(*last);
  call.response().set_count(count);
  finish(std::move(call));
}

}  // namespace cairn::pd
