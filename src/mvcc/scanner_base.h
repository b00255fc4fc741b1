// What the forward and the backward scanner share: the two iterators and how one key becomes a row. Internal to mvcc/.
#pragma once

#include "mvcc/scanner.h"

namespace cairn::mvcc {

class ScannerBase : public Scanner {
 public:
  const ReadFigures& figures() const override { return reader_.figures(); }

 protected:
  ScannerBase(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ScanBounds bounds);

  // The key under the lock or write iterator without a timestamp; empty if the iterator is at its end.
  engine::Result<ByteView> lock_key() const;
  engine::Result<ByteView> write_key() const;

  // The key's value, or an empty one of a key_only scan.
  engine::Result<Bytes> value_of(const Key& key, Timestamp start_ts, const std::optional<Bytes>& short_value);
  // The row of a key from its lock (which the lock iterator stands on, if `has_lock`); `is_done` false: the lock does
  // not matter, look at the versions.
  engine::Result<std::optional<Row>> row_of_lock(const Key& key, bool& is_done);
  // The row of the version found; nothing if it is a DELETE or there is none.
  engine::Result<std::optional<Row>> row_of_version(const Key& key, const std::optional<Version>& version);
  // Under RcCheckTs, a record newer than the read timestamp is an error.
  std::optional<Row> newer_version_error(const Key& key, const Version& newest) const;

  const ReadOptions& options_;
  const bool key_only_;
  MvccReader reader_;
  std::unique_ptr<engine::Iterator> locks_;  // null under RC
  WriteCursor writes_;
};

}  // namespace cairn::mvcc
