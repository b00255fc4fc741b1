// The changes that a command has decided on, in the form in which they are replicated: one log entry, applied in one
// batch, so that a key's lock goes in the instant in which its record comes (INV-LOCK-OR-WRITE). Used by one command.
#pragma once

#include <utility>
#include <vector>

#include "engine/region_store.h"
#include "mvcc/key.h"
#include "mvcc/shared_locks.h"
#include "mvcc/write.h"

namespace cairn::mvcc {

class MvccTxn {
 public:
  void put_lock(const Key& key, const Lock& lock) { put(engine::Cf::kLock, key.encoded, lock.encode()); }
  void put_shared_locks(const Key& key, const SharedLocks& locks) {
    put(engine::Cf::kLock, key.encoded, locks.encode());
  }
  void remove_lock(const Key& key) { changes_.push_back(engine::Modify::del(engine::Cf::kLock, key.encoded)); }
  void put_write(const Key& key, Timestamp commit_ts, const Write& write) {
    put(engine::Cf::kWrite, codec::append_ts(key.encoded, commit_ts), write.encode());
  }
  void remove_write(const Key& key, Timestamp commit_ts) {
    changes_.push_back(engine::Modify::del(engine::Cf::kWrite, codec::append_ts(key.encoded, commit_ts)));
  }
  void put_value(const Key& key, Timestamp start_ts, Bytes value) {
    put(engine::Cf::kDefault, codec::append_ts(key.encoded, start_ts), std::move(value));
  }
  void remove_value(const Key& key, Timestamp start_ts) {
    changes_.push_back(engine::Modify::del(engine::Cf::kDefault, codec::append_ts(key.encoded, start_ts)));
  }
  void add(engine::Modify change) { changes_.push_back(std::move(change)); }

  bool empty() const { return changes_.empty(); }
  void clear() { changes_.clear(); }
  std::vector<engine::Modify> take() { return std::exchange(changes_, {}); }

 private:
  void put(engine::Cf cf, Bytes key, Bytes value) {
    changes_.push_back(engine::Modify::put(cf, std::move(key), std::move(value)));
  }
  std::vector<engine::Modify> changes_;
};

}  // namespace cairn::mvcc
