#include "sim/disk_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc.h"
#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/tombstone.h"
#include "replica/wire.h"

namespace cairn::sim {

using engine::memory::PersistentMap;

namespace {

PeerSight sight_of(int life, const store::RegionStatus& status) {
  return {.life = life,
          .conf_ver = status.region.epoch.conf_ver,
          .term = status.term,
          .is_leader = status.is_leader,
          .committed = status.committed};
}

}  // namespace

bool is_own_commit(const PeerSight& before, const PeerSight& now, std::optional<Term> entry_term) {
  if (!now.is_leader || before.life != now.life || before.conf_ver != now.conf_ver) return false;
  if (now.committed <= before.committed) return false;
  const bool has_led = before.is_leader && before.term == now.term;
  return has_led || entry_term == now.term;
}

std::optional<Term> DiskWatch::Durable::term(LogIndex index) const {
  const auto found = std::ranges::lower_bound(entries, index, {}, &LogEntry::index);
  return found != entries.end() && found->index == index ? std::optional(found->term) : std::nullopt;
}

// What has not changed since it was read last is not read again.
void DiskWatch::read(StoreHost& host, Disk& disk) {
  auto& state = host.disk().state();
  const MutexLock lock(state.mutex);
  const PersistentMap& records = state.kv->durable.of(engine::Cf::kRaft);
  const bool has_new_records = !records.is_copy_of(disk.records);
  const PersistentMap old_records = std::exchange(disk.records, records);
  const auto& logs = state.log->durable.regions;
  std::erase_if(disk.regions, [&](const auto& known) {
    return !logs.contains(known.first) && records.find(replica::region_state_key(known.first)) == nullptr;
  });
  if (has_new_records) {
    for (auto& [region, durable] : disk.regions) durable.record.reset();
    PersistentMap::Cursor at(records);
    for (at.seek(replica::region_state_begin()); at.valid() && at.entry().key < replica::region_state_end();
         at.next()) {
      const auto region = replica::region_of_state_key(at.entry().key);
      if (region) disk.regions[*region].record = replica::decode_region_state(at.entry().value);
    }
  }
  for (const auto& [region, log] : logs) {
    Durable& durable = disk.regions[region];
    const auto is_same = [&](const Bytes& key) { return records.find(key) == old_records.find(key); };
    const bool is_known = durable.changed_at == log.changed_at && is_same(replica::region_state_key(region)) &&
                          is_same(replica::apply_state_key(region));
    if (!is_known) read_log(host, region, log, durable);
  }
  for (auto& [region, durable] : disk.regions) {
    if (!logs.contains(region)) durable = {.record = std::move(durable.record)};
  }
}

void DiskWatch::read_log(const StoreHost& host, RegionId region, const engine::memory::RegionLog& log,
                         Durable& durable) {
  const auto known = std::move(durable.entries);
  durable = {.record = std::move(durable.record), .changed_at = log.changed_at};
  if (!log.state) return;
  const auto raft_state = replica::decode_raft_state(*log.state);
  CHECK(raft_state, "the state of region {} at {} does not parse", region, host.name());
  durable.last = raft_state->last_index;
  durable.is_installing = log.meta.contains(replica::kPendingSnapshotSlot) ||
                          (durable.record && durable.record->state() == raft_serverpb::PeerState::Applying);
  const bool is_there = durable.record && durable.record->state() == raft_serverpb::PeerState::Normal;
  if (const auto* bytes = disks_[host.name()].records.find(replica::apply_state_key(region)); bytes && is_there) {
    const auto apply = replica::decode_apply_state(bytes->value);
    CHECK(apply, "the apply state of region {} at {} does not parse", region, host.name());
    durable.applied = apply->applied;
    durable.truncated = apply->truncated;
  }
  const LogIndex from = std::max(durable.truncated, replica::kInitialIndex).next();
  if (durable.last < from) return;
  // A part before the flushed index may be cut already; behind it all must be there.
  const LogIndex needed = std::max(durable.applied.next(), from);
  read_entries(host, region, log, from, known, durable);
  const bool reaches = !durable.entries.empty() && durable.entries.back().index >= needed;
  if (!reaches && needed <= durable.last) read_entries(host, region, log, needed, known, durable);
  const LogIndex end = durable.entries.empty() ? LogIndex() : durable.entries.back().index;
  if (needed <= durable.last && end != durable.last && durable.applied.is_set() && !durable.is_installing) {
    fail_(
        fmt::format("INV-LOG-NOT-AHEAD: at {} the engine has flushed region {} up to {}, and of the entries {} to "
                    "{} the log holds those up to {}",
                    host.name(), region, durable.applied, needed, durable.last, end));
  }
}

void DiskWatch::read_entries(const StoreHost& host, RegionId region, const engine::memory::RegionLog& log,
                             LogIndex begin, const std::vector<LogEntry>& known, Durable& durable) {
  auto old = std::ranges::lower_bound(known, begin, {}, &LogEntry::index);
  auto at = log.entries.lower_bound(begin.value);
  std::optional<Term> before;
  for (LogIndex index = begin; index <= durable.last; index = index.next(), ++at) {
    if (at == log.entries.end() || at->first != index.value) return;
    while (old != known.end() && old->index < index) ++old;
    const bool is_known = old != known.end() && old->index == index && old->text == at->second;
    LogEntry entry;
    if (is_known) {
      entry = *old;
    } else {
      const auto decoded = replica::decode_entry(*at->second);
      entry = {.index = index, .text = at->second, .term = decoded.term, .checksum = crc64(*at->second)};
    }
    entry.before = before;
    if (!is_known || old->before != before) check_entry(host, region, entry);
    before = entry.term;
    durable.entries.push_back(std::move(entry));
  }
}

void DiskWatch::check_entry(const StoreHost& host, RegionId region, const LogEntry& entry) {
  auto [it, is_new] = entries_.try_emplace({region, entry.index, entry.term}, Entry{entry.checksum, entry.before});
  if (is_new) return;
  Entry& known = it->second;
  if (known.checksum != entry.checksum) {
    fail_(fmt::format("INV-LOG-MATCH: region {} has two entries {} of term {}, one of them at {}", region, entry.index,
                      entry.term, host.name()));
  }
  if (entry.before && known.before && *entry.before != *known.before) {
    fail_(
        fmt::format("INV-LOG-MATCH: before entry {} of term {} region {} has an entry of term {} at {}, elsewhere of "
                    "term {}",
                    entry.index, entry.term, region, *entry.before, host.name(), *known.before));
  }
  if (entry.before) known.before = entry.before;
}

std::string DiskWatch::describe(const Durable& durable, LogIndex index) {
  const auto term = durable.term(index);
  const auto entry = term ? fmt::format("of term {}", *term) : "missing";
  const auto record = durable.record ? fmt::format("state {}, conf_ver {}", static_cast<int>(durable.record->state()),
                                                   durable.record->region().region_epoch().conf_ver())
                                     : "no record";
  return fmt::format("entry {} {}, applied {}, truncated {}, last {}, {}{}", index, entry, durable.applied,
                     durable.truncated, durable.last, record, durable.is_installing ? ", installing" : "");
}

// A status is of the shard's last tick, the disks are of now. A voter that a later change removed leaves its store as
// soon as it has applied that, and its log goes with it: the others then hold what the later membership asks for.
bool DiskWatch::is_past(const engine::RegionDescription& seen, const engine::PeerDescription& peer,
                        const Durable& durable) {
  if (!durable.record) return false;
  metapb::RegionEpoch epoch;
  epoch.set_conf_ver(seen.epoch.conf_ver);
  epoch.set_version(seen.epoch.version);
  return durable.record->region().region_epoch().conf_ver() > epoch.conf_ver() ||
         replica::is_of_the_dead(*durable.record, epoch, peer.store, peer.id);
}

void DiskWatch::check_quorum(const std::map<StoreId, const DurableRegions*>& disks, const store::RegionStatus& leader) {
  const RegionId region = leader.region.id;
  const LogIndex committed = leader.committed;
  size_t voters = 0;
  size_t past = 0;                 // their engines are past it
  std::map<Term, size_t> by_term;  // their logs hold it
  for (const auto& peer : leader.region.peers) {
    if (peer.role == engine::PeerDescription::Role::kLearner) continue;
    if (peer.role != engine::PeerDescription::Role::kVoter) return;
    ++voters;
    const auto disk = disks.find(peer.store);
    if (disk == disks.end()) return;
    const auto found = disk->second->find(region);
    if (found == disk->second->end()) continue;
    const Durable& durable = found->second;
    if (is_past(leader.region, peer, durable)) return;
    if (durable.applied >= committed || durable.is_installing) {
      ++past;
    } else if (const auto term = durable.term(committed)) {
      ++by_term[*term];
    }
  }
  size_t most = 0;
  for (const auto& [term, count] : by_term) most = std::max(most, count);
  if (past + most > voters / 2) return;
  std::string shown;
  for (const auto& peer : leader.region.peers) {
    if (peer.role != engine::PeerDescription::Role::kVoter) continue;
    shown += fmt::format("; peer {} at store {}: ", peer.id, peer.store);
    const auto& disk = *disks.at(peer.store);
    const auto found = disk.find(region);
    shown += found != disk.end() ? describe(found->second, committed) : "nothing";
  }
  fail_(fmt::format(
      "INV-QUORUM-FSYNC: region {} (conf_ver {}) is committed up to {} in term {}, and only {} of {} disks hold that{}",
      region, leader.region.epoch.conf_ver, committed, leader.term, past + most, voters, shown));
}

void DiskWatch::check_commit(const std::map<StoreId, const DurableRegions*>& disks, const PeerSight& before,
                             const PeerSight& now, const store::RegionStatus& leader) {
  std::optional<Term> entry_term;
  for (const auto& [store, regions] : disks) {
    const auto found = regions->find(leader.region.id);
    if (found != regions->end()) entry_term = std::max(entry_term, found->second.term(now.committed));
  }
  if (now.committed > replica::kInitialIndex && is_own_commit(before, now, entry_term)) check_quorum(disks, leader);
}

void DiskWatch::look(const Sights& now) {
  std::map<StoreId, const DurableRegions*> disks;
  for (StoreHost* host : stores_) {
    if (host->store() != nullptr) ids_[host->name()] = host->store()->id();
    Disk& disk = disks_[host->name()];
    read(*host, disk);
    const auto id = ids_.find(host->name());
    if (id != ids_.end()) disks[id->second] = &disk.regions;
  }
  std::map<std::pair<RegionId, std::string>, PeerSight> sights;
  std::map<RegionId, std::pair<StoreHost*, const store::RegionStatus*>> leaders;  // of the newest terms
  for (const auto& [host, regions] : now) {
    for (const auto& status : regions) {
      sights[{status.region.id, host->name()}] = sight_of(host->lives(), status);
      if (!status.is_leader) continue;
      auto& leader = leaders[status.region.id];
      if (leader.second == nullptr || leader.second->term < status.term) leader = {host, &status};
    }
  }
  for (const auto& [region, leader] : leaders) {
    const auto before = sights_.find({region, leader.first->name()});
    if (before != sights_.end()) check_commit(disks, before->second, sights.at(before->first), *leader.second);
  }
  sights_ = std::move(sights);
}

}  // namespace cairn::sim
