#include "sim/data_watch.h"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "base/check.h"
#include "base/codec.h"
#include "base/crc.h"
#include "mvcc/lock.h"
#include "mvcc/write.h"
#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/wire.h"

namespace cairn::sim {

namespace {

// Calls `visit(key, value)` for each pair of the region, with the key as the engine has it, behind the prefix of data.
template <class Visit>
void each_pair(const engine::Snapshot& snapshot, engine::Cf cf, ByteView start, ByteView end, Visit visit) {
  const auto it = snapshot.iterator(cf, {.lower = replica::data_key(start), .upper = replica::data_end_key(end)});
  for (it->seek_to_first(); it->valid(); it->next()) visit(it->key().substr(1), it->value());
}

}  // namespace

std::vector<DataWatch::Region> DataWatch::regions_of(const engine::Snapshot& snapshot) const {
  std::vector<Region> out;
  const auto it = snapshot.iterator(
      engine::Cf::kRaft, {.lower = Bytes(replica::region_state_begin()), .upper = Bytes(replica::region_state_end())});
  for (it->seek_to_first(); it->valid(); it->next()) {
    const auto id = replica::region_of_state_key(it->key());
    if (!id) continue;
    const auto local = replica::decode_region_state(it->value());
    if (!local || local->state() != raft_serverpb::PeerState::Normal) continue;
    const auto bytes = snapshot.get(engine::Cf::kRaft, replica::apply_state_key(*id)).value();
    const auto apply = bytes ? replica::decode_apply_state(*bytes) : std::nullopt;
    if (!apply) continue;
    out.push_back({*id, apply->applied, local->region().start_key(), local->region().end_key()});
  }
  return out;
}

void DataWatch::compare(const StoreHost& host, const engine::Snapshot& snapshot, const Region& region) {
  uint64_t checksum = 0;
  for (const engine::Cf cf : engine::kDataCfs) {
    each_pair(snapshot, cf, region.start, region.end, [&](ByteView key, ByteView value) {
      checksum = crc64(value, crc64("=", crc64(key, crc64(engine::cf_name(cf), checksum))));
    });
  }
  const auto [it, is_new] = seen_.try_emplace({region.id, region.applied}, Seen{checksum, host.name()});
  if (is_new || it->second.checksum == checksum) return;
  fail_(fmt::format("INV-APPLY-ORDER: region {} at index {} holds other data at {} than at {}", region.id,
                    region.applied, host.name(), it->second.host));
}

void DataWatch::check_records(const StoreHost& host, const engine::Snapshot& snapshot, const Region& region) {
  struct Writer {
    Bytes key;  // encoded
    Timestamp start_ts;
    auto operator<=>(const Writer&) const = default;
  };
  std::set<Writer> committed, with_long_value;
  each_pair(snapshot, engine::Cf::kWrite, region.start, region.end, [&](ByteView key, ByteView value) {
    const auto parts = codec::split_ts(key);
    const auto write = mvcc::Write::decode(value);
    CHECK(parts && write.ok(), "not a write record: {} {}", to_hex(key), to_hex(value));
    if (write->kind == mvcc::WriteKind::kRollback) return;
    Writer writer{Bytes(parts->encoded_key), write->start_ts};
    if (write->kind == mvcc::WriteKind::kPut && !write->short_value) with_long_value.insert(writer);
    if (!committed.insert(std::move(writer)).second) {
      fail_(fmt::format("INV-LOCK-OR-WRITE: transaction {} has committed {} twice at {}", write->start_ts,
                        to_hex(parts->encoded_key), host.name()));
    }
  });
  each_pair(snapshot, engine::Cf::kLock, region.start, region.end, [&](ByteView key, ByteView value) {
    const auto lock = mvcc::Lock::decode(value);
    CHECK(lock.ok(), "not a lock record: {} {}", to_hex(key), to_hex(value));
    if (lock->is_pessimistic()) return;  // a stale one beside its own commit harms nobody
    Writer writer{Bytes(key), lock->start_ts};
    if (committed.contains(writer)) {
      fail_(fmt::format(
          "INV-LOCK-OR-WRITE: transaction {} has both locked and committed {} at {}; the lock is of kind {}, "
          "for_update_ts {}, min_commit_ts {}{}{}",
          lock->start_ts, to_hex(key), host.name(), static_cast<char>(value.front()), lock->for_update_ts,
          lock->min_commit_ts, lock->use_async_commit ? ", async commit" : "", lock->is_one_pc ? ", 1PC" : ""));
    }
    if (lock->kind == mvcc::LockKind::kPut && !lock->short_value) with_long_value.insert(std::move(writer));
  });
  std::set<Writer> values;
  each_pair(snapshot, engine::Cf::kDefault, region.start, region.end, [&](ByteView key, ByteView) {
    const auto parts = codec::split_ts(key);
    // Raw keys lie here too: in API V1 not encoded, in V2 under a mode of their own.
    const auto user_key = parts ? codec::decode_bytes(parts->encoded_key) : std::nullopt;
    if (!user_key || user_key->starts_with('r')) return;
    values.insert({Bytes(parts->encoded_key), parts->ts});
  });
  for (const auto& writer : with_long_value) {
    if (values.contains(writer)) continue;
    fail_(fmt::format("INV-GC-TOGETHER: transaction {} has written {} at {}, and its value is not there",
                      writer.start_ts, to_hex(writer.key), host.name()));
  }
  for (const auto& writer : values) {
    if (with_long_value.contains(writer)) continue;
    fail_(fmt::format("INV-GC-TOGETHER: a value of {} by transaction {} is left at {}, and its record is not there",
                      to_hex(writer.key), writer.start_ts, host.name()));
  }
}

void DataWatch::look() {
  for (StoreHost* host : stores_) {
    if (host->data() == nullptr) continue;
    const auto snapshot = host->data()->snapshot();
    const auto log = engine::open_memory_raft_log(host->disk().after_power_cut());
    for (const Region& region : regions_of(*snapshot)) {
      // While a snapshot is being installed the data is neither the old nor the new.
      if (log->meta(region.id, replica::kPendingSnapshotSlot).value().has_value()) continue;
      if (compares_) compare(*host, *snapshot, region);
      check_records(*host, *snapshot, region);
    }
  }
}

}  // namespace cairn::sim
