#include "sim/disk_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/crc.h"
#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/tombstone.h"
#include "replica/wire.h"

namespace cairn::sim {

DiskWatch::DurableRegions DiskWatch::read(StoreHost& host) {
  const auto disk = host.disk().after_power_cut();
  const auto log = engine::open_memory_raft_log(disk);
  const auto kv = engine::open_memory_kv(disk);
  DurableRegions out;
  engine::IterOptions range;
  range.lower = Bytes(replica::region_state_begin());
  range.upper = Bytes(replica::region_state_end());
  const auto snapshot = kv->snapshot();
  const auto records = snapshot->iterator(engine::Cf::kRaft, range);
  for (records->seek_to_first(); records->valid(); records->next()) {
    const auto region = replica::region_of_state_key(records->key());
    if (region) out[*region].record = replica::decode_region_state(records->value());
  }
  const auto regions = log->regions().value();
  for (const RegionId region : regions) {
    const auto raft_state = replica::decode_raft_state(log->state(region).value().value_or(Bytes()));
    CHECK(raft_state, "the state of region {} at {} does not parse", region, host.name());
    Durable& durable = out[region];
    durable.last = raft_state->last_index;
    durable.is_installing = log->meta(region, replica::kPendingSnapshotSlot).value().has_value();
    const auto& record = durable.record;
    if (record && record->state() == raft_serverpb::PeerState::Applying) durable.is_installing = true;
    const bool is_there = record && record->state() == raft_serverpb::PeerState::Normal;
    if (const auto bytes = kv->get(engine::Cf::kRaft, replica::apply_state_key(region)).value(); bytes && is_there) {
      const auto apply = replica::decode_apply_state(*bytes);
      CHECK(apply, "the apply state of region {} at {} does not parse", region, host.name());
      durable.applied = apply->applied;
      durable.truncated = apply->truncated;
    }
    const LogIndex from = std::max(durable.truncated, replica::kInitialIndex).next();
    if (durable.last < from) continue;
    // A part before the flushed index may be cut already; behind it all must be there.
    const LogIndex needed = std::max(durable.applied.next(), from);
    for (LogIndex begin : {from, needed}) {
      std::vector<Bytes> entries;
      static_cast<void>(log->entries(region, begin, durable.last.next(), SIZE_MAX, entries).value());
      std::optional<Term> before;
      for (size_t i = 0; i < entries.size(); ++i) {
        const auto entry = replica::decode_entry(entries[i]);
        durable.terms[entry.index] = entry.term;
        check_entry(host, region, entry.index, entry.term, crc64(entries[i]), before);
        before = entry.term;
      }
      const bool is_whole = entries.size() == durable.last.value - begin.value + 1;
      if (begin == needed && !is_whole && durable.last >= needed && durable.applied.is_set() &&
          !durable.is_installing) {
        fail_(
            fmt::format("INV-LOG-NOT-AHEAD: at {} the engine has flushed region {} up to {}, and of the entries {} to "
                        "{} the log holds {}",
                        host.name(), region, durable.applied, needed, durable.last, entries.size()));
      }
    }
  }
  return out;
}

void DiskWatch::check_entry(const StoreHost& host, RegionId region, LogIndex index, Term term, uint64_t checksum,
                            std::optional<Term> before) {
  auto [it, is_new] = entries_.try_emplace({region, index, term}, Entry{checksum, before});
  if (is_new) return;
  Entry& known = it->second;
  if (known.checksum != checksum) {
    fail_(fmt::format("INV-LOG-MATCH: region {} has two entries {} of term {}, one of them at {}", region, index, term,
                      host.name()));
  }
  if (before && known.before && *before != *known.before) {
    fail_(
        fmt::format("INV-LOG-MATCH: before entry {} of term {} region {} has an entry of term {} at {}, elsewhere of "
                    "term {}",
                    index, term, region, *before, host.name(), *known.before));
  }
  if (before) known.before = before;
}

std::string DiskWatch::describe(const Durable& durable, LogIndex index) {
  const auto term = durable.terms.find(index);
  const auto entry = term != durable.terms.end() ? fmt::format("of term {}", term->second) : "missing";
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
  Checked& checked = checked_[region];
  // While the membership changes two of them may count: only what is committed under a settled one is looked at.
  const bool is_settled = checked.conf_ver == leader.region.epoch.conf_ver && leader.applied == committed;
  const bool is_news = committed > checked.committed;
  if (leader.applied == committed) checked.conf_ver = leader.region.epoch.conf_ver;
  checked.committed = std::max(checked.committed, committed);
  if (!is_settled || !is_news || committed <= replica::kInitialIndex) return;
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
    } else if (const auto term = durable.terms.find(committed); term != durable.terms.end()) {
      ++by_term[term->second];
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

void DiskWatch::look() {
  std::vector<DurableRegions> all;
  std::map<StoreId, const DurableRegions*> disks;
  all.reserve(stores_.size());
  for (StoreHost* host : stores_) {
    if (host->store() != nullptr) ids_[host->name()] = host->store()->id();
    all.push_back(read(*host));
    const auto id = ids_.find(host->name());
    if (id != ids_.end()) disks[id->second] = &all.back();
  }
  std::map<RegionId, store::RegionStatus> leaders;  // of the newest terms
  for (StoreHost* host : stores_) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      if (!status.is_leader) continue;
      auto [it, is_new] = leaders.try_emplace(status.region.id, status);
      if (!is_new && it->second.term < status.term) it->second = std::move(status);
    }
  }
  for (const auto& [region, leader] : leaders) check_quorum(disks, leader);
}

}  // namespace cairn::sim
