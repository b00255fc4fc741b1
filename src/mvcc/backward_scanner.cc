#include "mvcc/record.h"
#include "mvcc/scanner_base.h"

namespace cairn::mvcc {
namespace {

class BackwardScanner final : public ScannerBase {
 public:
  BackwardScanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ScanBounds bounds)
      : ScannerBase(snapshot, options, std::move(bounds)) {
    if (locks_) locks_->seek_to_last();
    writes_.seek_to_last();
  }

  // Invariant between calls: both iterators stand on the last record of keys not yet answered.
  engine::Result<Step> step() override {
    TRY_ASSIGN(ByteView lock_at, lock_key());
    TRY_ASSIGN(ByteView write_at, write_key());
    if (lock_at.empty() && write_at.empty()) return Step{.is_at_end = true};
    const bool has_lock = !lock_at.empty() && lock_at >= write_at;  // empty sorts before all
    const bool has_write = !write_at.empty() && write_at >= lock_at;
    TRY_ASSIGN(const Key key, key_of(has_lock ? lock_at : write_at));

    std::optional<Row> row;
    bool is_done = false;
    if (has_lock) {
      TRY_ASSIGN(row, row_of_lock(key, is_done));
      locks_->prev();
    }
    if (has_write) {
      if (!is_done) {
        TRY_ASSIGN(row, row_of_writes(key));
      }
      TRY(skip_key(key));
    }
    return Step{std::move(row)};
  }

 private:
  static engine::Result<Key> key_of(ByteView encoded) {
    auto user_key = codec::decode_bytes(encoded);
    if (!user_key) return Err(record::corruption("encoded key", encoded));
    return Key{std::move(*user_key), Bytes(encoded)};
  }

  // Walks from the oldest version up as long as the timestamp sees them; many versions are sought instead. All that is
  // asked of one key is asked of one iterator: between the making of two the engine may collect what nobody reads.
  engine::Result<std::optional<Row>> row_of_writes(const Key& key) {
    if (options_.isolation == IsolationLevel::kRcCheckTs) return row_if_newest(key);
    std::optional<Version> newest_change;
    for (int step = 0; step < kNearSeekSteps; ++step) {
      TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
      if (!at || *at > options_.read_ts) return row_of_version(key, newest_change);
      TRY_ASSIGN(auto version, version_at(writes_.here(), *at));
      if (version.write.is_fenced_off(options_.read_ts)) {
        newest_change.reset();
      } else if (version.write.changes_value()) {
        newest_change = std::move(version);
      }
      writes_.prev();
    }
    writes_.seek(codec::append_ts(key.encoded, options_.read_ts));
    TRY_ASSIGN(auto version, find_change(writes_, key.encoded, options_.read_ts));
    has_sought_ = true;
    return row_of_version(key, version);
  }

  // Under RcCheckTs: the newest record of all decides whether there is a row.
  engine::Result<std::optional<Row>> row_if_newest(const Key& key) {
    has_sought_ = true;
    writes_.seek(codec::append_ts(key.encoded, Timestamp::max()));
    TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
    if (!at) return Err(record::corruption("versions that a seek does not find", key.encoded));
    TRY_ASSIGN(auto newest, version_at(writes_.here(), *at));
    if (auto row = newer_version_error(key, newest)) return row;
    TRY_ASSIGN(auto version, find_change(writes_, key.encoded, options_.read_ts));
    return row_of_version(key, version);
  }

  // Moves the write iterator before the key's versions.
  engine::Result<void> skip_key(const Key& key) {
    const int steps = std::exchange(has_sought_, false) ? 0 : kNearSeekSteps;
    for (int step = 0; step < steps; ++step) {
      TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
      if (!at) return {};
      writes_.prev();
    }
    writes_.seek(codec::append_ts(key.encoded, Timestamp::max()));
    TRY(writes_.status());
    if (!writes_.valid()) return Err(record::corruption("versions that a seek does not find", key.encoded));
    writes_.prev();
    return {};
  }

  bool has_sought_ = false;  // the write iterator is somewhere on the key or behind, not before
};

}  // namespace

std::unique_ptr<Scanner> backward_scanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                          ScanBounds bounds) {
  return std::make_unique<BackwardScanner>(snapshot, options, std::move(bounds));
}

}  // namespace cairn::mvcc
