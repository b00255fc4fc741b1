// Scans ranges of keys at a timestamp and shows each pair in place: no key, value or write record is copied where the
// engine holds it whole. A conflicting lock ends the scan with its error. Used by one thread.
//
// One pair of iterators serves many ranges, which lie within bounds told at the begin and are visited in one direction.
// Values too long for the write record come from a cursor on the default column family that moves along.
// Tests: scanner_test.cc, against the scanners of scanner.h.
#pragma once

#include <memory>
#include <optional>

#include "engine/region_store.h"
#include "mvcc/key_error.h"
#include "mvcc/mvcc_reader.h"
#include "mvcc/read_options.h"
#include "mvcc/scanner.h"
#include "mvcc/write_cursor.h"

namespace cairn::mvcc {

class ViewScanner {
 public:
  enum class Direction : uint8_t { kForward, kBackward };
  // Engine keys without timestamps; empty: the region's bound. The snapshot and the options outlive the scanner.
  struct Bounds {
    Bytes lower, upper;
    bool key_only = false;
    Direction direction = Direction::kForward;
  };

  ViewScanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options, Bounds bounds);

  // From now on the pairs of this range, [lower, upper) in engine keys.
  void start(Bytes lower, Bytes upper);
  // Moves to the next pair. False: the range has no more.
  mvcc::Result<bool> next();

  // Of the pair; good until the next move.
  ByteView user_key() const { return user_key_; }
  ByteView value() const { return value_; }
  Timestamp commit_ts() const { return commit_ts_; }

  // Whether something was seen that a later read could see otherwise: a lock, or a version above the timestamp.
  bool met_newer_data() const { return met_newer_; }
  const ReadFigures& figures() const { return backward_ ? backward_figures_ : reader_.figures(); }

 private:
  mvcc::Result<bool> next_backward();
  // The lock at a key before which nothing is left to show. True: it is the pair.
  mvcc::Result<bool> take_lock(bool& hides_versions);
  // The version under the write iterator's key that the timestamp sees. True: it is the pair.
  mvcc::Result<bool> take_version();
  engine::Result<bool> take_value(Timestamp start_ts, ByteView short_value, bool has_short_value);
  engine::Result<void> load_long_value(Timestamp start_ts);
  // Moves the write iterator behind the versions of `encoded_key_`. Precondition: it stands on one.
  mvcc::Result<void> skip_key();
  // Notes where the write iterator stands; after each of its moves.
  mvcc::Result<void> look();
  // Likewise, when others have moved it, and it may be behind `encoded_key_`.
  mvcc::Result<void> look_again();
  bool is_behind(ByteView encoded_key) const { return !is_upper_watched_ && !upper_.empty() && encoded_key >= upper_; }

  const engine::RegionSnapshot& snapshot_;
  const ReadOptions& options_;
  const Bounds bounds_;
  MvccReader reader_;  // counts what is looked at
  WriteCursor writes_;
  std::unique_ptr<engine::Iterator> locks_;     // null: there are none, or they do not matter
  std::unique_ptr<engine::Iterator> defaults_;  // made at first use
  std::unique_ptr<Scanner> backward_;
  std::optional<Row> backward_row_;
  ReadFigures backward_figures_;

  Bytes upper_;                    // of the range
  bool is_upper_watched_ = false;  // it is the bound that the iterators watch by themselves
  // Where the write iterator stands: a key of the range, and the version's timestamp; empty: the range has no more.
  bool is_looked_ = false;  // since the range was begun
  ByteView at_key_;
  Timestamp at_ts_;
  Bytes encoded_key_;       // of the pair
  bool is_on_key_ = false;  // the write iterator stands on a version of `encoded_key_`
  Bytes user_key_;
  ByteView value_;
  Bytes kept_value_;
  Timestamp commit_ts_;
  bool met_newer_ = false;
};

}  // namespace cairn::mvcc
