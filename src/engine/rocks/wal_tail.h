// Looks at the end of RocksDB's newest write-ahead log before RocksDB does, to tell a torn tail from damage.
//
// Several batches may be written between two syncs, and a power cut may leave any sectors of what was not synced
// unwritten, with whole batches behind them. RocksDB in tolerant mode takes a record whose length reaches beyond the
// file for a torn tail, and refuses all else that is bad. So the first bad place is judged here:
//
//   - Each batch says at its end up to which sequence number all was synced when it was written (SyncClaim). If a whole
//     batch behind the bad place says that more was synced than lies before that place, the log is damaged.
//   - Else nothing behind the last good batch was ever promised. If the file ends early, or a sector from there on is
//     zeros, it is a tail that the disk was still writing: it is cut off, whole batches behind the hole with it.
//   - Otherwise no crash leaves this: the log is damaged.
//
// Format: blocks of 32 KiB; records { masked crc32c u32, length u16, type u8, payload }, none across a block's end;
// type 1 a whole batch, 2 its first part, 3 a middle one, 4 the last. Tests: raft_log_contract_test.cc,
// rocks/rocks_engine_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "engine/error.h"

namespace cairn::engine::rocks {

// Stands at the end of each batch, as RocksDB writes a blob that belongs to no key: tag 3, length 12, then "SYNC" and
// the sequence number, u64le.
struct SyncClaim {
  uint64_t synced = 0;  // all up to this sequence number was synced before the batch was written

  Bytes blob() const;  // for rocksdb::WriteBatch::PutLogData
  // Of a batch's bytes; nothing if it makes no claim.
  static std::optional<SyncClaim> at_end_of(ByteView batch);
};

struct WalTail {
  enum class Kind {
    kWhole,      // every record is good
    kShort,      // the last batch is cut short: RocksDB drops it by itself
    kUnwritten,  // sectors behind `good_bytes` were never written: to be cut off there
    kDamaged,    // bad, and not as a crash leaves it: at `bad_at`
  };
  Kind kind = Kind::kWhole;
  size_t good_bytes = 0;  // up to here all batches are whole
  size_t bad_at = 0;
};

// Judges the bytes of a log file.
WalTail examine_wal(ByteView log);

// Examines the newest log in the directory, if there is one; cuts off an unwritten tail. kCorruption if it is damaged.
Result<void> check_wal_tail(const std::string& directory);

}  // namespace cairn::engine::rocks
