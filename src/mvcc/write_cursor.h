// An iterator over write records that counts its moves: what a read looked at is part of its answer (ScanDetailV2), and
// this is the one place where it is looked at. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/kv_engine.h"

namespace cairn::mvcc {

// What a read or a command looked at.
struct ReadFigures {
  uint64_t versions = 0;     // moves over write records, of whatever kind: about as many were looked at
  uint64_t found = 0;        // values that were found
  uint64_t found_bytes = 0;  // with their keys, as the engine holds them

  void note_found(size_t bytes) {
    ++found;
    found_bytes += bytes;
  }
  ReadFigures& operator+=(const ReadFigures& other) {
    versions += other.versions;
    found += other.found;
    found_bytes += other.found_bytes;
    return *this;
  }
};

class WriteCursor {
 public:
  // `figures` must outlive the cursor.
  WriteCursor(std::unique_ptr<engine::Iterator> it, ReadFigures& figures) : it_(std::move(it)), figures_(figures) {}

  void seek(ByteView target) { move().seek(target); }
  void seek_to_first() { move().seek_to_first(); }
  void seek_to_last() { move().seek_to_last(); }
  void next() { move().next(); }
  void prev() { move().prev(); }

  bool valid() const { return it_->valid(); }
  ByteView key() const { return it_->key(); }
  ByteView value() const { return it_->value(); }
  engine::Result<void> status() const { return it_->status(); }
  // The record under it, for those who do not move.
  const engine::Iterator& here() const { return *it_; }

 private:
  engine::Iterator& move() {
    ++figures_.versions;
    return *it_;
  }

  std::unique_ptr<engine::Iterator> it_;
  ReadFigures& figures_;
};

}  // namespace cairn::mvcc
