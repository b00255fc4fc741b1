// Looks at the end of RocksDB's newest write-ahead log before RocksDB does, to tell a torn tail from damage.
//
// RocksDB in tolerant mode takes a record whose length reaches beyond the file for a torn tail, and would so drop,
// without a word, all batches behind a damaged length. Here such a place is looked at again: if a batch begins anywhere
// behind it, then what is bad was once whole (each batch is synced before the next is written), and the log is damaged.
// If nothing begins behind it and a whole sector of it is zeros, it is a batch that the disk was still writing: it is
// cut off.
//
// Format: blocks of 32 KiB; records { masked crc32c u32, length u16, type u8, payload }, none across a block's end;
// type 1 a whole batch, 2 its first part, 3 a middle one, 4 the last. Tests: raft_log_contract_test.cc,
// rocks/rocks_engine_test.cc.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "engine/error.h"

namespace cairn::engine::rocks {

struct WalTail {
  enum class Kind {
    kWhole,      // every record is good
    kShort,      // the last batch is cut short: RocksDB drops it by itself
    kUnwritten,  // the last batch has sectors that were never written: to be cut off at `good_bytes`
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
