// IdService: ids that nobody has had before, from a window that is saved ahead (id_allocator.h). Owned by NodeCore, on
// "pd". Tests: node_test.cc.
#pragma once

#include <optional>

#include "api/pd.h"
#include "pd/member/leadership.h"
#include "pd/tso/id_allocator.h"

namespace cairn::pd {

class IdService {
 public:
  explicit IdService(Leadership& leadership) : leadership_(leadership), lane_(leadership.executor(), 1) {}

  void begin();
  void end();

  // The last that was given out.
  uint64_t last() const { return ids_.last(); }
  // The last of `count` ids in a row; nothing if the window must be saved first, which begins: ask again later.
  std::optional<uint64_t> allocate(uint64_t count);
  // Likewise, waiting for the window.
  runtime::Task<Result<uint64_t, api::Status>> take(uint64_t count);

  void alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call);

 private:
  runtime::Task<void> fetch(uint64_t leadership);
  runtime::Task<void> serve_alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call);

  Leadership& leadership_;
  IdAllocator ids_;
  bool is_saving_ = false;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
