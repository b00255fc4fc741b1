// Garbage collection in compactions of the write column family: records of old versions are dropped as they pass.
//
// A filter sees only what one compaction merges, and it can drop a record but not, in the same breath, that record's
// value in another column family. So it drops what stands alone: old LOCK, ROLLBACK and DELETE records, and old PUTs
// whose value lies in the record. Of the rest it names the keys, as leftovers: collect_garbage() (gc_collect.h) then
// deletes records and values together in one batch, so that neither a crash nor a snapshot ever separates the two and
// no value is orphaned (INV-GC-TOGETHER). A leftover that is forgotten is named again by the next compaction. Pure but
// for what it tells the sink. Tests: gc_test.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "engine/kv_engine.h"
#include "mvcc/gc_rule.h"

namespace cairn::mvcc {

// What one compaction did.
struct GcPass {
  uint64_t seen = 0;        // records
  uint64_t dropped = 0;     // records
  uint64_t rollbacks = 0;   // LOCK and ROLLBACK records among them
  uint64_t unreadable = 0;  // pairs that are no write records: kept
  uint64_t leftovers = 0;   // keys
};

// What filters report to. Called on the engine's threads.
class GcSink {
 public:
  virtual ~GcSink() = default;
  // A key of the write column family, without its timestamp, that has something for collect_garbage() to do.
  virtual void on_leftover(ByteView key) = 0;
  virtual void on_pass(const GcPass& pass) = 0;  // at the end
};

class GcFilter final : public engine::CompactionFilter {
 public:
  // Precondition: the safe point is set.
  GcFilter(Timestamp safe_point, std::shared_ptr<GcSink> sink);
  ~GcFilter() override;
  Verdict judge(ByteView key, ByteView value) override;

 private:
  Verdict leave(ByteView key);

  GcRule rule_;
  std::shared_ptr<GcSink> sink_;
  GcPass pass_;
  Bytes key_;              // the current one, without timestamp
  bool is_named_ = false;  // it is a leftover already
};

}  // namespace cairn::mvcc
