// What RocksDB tells of single operations: its PerfContext, which it keeps for each thread. Counts cost nothing extra,
// times are taken of writes only, of which there are few and large ones. Tests: rocks_engine_test.cc.
#pragma once

#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/status.h>

#include <array>

#include "base/metrics.h"
#include "engine/read_work.h"

namespace cairn::engine::rocks {

// What reads of this thread have cost so far.
ReadWork read_work_of_thread();

// Where the time of writes goes.
class WritePerf {
 public:
  // `name` of the histograms, by TiKV's types.
  explicit WritePerf(const char* name);

  template <class Write>
  rocksdb::Status run(Write write) const {
    const rocksdb::PerfLevel level = rocksdb::GetPerfLevel();
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableTime);
    const Times before = now();
    rocksdb::Status status = write();
    note(before);
    rocksdb::SetPerfLevel(level);
    return status;
  }

 private:
  static constexpr size_t kParts = 8;
  using Times = std::array<uint64_t, kParts>;
  static Times now();
  void note(const Times& before) const;

  metrics::Family<metrics::Histogram> parts_;
};

}  // namespace cairn::engine::rocks
