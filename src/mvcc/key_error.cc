#include "mvcc/key_error.h"
#include "base/redact.h"

#include <fmt/format.h>

namespace cairn::mvcc {

std::vector<Timestamp> LockInfo::holders() const {
  if (kind != LockKind::kShared) return {start_ts};
  std::vector<Timestamp> holders;
  holders.reserve(shared.size());
  for (const auto& lock : shared) holders.push_back(lock.start_ts);
  return holders;
}
namespace {

const char* reason_name(ConflictReason reason) {
  switch (reason) {
    case ConflictReason::kUnknown:
      return "Unknown";
    case ConflictReason::kOptimistic:
      return "Optimistic";
    case ConflictReason::kPessimisticRetry:
      return "PessimisticRetry";
    case ConflictReason::kSelfRolledBack:
      return "SelfRolledBack";
    case ConflictReason::kRcCheckTs:
      return "RcCheckTs";
    case ConflictReason::kLazyUniquenessCheck:
      return "LazyUniquenessCheck";
    case ConflictReason::kNotLockedKeyConflict:
      return "NotLockedKeyConflict";
  }
  return "Unknown";
}

struct Describe {
  std::string operator()(const KeyIsLocked& e) const {
    return fmt::format("KeyIsLocked key={} primary={} start_ts={} ttl={}", log::user_text(e.lock.key),
                       log::user_text(e.lock.primary), e.lock.start_ts, e.lock.ttl_ms);
  }
  std::string operator()(const WriteConflict& e) const {
    return fmt::format("WriteConflict key={} start_ts={} conflict_start_ts={} conflict_commit_ts={} reason={}",
                       log::user_text(e.key), e.start_ts, e.conflict_start_ts, e.conflict_commit_ts,
                       reason_name(e.reason));
  }
  std::string operator()(const AlreadyExist& e) const {
    return fmt::format("AlreadyExist key={}", log::user_text(e.key));
  }
  std::string operator()(const CommitTsExpired& e) const {
    return fmt::format("CommitTsExpired key={} start_ts={} attempted_commit_ts={} min_commit_ts={}",
                       log::user_text(e.key), e.start_ts, e.attempted_commit_ts, e.min_commit_ts);
  }
  std::string operator()(const TxnNotFound& e) const {
    return fmt::format("TxnNotFound primary={} start_ts={}", log::user_text(e.primary), e.start_ts);
  }
  std::string operator()(const AssertionFailed& e) const {
    return fmt::format("AssertionFailed key={} start_ts={} assertion={} existing_start_ts={} existing_commit_ts={}",
                       log::user_text(e.key), e.start_ts, e.assertion == Assertion::kExist ? "Exist" : "NotExist",
                       e.existing_start_ts, e.existing_commit_ts);
  }
  std::string operator()(const PrimaryMismatch& e) const {
    return fmt::format("PrimaryMismatch key={} primary={} start_ts={}", log::user_text(e.lock.key),
                       log::user_text(e.lock.primary), e.lock.start_ts);
  }
  std::string operator()(const TxnLockNotFound& e) const {
    return fmt::format("TxnLockNotFound key={} start_ts={} commit_ts={}", log::user_text(e.key), e.start_ts,
                       e.commit_ts);
  }
  std::string operator()(const Committed& e) const {
    return fmt::format("Committed key={} start_ts={} commit_ts={}", log::user_text(e.key), e.start_ts, e.commit_ts);
  }
  std::string operator()(const PessimisticLockNotFound& e) const {
    return fmt::format("PessimisticLockNotFound start_ts={} key={} reason={}", e.start_ts, log::user_text(e.key),
                       e.reason);
  }
  std::string operator()(const Deadlock& e) const {
    return fmt::format("Deadlock lock_ts={} lock_key={} deadlock_key_hash={}", e.lock_ts, log::user_text(e.lock_key),
                       e.deadlock_key_hash);
  }
  std::string operator()(const Aborted& e) const { return e.text; }
};

}  // namespace

std::string to_string(const KeyError& error) { return std::visit(Describe{}, error); }

}  // namespace cairn::mvcc
