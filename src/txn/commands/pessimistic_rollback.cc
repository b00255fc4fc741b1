// KVPessimisticRollback: a statement failed and its locks are given back; the transaction goes on, so no rollback
// record is left. A lock that a later statement took stays.
#include "txn/actions/distinct.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

bool concerns(const PessimisticRollback& command, const LockRecord& record) {
  const Lock* lock = mvcc::lock_of(record, command.start_ts);
  return lock && lock->is_pessimistic() && lock->for_update_ts <= command.for_update_ts;
}

}  // namespace

mvcc::Result<PessimisticRollbackResult> compute(const PessimisticRollback& command, Computation& c) {
  return compute_step(command, distinct_keys(command.keys), c);
}

engine::Result<std::vector<Key>> keys_concerned(const PessimisticRollback& command,
                                                const engine::RegionSnapshot& snapshot, ByteView from, size_t limit) {
  MvccReader reader(snapshot);
  std::vector<Key> keys;
  TRY(reader.walk_locks(from, {}, [&](const Key& key, const LockRecord& record) {
    if (concerns(command, record)) keys.push_back(key);
    return keys.size() < limit ? MvccReader::Walk::kGoOn : MvccReader::Walk::kStop;
  }));
  return keys;
}

mvcc::Result<PessimisticRollbackResult> compute_step(const PessimisticRollback& command, const std::vector<Key>& keys,
                                                     Computation& c) {
  for (const auto& key : keys) {
    TRY_ASSIGN(const auto existing, c.load_lock(key));
    if (existing && concerns(command, *existing)) c.release_lock(key, *existing, command.start_ts);
  }
  return PessimisticRollbackResult{};
}

}  // namespace cairn::txn
