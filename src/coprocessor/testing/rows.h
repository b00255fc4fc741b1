// Tables in a region in memory: rows and index entries as TiDB writes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coprocessor/rows/range_reader.h"
#include "engine/memory/local_region_store.h"
#include "runtime/simulated/sim_loop.h"
#include "tipb/schema.pb.h"

namespace cairn::coprocessor::testing {

// A value of a row: bytes in the second format's form; none: NULL.
using RowValue = std::pair<int64_t, std::optional<Bytes>>;
Bytes v2_int(int64_t value);
Bytes v2_row(std::vector<RowValue> values, bool with_checksum = false);

Bytes record_key(int64_t table, int64_t handle);
Bytes index_key(int64_t table, int64_t index, ByteView datums);
Bytes int_datum(int64_t value);
Bytes bytes_datum(ByteView value);

tipb::ColumnInfo column(int64_t id, const std::string& type);

class Region {
 public:
  Region();  // in memory
  explicit Region(std::shared_ptr<engine::KvEngine> engine);
  // Committed at `commit_ts`.
  void put(const Bytes& user_key, const Bytes& value, uint64_t commit_ts = 10);
  void del(const Bytes& user_key, uint64_t commit_ts);
  void lock(const Bytes& user_key, uint64_t start_ts);
  engine::RegionSnapshotPtr snapshot() const { return store_.snapshot_now(); }

 private:
  runtime::SimLoop loop_{1};
  runtime::SimClock clock_{loop_};
  runtime::SimExecutors executors_{loop_, clock_, "node"};
  std::shared_ptr<runtime::Executor> executor_ = executors_.make("shard");
  engine::LocalRegionStore store_;
};

// All rows of the table.
KeyRange records_of(int64_t table);
KeyRange entries_of(int64_t table, int64_t index);

}  // namespace cairn::coprocessor::testing
