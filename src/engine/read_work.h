// What reads cost an engine, beside what they return: part of answers (ScanDetailV2) and of the metrics.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace cairn::engine {

struct ReadWork {
  uint64_t cache_hits = 0;   // blocks that were in the cache
  uint64_t blocks_read = 0;  // from files
  uint64_t bytes_read = 0;   // of those
  Duration read_time{};      // of the files
  uint64_t keys_skipped = 0;
  uint64_t deletions_skipped = 0;

  ReadWork& operator+=(const ReadWork& other) {
    cache_hits += other.cache_hits;
    blocks_read += other.blocks_read;
    bytes_read += other.bytes_read;
    read_time += other.read_time;
    keys_skipped += other.keys_skipped;
    deletions_skipped += other.deletions_skipped;
    return *this;
  }
  ReadWork& operator-=(const ReadWork& other) {
    cache_hits -= other.cache_hits;
    blocks_read -= other.blocks_read;
    bytes_read -= other.bytes_read;
    read_time -= other.read_time;
    keys_skipped -= other.keys_skipped;
    deletions_skipped -= other.deletions_skipped;
    return *this;
  }
};

// Sums up the work of what one thread reads between its construction and take(). `source` is a snapshot, and must
// outlive this.
template <class Source>
class WorkMeter {
 public:
  explicit WorkMeter(const Source& source) : source_(source), before_(source.work_of_thread()) {}
  ReadWork take() const {
    ReadWork work = source_.work_of_thread();
    work -= before_;
    return work;
  }

 private:
  const Source& source_;
  const ReadWork before_;
};

}  // namespace cairn::engine
