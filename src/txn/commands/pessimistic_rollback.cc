// KVPessimisticRollback: a statement failed and its locks are given back; the transaction goes on, so no rollback
// record is left. A lock that a later statement took stays.
#include "txn/computation.h"

namespace cairn::txn {
namespace {

bool concerns(const PessimisticRollback& command, const Lock& lock) {
  return lock.is_pessimistic() && lock.start_ts == command.start_ts && lock.for_update_ts <= command.for_update_ts;
}

}  // namespace

mvcc::Result<PessimisticRollbackResult> compute(const PessimisticRollback& command, Computation& c) {
  std::vector<Key> keys;
  keys.reserve(command.keys.size());
  for (const auto& key : command.keys) keys.push_back(Key::from_user(key));
  return compute_step(command, keys, c);
}

engine::Result<FoundLocks> locks_concerned(const PessimisticRollback& command, const engine::RegionSnapshot& snapshot,
                                           ByteView from, size_t limit) {
  MvccReader reader(snapshot);
  return reader.scan_locks(from, {}, [&](const Lock& lock) { return concerns(command, lock); }, limit);
}

mvcc::Result<PessimisticRollbackResult> compute_step(const PessimisticRollback& command, const std::vector<Key>& keys,
                                                     Computation& c) {
  for (const auto& key : keys) {
    TRY_ASSIGN(auto lock, c.reader.load_lock(key));
    if (lock && concerns(command, *lock)) c.release_lock(key, lock->start_ts);
  }
  return PessimisticRollbackResult{};
}

}  // namespace cairn::txn
