// TsoOracle: hands out timestamps, strictly growing, for as long as the cluster lives. Pure: the owner tells the time
// and saves the bound.
//
// A timestamp is physical milliseconds << 18 | logical. The saved bound is the promise on disk: no timestamp with a
// physical part at or above it was ever handed out. So a new leader that starts at or above the bound, and saves a
// further one before it serves, can repeat nothing, whatever its clock says.
//
// The rules of moving: the clock ahead of the physical part pulls it forward and resets the logical part; at the
// regular look at the clock, a logical part more than half used pushes the physical part by 1 ms; a clock that went
// back changes nothing. The physical part never reaches the saved bound less the guard. A request that finds the
// logical part full waits for the clock, or, where that went back, until a millisecond has passed since the last move:
// requests never move timestamps faster than time goes by (INV-TSO-NOT-AHEAD), or locks would seem to have expired long
// ago. Owned by TsoService. Tests: tso_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace cairn::pd {

class TsoOracle {
 public:
  static constexpr uint64_t kLogicalMax = uint64_t{1} << 18;  // logical parts lie below it
  // The most that one request may ask: with it, a logical part that has no room is more than half used.
  static constexpr uint64_t kCountMax = uint64_t{1} << 16;
  static constexpr uint64_t kGuardMs = 1;

  explicit TsoOracle(uint64_t save_interval_ms) : save_interval_ms_(save_interval_ms) {}

  // Begins a leadership: `saved_bound_ms` is what the store holds (0: nothing yet). Nothing is handed out before the
  // first on_saved(); wanted_bound() says what to save.
  void reset(uint64_t now_ms, uint64_t saved_bound_ms);
  // Ends the leadership: nothing is handed out any more.
  void stop() { active_ = false; }

  // The bound that should be saved now, if any; the owner saves one at a time.
  std::optional<uint64_t> wanted_bound(uint64_t now_ms) const;
  // The bound is durable.
  void on_saved(uint64_t bound_ms);

  // The regular look at the clock. Here and below, `now_ms` is the wall clock and `now` the one that only goes forward.
  void update(uint64_t now_ms, Instant now = {});

  struct Batch {
    uint64_t physical_ms = 0;
    uint64_t last_logical = 0;  // the batch is the `count` logical parts up to and including this one
  };
  // `count` timestamps in a row, 1 to kCountMax. Nothing if the clock or the saved bound must move first: ask again a
  // little later, or after on_saved().
  std::optional<Batch> allocate(uint64_t now_ms, uint64_t count, Instant now = {});

  bool is_active() const { return active_; }
  uint64_t saved_bound_ms() const { return saved_ms_; }
  uint64_t physical_ms() const { return physical_ms_; }

 private:
  bool may_use(uint64_t physical_ms) const { return physical_ms + kGuardMs < saved_ms_; }
  void advance_to(uint64_t physical_ms, Instant now);

  uint64_t save_interval_ms_;
  bool active_ = false;    // between reset() and stop()
  bool serving_ = false;   // the first bound of this leadership is saved
  uint64_t saved_ms_ = 0;  // durable bound
  uint64_t physical_ms_ = 0;
  Instant advanced_at_;   // when the physical part moved last
  uint64_t logical_ = 0;  // the last one handed out of physical_ms_; the first is 1
  bool starved_ = false;  // a request waits for the bound
};

}  // namespace cairn::pd
