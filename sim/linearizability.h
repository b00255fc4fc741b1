// Decides whether what clients saw of one register can be explained by operations that took effect one at a time, each
// at some moment between its call and its return. Wing and Gong's search with a memory of the configurations seen
// (Lowe). Pure. Tests: linearizability_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace cairn::sim {

// One operation on the register. `returned` is nothing if its outcome is not known: it may take effect at any time
// after the call, or never. Reads without outcome and operations that surely did nothing are left out of a history.
struct Operation {
  enum class Kind : uint8_t { kRead, kWrite, kSwap };
  Kind kind = Kind::kRead;
  int client = 0;
  Duration called{};
  std::optional<Duration> returned;
  std::optional<Bytes> value;     // read: what was seen; write and swap: what was written (nothing: deleted)
  std::optional<Bytes> expected;  // swap: writes only if the register holds this
  std::optional<Bytes> previous;  // swap that returned: what it saw ...
  bool swapped = false;           // ... and whether it wrote
};

// A register that holds nothing at first.
bool is_linearizable(std::vector<Operation> history);

// The history as lines, for the report of a failure.
std::string to_string(const std::vector<Operation>& history);

}  // namespace cairn::sim
