#include "pd/tso/id_service.h"

namespace cairn::pd {

void IdService::begin() { ids_.reset(number_of(leadership_.own().value(leadership_.keys().alloc_id()))); }

void IdService::end() { is_saving_ = false; }

std::optional<uint64_t> IdService::allocate(uint64_t count) {
  auto last = ids_.allocate(count);
  if (!last && !is_saving_) {
    is_saving_ = true;  // cleared by the task; the next who asks finds them
    leadership_.spawn(fetch(leadership_.number()));
  }
  return last;
}

runtime::Task<void> IdService::fetch(uint64_t leadership) {
  co_await lane_.acquire();
  if (leadership == leadership_.number()) {
    const uint64_t end = ids_.window_for(1);
    MetaTxn txn;
    txn.put(leadership_.keys().alloc_id(), number_bytes(end));
    auto result = co_await leadership_.commit(std::move(txn));
    if (leadership == leadership_.number()) {
      if (result.status.ok()) ids_.on_saved(end);
      is_saving_ = false;
    }
  }
  lane_.release();
}

runtime::Task<Result<uint64_t, api::Status>> IdService::take(uint64_t count) {
  const uint64_t leadership = leadership_.number();
  co_await lane_.acquire();
  std::optional<uint64_t> last;
  if (leadership == leadership_.number() && leadership_.is_serving()) {
    last = ids_.allocate(count);
    if (!last) {
      const uint64_t end = ids_.window_for(count);
      MetaTxn txn;
      txn.put(leadership_.keys().alloc_id(), number_bytes(end));
      auto result = co_await leadership_.commit(std::move(txn));
      if (result.status.ok() && leadership == leadership_.number()) {
        ids_.on_saved(end);
        last = ids_.allocate(count);
      }
    }
  }
  lane_.release();
  if (!last) co_return Err(MetaGroup::not_leader());
  co_return *last;
}

void IdService::alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) {
  if (leadership_.admit(call)) leadership_.spawn(serve_alloc_id(std::move(call)));
}

runtime::Task<void> IdService::serve_alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) {
  const uint32_t count = std::max<uint32_t>(1, call.request().count());
  auto last = co_await take(count);
  if (!last.ok()) {
    call.finish(std::move(last).error());
    co_return;
  }
  call.response().set_id(*last);
  call.response().set_count(count);
  leadership_.finish(std::move(call));
}

}  // namespace cairn::pd
