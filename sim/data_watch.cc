#include "sim/data_watch.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "mvcc/lock.h"
#include "mvcc/write.h"
#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/wire.h"

namespace cairn::sim {

using engine::Cf;
using engine::memory::Entry;
using engine::memory::KvImage;
using engine::memory::PersistentMap;

std::pair<KvImage, std::set<RegionId>> DataWatch::read(StoreHost& host) {
  auto& disk = host.disk().state();
  MutexLock lock(disk.mutex);
  std::set<RegionId> installing;
  for (const auto& [region, log] : disk.log->durable.regions) {
    if (log.meta.contains(replica::kPendingSnapshotSlot)) installing.insert(region);
  }
  return {disk.kv->current, std::move(installing)};
}

std::optional<DataWatch::Region> DataWatch::decode_region(const Entry& record) {
  const auto id = replica::region_of_state_key(record.key);
  const auto local = id ? replica::decode_region_state(record.value) : std::nullopt;
  if (!local || local->state() != raft_serverpb::PeerState::Normal) return std::nullopt;
  return Region{*id, local->region().start_key(), local->region().end_key(), replica::apply_state_key(*id)};
}

std::set<RegionId> DataWatch::follow(Compared& compared, const PersistentMap& records) {
  std::set<RegionId> changed;
  std::set<Bytes> others;  // records that are of no region, or of its apply state
  records.changes_since(compared.records, [&](const Entry* before, const Entry* after) {
    const Bytes& key = after != nullptr ? after->key : before->key;
    const auto id = replica::region_of_state_key(key);
    if (!id) {
      others.insert(key);
      return;
    }
    compared.regions.erase(*id);
    const auto region = after != nullptr ? decode_region(*after) : std::nullopt;
    if (!region) return;
    compared.regions[*id] = *region;
    changed.insert(*id);
  });
  for (const auto& [id, region] : compared.regions) {
    if (others.contains(region.apply_key)) changed.insert(id);
  }
  compared.records = records;
  return changed;
}

void DataWatch::compare() {
  if (!compares_) return;
  for (StoreHost* host : stores_) {
    if (host->data() == nullptr) continue;
    const auto [data, installing] = read(*host);
    Compared& compared = compared_[host->name()];
    for (const RegionId id : follow(compared, data.of(Cf::kRaft))) {
      if (!installing.contains(id)) compare(*host, data, compared.regions.at(id));
    }
  }
}

void DataWatch::compare(const StoreHost& host, const KvImage& data, const Region& region) {
  const Entry* bytes = data.of(Cf::kRaft).find(region.apply_key);
  const auto apply = bytes != nullptr ? replica::decode_apply_state(bytes->value) : std::nullopt;
  if (!apply) return;
  uint64_t digest = 0;
  for (const Cf cf : engine::kDataCfs) {
    digest = digest * 0x9E3779B97F4A7C15ULL +
             data.of(cf).digest_between(replica::data_key(region.start), replica::data_end_key(region.end));
  }
  const auto [it, is_new] = seen_.try_emplace({region.id, apply->applied}, Seen{digest, host.name()});
  if (is_new || it->second.digest == digest) return;
  fail_(fmt::format("INV-APPLY-ORDER: region {} at index {} holds other data at {} than at {}", region.id,
                    apply->applied, host.name(), it->second.host));
}

void DataWatch::take_in(Looked& looked, const KvImage& data) {
  // The traces of the writer that the change is one of.
  const auto touch = [&looked](ByteView key, Timestamp start_ts, auto change) {
    Writer writer{Bytes(key), start_ts};
    Traces& traces = looked.writers[writer];
    change(traces);
    if (traces.is_empty()) looked.writers.erase(writer);
    looked.unchecked.insert(std::move(writer));
  };
  // Calls `visit(key, value, by)` for each pair of users' data that came (`by` is 1) or went (-1).
  const auto each_change = [&](Cf cf, auto visit) {
    data.of(cf).changes_since(looked.data.of(cf), [&](const Entry* before, const Entry* after) {
      if (before != nullptr) visit(ByteView(before->key).substr(1), ByteView(before->value), -1);
      if (after != nullptr) visit(ByteView(after->key).substr(1), ByteView(after->value), 1);
    });
  };
  each_change(Cf::kWrite, [&](ByteView key, ByteView value, int by) {
    const auto parts = codec::split_ts(key);
    const auto write = mvcc::Write::decode(value);
    CHECK(parts && write.ok(), "not a write record: {} {}", to_hex(key), to_hex(value));
    if (write->kind == mvcc::WriteKind::kRollback) return;
    const bool is_long = write->kind == mvcc::WriteKind::kPut && !write->short_value;
    touch(parts->encoded_key, write->start_ts, [&](Traces& traces) {
      traces.commits += by;
      traces.long_commits += is_long ? by : 0;
    });
  });
  each_change(Cf::kLock, [&](ByteView key, ByteView value, int by) {
    const auto lock = mvcc::Lock::decode(value);
    CHECK(lock.ok(), "not a lock record: {} {}", to_hex(key), to_hex(value));
    if (lock->is_pessimistic()) return;
    const bool is_long = lock->kind == mvcc::LockKind::kPut && !lock->short_value;
    touch(key, lock->start_ts, [&](Traces& traces) {
      traces.locks += by;
      traces.long_locks += is_long ? by : 0;
    });
  });
  each_change(Cf::kDefault, [&](ByteView key, ByteView, int by) {
    const auto parts = codec::split_ts(key);
    // Raw keys lie here too: in API V1 not encoded, in V2 under a mode of their own.
    const auto user_key = parts ? codec::decode_bytes(parts->encoded_key) : std::nullopt;
    if (!user_key || user_key->starts_with('r')) return;
    touch(parts->encoded_key, parts->ts, [&](Traces& traces) { traces.values += by; });
  });
  looked.data = data;
}

void DataWatch::check_writers(const StoreHost& host, Looked& looked, const Region& region) {
  auto it = looked.unchecked.lower_bound({region.start, Timestamp()});
  while (it != looked.unchecked.end() && (region.end.empty() || it->key < region.end)) {
    check(host, *it, looked);
    it = looked.unchecked.erase(it);
  }
}

void DataWatch::check(const StoreHost& host, const Writer& writer, const Looked& looked) {
  const auto found = looked.writers.find(writer);
  const Traces traces = found != looked.writers.end() ? found->second : Traces{};
  if (traces.commits > 1) {
    fail_(fmt::format("INV-LOCK-OR-WRITE: transaction {} has committed {} twice at {}", writer.start_ts,
                      to_hex(writer.key), host.name()));
  }
  if (traces.commits > 0 && traces.locks > 0) {
    const Entry* bytes = looked.data.of(Cf::kLock).find(replica::data_key(writer.key));
    const auto lock = mvcc::Lock::decode(bytes->value);
    fail_(fmt::format(
        "INV-LOCK-OR-WRITE: transaction {} has both locked and committed {} at {}; the lock is of kind {}, "
        "for_update_ts {}, min_commit_ts {}{}{}",
        writer.start_ts, to_hex(writer.key), host.name(), bytes->value.front(), lock->for_update_ts,
        lock->min_commit_ts, lock->use_async_commit ? ", async commit" : "", lock->is_one_pc ? ", 1PC" : ""));
  }
  const bool has_long_value = traces.long_commits > 0 || traces.long_locks > 0;
  if (has_long_value && traces.values == 0) {
    fail_(fmt::format("INV-GC-TOGETHER: transaction {} has written {} at {}, and its value is not there",
                      writer.start_ts, to_hex(writer.key), host.name()));
  }
  if (!has_long_value && traces.values > 0) {
    fail_(fmt::format("INV-GC-TOGETHER: a value of {} by transaction {} is left at {}, and its record is not there",
                      to_hex(writer.key), writer.start_ts, host.name()));
  }
}

void DataWatch::look() {
  for (StoreHost* host : stores_) {
    if (host->data() == nullptr) continue;
    const auto [data, installing] = read(*host);
    Looked& looked = looked_[host->name()];
    take_in(looked, data);
    const PersistentMap& records = data.of(Cf::kRaft);
    PersistentMap::Cursor at(records);
    for (at.seek(replica::region_state_begin()); at.valid() && at.entry().key < replica::region_state_end();
         at.next()) {
      const auto region = decode_region(at.entry());
      if (region && !installing.contains(region->id)) check_writers(*host, looked, *region);
    }
  }
}

}  // namespace cairn::sim
