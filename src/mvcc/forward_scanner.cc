#include "mvcc/record.h"
#include "mvcc/scanner_base.h"

namespace cairn::mvcc {
namespace {

class ForwardScanner final : public ScannerBase {
 public:
  ForwardScanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ScanBounds bounds)
      : ScannerBase(snapshot, options, std::move(bounds)) {
    if (locks_) locks_->seek_to_first();
    writes_.seek_to_first();
  }

  // Invariant between calls: both iterators stand on the first record of keys not yet answered.
  engine::Result<Step> step() override {
    TRY_ASSIGN(ByteView lock_at, lock_key());
    TRY_ASSIGN(ByteView write_at, write_key());
    if (lock_at.empty() && write_at.empty()) return Step{.is_at_end = true};
    const bool has_lock = !lock_at.empty() && (write_at.empty() || lock_at <= write_at);
    const bool has_write = !write_at.empty() && (lock_at.empty() || write_at <= lock_at);
    TRY_ASSIGN(const Key key, key_of(has_lock ? lock_at : write_at));

    std::optional<Row> row;
    bool is_done = false;
    if (has_lock) {
      TRY_ASSIGN(row, row_of_lock(key, is_done));
      locks_->next();
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

  engine::Result<std::optional<Row>> row_of_writes(const Key& key) {
    if (options_.isolation == IsolationLevel::kRcCheckTs) {
      TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
      TRY_ASSIGN(auto newest, version_at(writes_.here(), *at));
      if (auto row = newer_version_error(key, newest)) return row;
    }
    TRY_ASSIGN(auto at, move_to_version(writes_, key.encoded, options_.read_ts));
    if (!at) return std::optional<Row>();
    TRY_ASSIGN(auto version, find_change(writes_, key.encoded, options_.read_ts));
    return row_of_version(key, version);
  }

  // Moves the write iterator behind the key's versions.
  engine::Result<void> skip_key(const Key& key) {
    for (int step = 0; step < kNearSeekSteps; ++step) {
      TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
      if (!at) return {};
      writes_.next();
    }
    writes_.seek(codec::append_ts(key.encoded, Timestamp(0)));
    TRY_ASSIGN(auto at, timestamp_at(writes_.here(), key.encoded));
    if (at) writes_.next();
    return {};
  }
};

}  // namespace

std::unique_ptr<Scanner> forward_scanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                         ScanBounds bounds) {
  return std::make_unique<ForwardScanner>(snapshot, options, std::move(bounds));
}

}  // namespace cairn::mvcc
