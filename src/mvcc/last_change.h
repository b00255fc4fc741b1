// Where the newest PUT or DELETE below a LOCK or ROLLBACK record stands, so that a reader jumps over long runs of them.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace cairn::mvcc {

// (0, 0) unknown; (0, >0) there is none below; (ts, n) it has commit timestamp `ts`, `n` versions further down.
struct LastChange {
  Timestamp commit_ts;
  uint64_t versions = 0;

  static LastChange unknown() { return {}; }
  static LastChange not_exist() { return {Timestamp(), 1}; }
  static LastChange at(Timestamp commit_ts, uint64_t versions) { return {commit_ts, versions}; }
  bool is_unknown() const { return !commit_ts.is_set() && versions == 0; }
  bool is_not_exist() const { return !commit_ts.is_set() && versions != 0; }
  bool is_at() const { return commit_ts.is_set(); }
  friend bool operator==(const LastChange&, const LastChange&) = default;
};

}  // namespace cairn::mvcc
