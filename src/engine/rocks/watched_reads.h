// What a thread's reads of files come to, noticed where it happens, below RocksDB.
//
// RocksDB does not always pass it on. It has a read tier that keeps to the cache, but a lookup in a file that is not
// open answers with an empty value then, and an iterator that comes to the end of one file and cannot enter the next
// goes on without that level; a table whose range tombstones cannot be read opens without them (all in 7.8). So reads
// of the cache alone (ReadTier::kCache) are made by refusing the files, and a read during which a file failed has
// failed.
#pragma once

#include <cstdint>
#include <memory>

#include "base/time.h"

namespace rocksdb {
class Env;
class TableFactory;
}  // namespace rocksdb

namespace cairn::engine::rocks {

// Watches what its thread reads by way of watched_env() while it lives.
class WatchedReads {
 public:
  enum class Files : bool { kAllowed, kRefused };
  // kRefused: no file is opened or read. Those do not nest.
  explicit WatchedReads(Files files);
  ~WatchedReads();
  WatchedReads(const WatchedReads&) = delete;
  WatchedReads& operator=(const WatchedReads&) = delete;

  // Whether a file would have had to be read: what came of it is worth nothing then, whatever RocksDB says.
  bool has_refused() const;
  // Whether a file could not be opened or read: likewise.
  bool has_failed() const;

 private:
  const Files files_;
  const uint64_t failures_before_;
};

// How long this thread has read files so far.
Duration file_time_of_thread();

// The default one but for that. It is there for as long as the process.
rocksdb::Env* watched_env();

// Opens no table of which a part could not be read.
std::shared_ptr<rocksdb::TableFactory> watched_tables(std::shared_ptr<rocksdb::TableFactory> inner);

}  // namespace cairn::engine::rocks
