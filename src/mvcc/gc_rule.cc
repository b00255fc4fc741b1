#include "mvcc/gc_rule.h"

namespace cairn::mvcc {

GcRule::Fate GcRule::judge(Timestamp commit_ts, const Write& write) {
  if (commit_ts > safe_point_) return Fate::kStays;
  if (is_settled_) return Fate::kGoes;
  // Of any kind: a fence says that something newer than this record was there.
  if (write.is_fenced_off(safe_point_)) {
    is_settled_ = true;
    return Fate::kGoesLast;
  }
  if (!write.changes_value()) return Fate::kGoes;
  is_settled_ = true;
  return write.kind == WriteKind::kPut ? Fate::kStays : Fate::kGoesLast;
}

}  // namespace cairn::mvcc
