#include "sim/checkers.h"

#include <fmt/format.h>

#include <set>

#include "base/codec.h"
#include "mvcc/gc_rule.h"
#include "replica/keys.h"
#include "store/store.h"

namespace cairn::sim {

namespace {

// The regions of all stores by id: which store holds them, and what it says of them.
std::map<RegionId, std::vector<std::pair<StoreHost*, store::RegionStatus>>> gather(
    const std::vector<StoreHost*>& stores) {
  std::map<RegionId, std::vector<std::pair<StoreHost*, store::RegionStatus>>> out;
  for (StoreHost* host : stores) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      const RegionId id = status.region.id;
      out[id].emplace_back(host, std::move(status));
    }
  }
  return out;
}

bool is_same(const store::RegionStatus& a, const store::RegionStatus& b) {
  return a.applied == b.applied && a.leader == b.leader && a.term == b.term && a.region.epoch == b.region.epoch &&
         a.region.peers.size() == b.region.peers.size();
}

}  // namespace

void ClusterWatch::look() {
  // The time has come; then the next look is `interval` away.
  const auto is_due = [now = loop_.now()](Duration& next, Duration interval) {
    if (now < next) return false;
    next = now + interval;
    return true;
  };
  Sights sights;
  for (StoreHost* host : stores_) {
    if (host->store() == nullptr) continue;
    sights.push_back({host, host->store()->regions()});
    for (const auto& status : sights.back().regions) {
      if (!status.region.peers.empty()) regions_.insert(status.region.id);
    }
  }
  look_at_leases(sights);
  if (is_due(next_regions_, 20ms)) look_at_regions(sights);
  if (is_due(next_routes_, 100ms)) routes_->look();
  if (is_due(next_disks_, 250ms)) disks_.look(sights);
  data_.compare();
  if (is_due(next_data_, 300ms)) data_.look();
}

void ClusterWatch::look_at_leases(const Sights& sights) {
  struct Place {
    StoreHost* host;
    const store::RegionStatus* status;
    engine::RegionSnapshotPtr lease;  // null: none
    // The lease may be of a term and a range that the store does not show yet.
    Term term() const { return lease ? lease->term() : status->term; }
    ByteView start() const { return lease ? lease->start_key() : status->region.start_key; }
    ByteView end() const { return lease ? lease->end_key() : status->region.end_key; }
  };
  std::vector<Place> places;
  bool has_lease = false;
  for (const auto& [host, statuses] : sights) {
    for (const auto& status : statuses) {
      auto leased = host->store()->try_lease_snapshot({.region = status.region.id});
      auto lease = leased && leased->ok() ? std::move(**leased) : nullptr;
      if (!lease && !status.is_leader) continue;
      has_lease |= lease != nullptr;
      places.push_back({host, &status, std::move(lease)});
    }
  }
  if (!has_lease) return;
  for (const Place& holder : places) {
    if (!holder.lease) continue;
    for (const Place& other : places) {
      if (other.host == holder.host ||
          !replica::ranges_overlap(holder.start(), holder.end(), other.start(), other.end())) {
        continue;
      }
      const auto& held = holder.status->region;
      const auto& led = other.status->region;
      const bool is_newer = led.id == held.id ? other.term() > holder.term() : led.epoch.version > held.epoch.version;
      if (!is_newer && !other.lease) continue;
      fail_(
          fmt::format("INV-LEASE-BOUND: {} has a lease on region {} [{}, {}) of version {} in term {}, and {} leads "
                      "region {} [{}, {}) "
                      "of version {} in term {}{}",
                      holder.host->name(), held.id, to_hex(holder.start()), to_hex(holder.end()), held.epoch.version,
                      holder.term(), other.host->name(), led.id, to_hex(other.start()), to_hex(other.end()),
                      led.epoch.version, other.term(), other.lease ? " with a lease too" : ""));
    }
  }
}

void ClusterWatch::look_at_regions(const Sights& sights) {
  for (const auto& [host, statuses] : sights) {
    if (host->store()->stats().messages_refused > 0) {
      fail_(fmt::format("{} refuses a message as one that nobody can have sent", host->name()));
    }
    for (const auto& status : statuses) {
      const RegionId id = status.region.id;
      if (status.is_leader) {
        auto [it, is_new] = leaders_.try_emplace({id, status.term}, status.peer);
        if (!is_new && it->second != status.peer) {
          fail_(fmt::format("INV-LEADER-UNIQUE: region {} has leaders {} and {} in term {}", id, it->second,
                            status.peer, status.term));
        }
      }
      auto& epoch = epochs_[{id, host->node(), host->lives()}];
      const auto& now = status.region.epoch;
      // A region that is not initialised yet shows zeros.
      if (now.version != 0 && (now.version < epoch.version || now.conf_ver < epoch.conf_ver)) {
        fail_(fmt::format("INV-EPOCH-MONOTONIC: region {} at {} went from {}/{} to {}/{}", id, host->name(),
                          epoch.conf_ver, epoch.version, now.conf_ver, now.version));
      }
      if (now.version != 0) epoch = now;
    }
  }
}

bool ClusterWatch::is_settled(size_t replicas) const {
  const auto regions = gather(stores_);
  if (regions.empty()) return false;
  for (const auto& [id, copies] : regions) {
    const auto& first = copies.front().second;
    if (copies.size() != replicas || first.region.peers.size() != replicas || !first.leader.is_set()) return false;
    for (const auto& peer : first.region.peers) {
      if (peer.role != engine::PeerDescription::Role::kVoter) return false;
    }
    for (const auto& copy : copies) {
      if (!is_same(copy.second, first) || copy.second.applied != copy.second.committed) return false;
    }
  }
  return true;
}

bool ClusterWatch::is_complete(size_t replicas) const {
  for (const auto& [id, copies] : gather(stores_)) {
    if (copies.size() != replicas) return false;
    for (const auto& [host, status] : copies) {
      if (status.region.peers.size() != replicas) return false;
    }
  }
  return true;
}

std::string ClusterWatch::describe() const {
  std::string out;
  for (const auto& [id, copies] : gather(stores_)) {
    for (const auto& [host, status] : copies) {
      out += fmt::format(
          "  region {} at {}: peer {}, leader {}, term {}, applied {}, committed {}, last {}, epoch {}/{}, {} peers\n",
          id, host->name(), status.peer, status.leader, status.term, status.applied, status.committed, status.last,
          status.region.epoch.conf_ver, status.region.epoch.version, status.region.peers.size());
    }
  }
  return out;
}

void ClusterWatch::check_end(Timestamp safe_point) const {
  std::map<Bytes, const engine::RegionDescription*> by_start;
  const auto regions = gather(stores_);
  for (const auto& [id, copies] : regions) {
    const auto& description = copies.front().second.region;
    if (!by_start.emplace(description.start_key, &description).second) {
      fail_(fmt::format("INV-REGIONS-TILE: two regions begin at {}", to_hex(description.start_key)));
    }
    const std::string first = dump_region(*copies.front().first->data(), description, safe_point);
    for (const auto& copy : copies) {
      if (dump_region(*copy.first->data(), description, safe_point) == first) continue;
      fail_(fmt::format("region {} differs between {} and {}:\n{}\nagainst\n{}", id, copies.front().first->name(),
                        copy.first->name(), first, dump_region(*copy.first->data(), description, safe_point)));
    }
  }
  Bytes expected;
  for (const auto& [start, region] : by_start) {
    if (start != expected) {
      fail_(fmt::format("INV-REGIONS-TILE: region {} begins at {}, not at {}", region->id, to_hex(start),
                        to_hex(expected)));
    }
    expected = region->end_key;
  }
  if (!expected.empty()) fail_(fmt::format("INV-REGIONS-TILE: nothing covers the keys from {}", to_hex(expected)));
}

std::string dump_region(engine::KvEngine& data, const engine::RegionDescription& region, Timestamp safe_point) {
  std::string out;
  auto snapshot = data.snapshot();
  auto each = [&](engine::Cf cf, auto visit) {
    auto it = snapshot->iterator(
        cf, {.lower = replica::data_key(region.start_key), .upper = replica::data_end_key(region.end_key)});
    for (it->seek_to_first(); it->valid(); it->next()) {
      if (!visit(it->key(), it->value())) continue;
      out += fmt::format("{} {} = {}\n", engine::cf_name(cf), to_hex(it->key()), to_hex(it->value()));
    }
  };
  mvcc::GcRule rule(safe_point);
  Bytes row;
  std::set<Bytes> values;  // those whose record stays
  each(engine::Cf::kWrite, [&](ByteView key, ByteView value) {
    if (!safe_point.is_set()) return true;
    auto parts = codec::split_ts(key);
    auto write = mvcc::Write::decode(value);
    CHECK(parts && write.ok(), "not a write record: {} {}", to_hex(key), to_hex(value));
    if (parts->encoded_key != ByteView(row)) rule.begin_key();
    row = parts->encoded_key;
    if (rule.judge(parts->ts, *write) != mvcc::GcRule::Fate::kStays) return false;
    values.insert(codec::append_ts(parts->encoded_key, write->start_ts));
    return true;
  });
  each(engine::Cf::kLock, [](ByteView, ByteView) { return true; });
  each(engine::Cf::kDefault,
       [&](ByteView key, ByteView) { return !safe_point.is_set() || values.contains(Bytes(key)); });
  return out;
}

}  // namespace cairn::sim
