// What a RocksDB tells of itself, under TiKV's names: its own counters and histograms (rocksdb::Statistics), its
// properties, and the events of its background work. They decide nothing. Tests: rocks_engine_test.cc.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/statistics.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"

namespace cairn::engine::rocks {

// Counts flushes, compactions, ingestions and changes between stalled and not. `db` as TiKV calls it: "kv", "raft".
std::shared_ptr<rocksdb::EventListener> count_events(const std::string& db);

// Sets the gauges of the database `db` to what is so now.
class Figures {
 public:
  // The database must live until these figures are gone.
  struct Source {
    std::string name;  // "kv", "raft"
    rocksdb::DB* db = nullptr;
    std::shared_ptr<rocksdb::Statistics> statistics;
    std::vector<std::pair<std::string, rocksdb::ColumnFamilyHandle*>> families;
    std::function<uint64_t()> block_cache_bytes;
  };
  explicit Figures(Source source);
  ~Figures();
  Figures(const Figures&) = delete;
  Figures& operator=(const Figures&) = delete;

 private:
  class Gauges;
  std::unique_ptr<Gauges> gauges_;
  metrics::CollectorPtr collector_;  // the first to go
};

}  // namespace cairn::engine::rocks
