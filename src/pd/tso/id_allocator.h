// IdAllocator: hands out store, region and peer ids, each once for all time. Pure: the owner saves the end of the
// window before ids up to it are handed out; a new leader goes on behind the saved end. Tests: tso_test.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/check.h"

namespace cairn::pd {

class IdAllocator {
 public:
  static constexpr uint64_t kWindow = 1000;

  // Begins a leadership: ids up to `saved_end` may have been handed out.
  void reset(uint64_t saved_end) { last_ = end_ = saved_end; }

  // The last of `count` ids in a row; nothing if the window must be saved first (window_for()).
  std::optional<uint64_t> allocate(uint64_t count) {
    CHECK(count > 0, "no ids asked for");
    if (end_ - last_ < count) return std::nullopt;
    last_ += count;
    return last_;
  }
  // The end to save so that `count` more fit.
  uint64_t window_for(uint64_t count) const { return end_ + std::max(kWindow, count); }
  // The end is durable.
  void on_saved(uint64_t end) {
    CHECK(end >= end_, "the window of ids went back from {} to {}", end_, end);
    end_ = end;
  }
  uint64_t last() const { return last_; }

 private:
  uint64_t last_ = 0;  // handed out
  uint64_t end_ = 0;   // durable
};

}  // namespace cairn::pd
