// How hard one operation tries: its deadline, its pauses, what stood in its way last, and whether some attempt's answer
// was lost. Shared by the tasks of one operation; on the client's executor. Tests: client_test.cc.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "api/status.h"
#include "client/core.h"
#include "client/region_reaction.h"
#include "runtime/async.h"

namespace cairn::client {

// What happens if a request takes effect twice, or takes effect and its answer is lost.
enum class Effect {
  kRead,        // nothing: repeat it, and give up in the end
  kRepeatable,  // the second time changes nothing: repeat it; but in the end the outcome is unknown
  kOnce,        // repeating may do harm: a lost answer ends the operation as undetermined
};

// The call itself failed in a way that no repetition mends; nothing was done.
inline bool is_final(api::Code code) {
  switch (code) {
    case api::Code::kInvalidArgument:
    case api::Code::kUnimplemented:
    case api::Code::kPermissionDenied:
    case api::Code::kUnauthenticated:
    case api::Code::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

class Effort {
 public:
  Effort(const Core& core, Effect effect)
      : effect_(effect), deadline_(core.deps.clock.now() + core.options.budget), pause_(core.options.backoff_first) {}

  Effect effect() const { return effect_; }
  void note(std::string trouble) { trouble_ = std::move(trouble); }
  const std::string& last_trouble() const { return trouble_; }
  // An attempt's answer was lost.
  void note_lost() { lost_ = true; }
  bool has_lost() const { return lost_; }

  Duration time_left(const Core& core) const { return std::max(Duration{}, deadline_ - core.deps.clock.now()); }

  // Waits before the next attempt; false if the budget is spent.
  runtime::Task<bool> wait(CorePtr core, Wait how, Duration at_least = {}) {
    return wait_on(this, std::move(core), how, at_least);
  }

  // The error with which an operation ends that ran out of budget.
  Error exhausted() const {
    if (lost_ && effect_ != Effect::kRead) return Undetermined{trouble_};
    return GaveUp{trouble_.empty() ? "the budget was spent" : trouble_};
  }

 private:
  // The effort outlives the wait: the operation that waits holds it.
  static runtime::Task<bool> wait_on(Effort* effort, CorePtr core, Wait how, Duration at_least) {
    ++effort->attempts_;
    // Even at once, not for ever: two servers may send a client to and fro.
    if (how == Wait::kNo && effort->attempts_ % kFreeAttempts != 0) co_return effort->time_left(*core) > Duration{};
    const Duration top = core->options.backoff_max;
    if (how == Wait::kLong) effort->pause_ = std::max(effort->pause_, top / 8);
    const Duration pause = std::max(at_least, core->deps.random.between(effort->pause_ / 2, effort->pause_));
    effort->pause_ = std::min(effort->pause_ * 2, top);
    if (pause >= effort->time_left(*core)) co_return false;
    co_await runtime::sleep(core->deps.executor, pause);
    co_return true;
  }

  static constexpr int kFreeAttempts = 4;

  Effect effect_;
  Instant deadline_;
  Duration pause_;
  int attempts_ = 0;
  bool lost_ = false;
  std::string trouble_;
};

using EffortPtr = std::shared_ptr<Effort>;

}  // namespace cairn::client
