#include "sim/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/check.h"

namespace cairn::sim {

namespace {

using Value = std::optional<Bytes>;

class Search {
 public:
  explicit Search(std::vector<Operation> history) : ops_(std::move(history)), done_(ops_.size(), '0') {
    std::sort(ops_.begin(), ops_.end(), [](const Operation& a, const Operation& b) { return a.called < b.called; });
    for (const auto& op : ops_) must_ += op.returned ? 1 : 0;
  }
  bool run() { return explore(std::nullopt, must_, 0); }

 private:
  // The register after `op` on `state`; false if `op` cannot have seen what it saw.
  static bool apply(const Operation& op, const Value& state, Value& after) {
    after = state;
    switch (op.kind) {
      case Operation::Kind::kRead:
        return op.value == state;
      case Operation::Kind::kWrite:
        after = op.value;
        return true;
      case Operation::Kind::kSwap:
        if (op.returned && (op.previous != state || op.swapped != (op.expected == state))) return false;
        if (op.expected == state) after = op.value;
        return true;
    }
    return false;
  }

  // `left`: operations with an outcome that still need their moment. All before `first` are done.
  bool explore(const Value& state, size_t left, size_t first) {
    if (left == 0) return true;  // those without outcome need none
    while (first < ops_.size() && done_[first] == '1') ++first;
    if (!seen_.insert(done_ + (state ? "=" + *state : "-")).second) return false;
    // Whoever is called after another one returned comes after it.
    Duration horizon = Duration::max();
    for (size_t i = first; i < ops_.size() && ops_[i].called <= horizon; ++i) {
      if (done_[i] == '0' && ops_[i].returned) horizon = std::min(horizon, *ops_[i].returned);
    }
    for (size_t i = first; i < ops_.size() && ops_[i].called <= horizon; ++i) {
      if (done_[i] == '1') continue;
      Value after;
      if (!apply(ops_[i], state, after)) continue;
      done_[i] = '1';
      if (explore(after, left - (ops_[i].returned ? 1 : 0), first)) return true;
      done_[i] = '0';
    }
    return false;
  }

  std::vector<Operation> ops_;
  std::string done_;  // one character an operation
  size_t must_ = 0;
  std::unordered_set<std::string> seen_;
};

// A write without outcome whose value nobody saw or compared with explains nothing: leaving it out keeps the search
// small and changes no answer.
void leave_out_unseen(std::vector<Operation>& history) {
  std::set<Value> seen;
  for (const auto& op : history) {
    if (op.kind == Operation::Kind::kRead) seen.insert(op.value);
    if (op.kind != Operation::Kind::kSwap) continue;
    seen.insert(op.expected);
    if (op.returned) seen.insert(op.previous);
  }
  std::erase_if(history, [&](const Operation& op) {
    return op.kind != Operation::Kind::kRead && !op.returned && !seen.contains(op.value);
  });
}

std::string show(const Value& value) { return value ? *value : "nothing"; }

}  // namespace

bool is_linearizable(std::vector<Operation> history) {
  leave_out_unseen(history);
  return Search(std::move(history)).run();
}

std::string to_string(const std::vector<Operation>& history) {
  std::string out;
  for (const auto& op : history) {
    out += fmt::format("  client {} {:>10.3f} ms .. {} ", op.client, to_seconds(op.called) * 1e3,
                       op.returned ? fmt::format("{:.3f} ms", to_seconds(*op.returned) * 1e3) : "?");
    switch (op.kind) {
      case Operation::Kind::kRead:
        out += fmt::format("read {}\n", show(op.value));
        break;
      case Operation::Kind::kWrite:
        out += fmt::format("write {}\n", show(op.value));
        break;
      case Operation::Kind::kSwap:
        out += fmt::format("swap {} for {}: {} saw {}\n", show(op.expected), show(op.value),
                           op.swapped ? "wrote," : "did not,", show(op.previous));
        break;
    }
  }
  return out;
}

}  // namespace cairn::sim
