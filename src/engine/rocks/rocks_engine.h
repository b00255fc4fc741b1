// The engines over RocksDB: the ordered store (four column families, no write-ahead log, atomic flushes) and the Raft
// log (a second database with a log of its own, synced once a batch). Only the .cc files of this folder see RocksDB.
// Tests: kv_contract_test.cc, raft_log_contract_test.cc, rocks/rocks_engine_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/kv_engine.h"
#include "engine/raft_log_engine.h"

namespace cairn::engine {

// Memory for blocks of the data that were read. Its size may change while engines use it. Any thread.
class BlockCache {
 public:
  static std::shared_ptr<BlockCache> make(uint64_t bytes);
  virtual ~BlockCache() = default;
  virtual void resize(uint64_t bytes) = 0;
};

struct RocksKvOptions {
  uint64_t block_cache_bytes = uint64_t{64} << 20;   // shared by all column families
  std::shared_ptr<BlockCache> block_cache;           // instead of one of its own of that size
  uint64_t write_buffer_bytes = uint64_t{32} << 20;  // of default and write, each
  uint64_t lock_write_buffer_bytes = uint64_t{16} << 20;
  uint64_t raft_write_buffer_bytes = uint64_t{8} << 20;
  uint64_t total_write_buffer_bytes = uint64_t{128} << 20;  // of all together; beyond it the engine flushes
  int max_open_files = 4096;  // held open; the owner sees to it that the process may (cli/open_files.h)
  // From here on the engine slows its writes down, and so whoever waits for them: files of level 0, full memtables of a
  // column family, bytes that wait for compaction (and where writes stop).
  int l0_files_slow = 20;
  int memtables_max = 5;
  uint64_t compaction_bytes_slow = uint64_t{192} << 30;
  uint64_t compaction_bytes_stop = uint64_t{1024} << 30;
  int background_jobs = 2;     // 2 to 64: one flush at a time, the rest for compactions
  std::string file_directory;  // of files(); empty: `path` + "-snap"
  // Under what name it tells its figures (TiKV calls the ordered store "kv", the Raft log "raft"); empty: it counts
  // none.
  std::string metrics_name;
  // The disk failed in the background (a flush or a compaction): writes return the error from now on. Called once, on a
  // thread of RocksDB: it should only say it aloud and start the end of the process.
  std::function<void(const Error&)> on_background_error;
};

// Opens, or makes, the store in directory `path` (its parents must exist). kLocked if another process has it.
Result<std::unique_ptr<KvEngine>> open_rocks_kv(const std::string& path, RocksKvOptions options = {});

struct RocksRaftLogOptions {
  uint64_t write_buffer_bytes = uint64_t{16} << 20;
  uint64_t total_wal_bytes = uint64_t{256} << 20;  // beyond it memtables are flushed so that old logs can go
  uint64_t block_cache_bytes = uint64_t{8} << 20;
  int max_open_files = 512;  // likewise
  std::string metrics_name;  // likewise
  std::function<void(const Error&)> on_background_error;
};

// Opens, or makes, the Raft log in directory `path`. A torn last batch is cut off; damage before it is kCorruption.
Result<std::unique_ptr<RaftLogEngine>> open_rocks_raft_log(const std::string& path, RocksRaftLogOptions options = {});

}  // namespace cairn::engine
