// Which write records of a key may go once nobody reads below the safe point any more (INV-GC-VISIBLE): the decision
// alone.
//
// Of the records at or below the safe point, newest first: LOCK and ROLLBACK go, protected or not; the first PUT stays,
// for it is what readers see; everything older goes. If the first is a DELETE, or is fenced off by a newer version that
// has been collected elsewhere (write.h), then readers see nothing: everything older goes, and it goes itself once
// nothing older is left that it would have to hide. What is newer than the safe point stays.
//
// Whoever sees only some of a key's records may apply the rule to those: that a PUT or DELETE at or below the safe
// point was there once is enough for nothing older ever to be seen again. Only the record that goes last needs the
// whole key. Tests: gc_test.cc.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "mvcc/write.h"

namespace cairn::mvcc {

class GcRule {
 public:
  explicit GcRule(Timestamp safe_point) : safe_point_(safe_point) {}

  enum class Fate : uint8_t {
    kStays,
    kGoes,      // at once
    kGoesLast,  // when nothing older of the key is left
  };
  // The next key's records follow.
  void begin_key() { is_settled_ = false; }
  // The key's records, newest first.
  Fate judge(Timestamp commit_ts, const Write& write);
  Timestamp safe_point() const { return safe_point_; }

 private:
  Timestamp safe_point_;
  bool is_settled_ = false;  // what readers at the safe point see of the key has passed
};

}  // namespace cairn::mvcc
