// Watches INV-TSO-MONOTONIC where PD answers: each run of timestamps lies above all that had been answered when it was
// asked for, and no timestamp is handed out twice, whoever asks and however often PD dies in between. One a world,
// shared by the proxies of PD. Tests: world_test.cc.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/ids.h"
#include "pdpb.pb.h"

namespace cairn::sim {

class TimestampWatch {
 public:
  explicit TimestampWatch(std::function<void(std::string)> fail) : fail_(std::move(fail)) {}

  // The greatest one that was answered.
  Timestamp newest() const { return newest_; }
  // An answer to a question that was asked when `newest_before` was the greatest.
  void on_answer(const pdpb::TsoResponse& answer, Timestamp newest_before) {
    const auto physical = static_cast<uint64_t>(answer.timestamp().physical());
    const Timestamp last((physical << 18) + static_cast<uint64_t>(answer.timestamp().logical()));
    const Timestamp first(last.value - answer.count() + 1);
    if (first <= newest_before) {
      fail_(fmt::format("INV-TSO-MONOTONIC: {} to {} were handed out after {} had been", first, last, newest_before));
    }
    const auto next = runs_.lower_bound(first);  // the first run that ends at or behind `first`
    if (next != runs_.end() && next->second <= last) {
      fail_(fmt::format("INV-TSO-MONOTONIC: {} to {} and {} to {} were handed out both", first, last, next->second,
                        next->first));
    }
    runs_[last] = first;
    newest_ = std::max(newest_, last);
  }

 private:
  std::function<void(std::string)> fail_;
  Timestamp newest_;
  std::map<Timestamp, Timestamp> runs_;  // by their last: their first
};

}  // namespace cairn::sim
