#include "pd/cluster/stores.h"

#include <strings.h>

#include <algorithm>

#include "base/check.h"

namespace cairn::pd {
namespace {

pdpb::Error error(pdpb::ErrorType type, std::string message) {
  pdpb::Error out;
  out.set_type(type);
  out.set_message(std::move(message));
  return out;
}

pdpb::Error tombstone(uint64_t id) {
  return error(pdpb::STORE_TOMBSTONE, fmt::format("store {} has been removed", id));
}

// Whether the store still owns its address.
bool holds_address(const metapb::Store& store) { return !is_gone(store) && !store.physically_destroyed(); }

// The labels of `wanted` laid over those of `known`, by key, whose case does not count; an empty value takes one away.
void merge_labels(const metapb::Store& known, metapb::Store& wanted) {
  auto merged = known.labels();
  for (const auto& label : wanted.labels()) {
    auto found = std::find_if(merged.begin(), merged.end(),
                              [&](const auto& old) { return strcasecmp(old.key().c_str(), label.key().c_str()) == 0; });
    if (found == merged.end()) {
      *merged.Add() = label;
    } else {
      found->set_value(label.value());
    }
  }
  merged.erase(std::remove_if(merged.begin(), merged.end(), [](const auto& label) { return label.value().empty(); }),
               merged.end());
  wanted.mutable_labels()->Swap(&merged);
}

// Why labels are not those that say where stores are; empty if they are.
std::string refuse_labels(const metapb::Store& store, const std::vector<std::string>& locations) {
  const auto is_same = [](const std::string& a, const std::string& b) { return strcasecmp(a.c_str(), b.c_str()) == 0; };
  for (const auto& key : locations) {
    const bool has = std::any_of(store.labels().begin(), store.labels().end(), [&](const auto& label) {
      return is_same(label.key(), key) && !label.value().empty();
    });
    if (!has) return fmt::format("label configuration is incorrect, need to specify the key: {} ", key);
  }
  for (const auto& label : store.labels()) {
    const bool is_known =
        label.key() == "engine" || std::find(locations.begin(), locations.end(), label.key()) != locations.end();
    if (!is_known)
      return fmt::format("key matching the label was not found in the PD, store label key: {} ", label.key());
  }
  return {};
}

}  // namespace

bool is_gone(const metapb::Store& store) {
  return store.state() == metapb::Tombstone || store.node_state() == metapb::Removed;
}

bool is_columnar(const metapb::Store& store) {
  return std::any_of(store.labels().begin(), store.labels().end(), [](const metapb::StoreLabel& label) {
    return label.key() == "engine" && (label.value() == "tiflash" || label.value() == "tiflash_compute");
  });
}

void Stores::set(metapb::Store meta, Instant now) {
  auto [it, is_new] = stores_.try_emplace(StoreId(meta.id()));
  if (is_new) it->second.last_heartbeat = now;
  it->second.saved_heartbeat_ns = meta.last_heartbeat();
  it->second.meta = std::move(meta);
}

void Stores::load(metapb::Store meta, Instant now, WallTime wall) {
  const StoreId id(meta.id());
  const Duration silent(std::max<int64_t>(0, wall.since_epoch.count() - meta.last_heartbeat()));
  const bool was_heard = meta.last_heartbeat() != 0;
  set(std::move(meta), now);
  if (was_heard) stores_[id].last_heartbeat = now - silent;
}

void Stores::set_cluster_version(Version version) { cluster_version_ = std::move(version); }

Result<metapb::Store, pdpb::Error> Stores::put(const metapb::Store& wanted) const {
  if (wanted.id() == 0) return Err(error(pdpb::UNKNOWN, "invalid put store: store id is 0"));
  const auto* known = get(StoreId(wanted.id()));
  if (known != nullptr && known->is_tombstone()) return Err(tombstone(wanted.id()));
  const auto version = Version::parse(wanted.version());
  const bool older_series =
      version && std::pair(version->major, version->minor) < std::pair(cluster_version_.major, cluster_version_.minor);
  if (!version || older_series) {
    return Err(error(pdpb::UNKNOWN, fmt::format("version should compatible with version  {}, got {}",
                                                cluster_version_.to_string(), wanted.version())));
  }
  for (const auto& [id, other] : stores_) {
    if (id.value == wanted.id() || !holds_address(other.meta)) continue;
    // A peer address that is not told is none; the two kinds may not meet either.
    const auto is_taken = [&](const std::string& address) {
      return !address.empty() && (address == other.meta.address() || address == other.meta.peer_address());
    };
    if (is_taken(wanted.address()) || is_taken(wanted.peer_address())) {
      return Err(error(pdpb::UNKNOWN,
                       fmt::format("duplicated store address: id:{} address:\"{}\" , already registered by id:{} "
                                   "address:\"{}\" ",
                                   wanted.id(), wanted.address(), id, other.meta.address())));
    }
  }
  metapb::Store record = wanted;
  if (known != nullptr) merge_labels(known->meta, record);
  if (config_.strictly_match_label) {
    if (auto reason = refuse_labels(record, config_.location_labels); !reason.empty()) {
      return Err(error(pdpb::UNKNOWN, std::move(reason)));
    }
  }
  if (known == nullptr) {
    record.set_state(metapb::Up);
    record.set_node_state(stores_.empty() ? metapb::Serving : metapb::Preparing);
    record.clear_last_heartbeat();
    record.clear_physically_destroyed();
    return record;
  }
  // The store tells its addresses and version; its state and what PD learned stay.
  record.set_state(known->meta.state());
  record.set_node_state(known->meta.node_state());
  record.set_last_heartbeat(known->meta.last_heartbeat());
  record.set_physically_destroyed(known->meta.physically_destroyed());
  return record;
}

Version Stores::version_with(const metapb::Store& store) const {
  std::optional<Version> lowest;
  const auto see = [&](const metapb::Store& one) {
    const auto version = Version::parse(one.version());
    CHECK(version, "version \"{}\" was accepted", one.version());
    if (!is_gone(one) && (!lowest || *version < *lowest)) lowest = version;
  };
  see(store);
  for (const auto& [id, other] : stores_) {
    if (id.value != store.id()) see(other.meta);
  }
  return std::max(lowest.value_or(cluster_version_), cluster_version_);
}

Result<metapb::Store, std::string> Stores::remove(StoreId store, Loss loss) const {
  const auto* known = get(store);
  if (known == nullptr) return Err(fmt::format("store {} not found", store));
  const bool destroyed = loss == Loss::kPhysicallyDestroyed;
  if (known->is_tombstone()) return Err(fmt::format("store {} has been removed", store));
  if (known->meta.state() == metapb::Offline && known->meta.physically_destroyed() == destroyed) return known->meta;
  if (known->meta.physically_destroyed()) return Err(fmt::format("store {} has been physically destroyed", store));
  if (known->meta.state() == metapb::Up && !destroyed && !is_columnar(known->meta)) {
    const auto left = std::count_if(stores_.begin(), stores_.end(), [&](const auto& item) {
      return item.first != store && item.second.meta.state() == metapb::Up && !is_columnar(item.second.meta);
    });
    if (left < static_cast<std::ptrdiff_t>(config_.max_replicas)) {
      return Err(fmt::format("can not remove store {} since the number of up stores would be {} while need {}", store,
                             left, config_.max_replicas));
    }
  }
  metapb::Store record = known->meta;
  record.set_state(metapb::Offline);
  record.set_node_state(metapb::Removing);
  record.set_physically_destroyed(destroyed);
  return record;
}

Result<metapb::Store, std::string> Stores::cancel_removal(StoreId store) const {
  const auto* known = get(store);
  if (known == nullptr) return Err(fmt::format("store {} not found", store));
  if (known->is_tombstone()) return Err(fmt::format("store {} has been removed", store));
  if (known->meta.physically_destroyed()) return Err(fmt::format("store {} has been physically destroyed", store));
  metapb::Store record = known->meta;
  if (record.state() == metapb::Up) return record;
  record.set_state(metapb::Up);
  record.set_node_state(metapb::Serving);
  return record;
}

bool Stores::wants_heartbeat_saved(const StoreInfo& store) const {
  // PD saves one every 5 minutes, a sixth of the time after which a store counts as down.
  return store.meta.last_heartbeat() - store.saved_heartbeat_ns > config_.max_store_down_time.count() / 6;
}

Result<void, pdpb::Error> Stores::heartbeat(const pdpb::StoreStats& stats, Instant now, WallTime wall) {
  auto* store = find(StoreId(stats.store_id()));
  if (store == nullptr) return Err(no_such_store(stats.store_id()));
  if (store->is_tombstone()) return Err(tombstone(stats.store_id()));
  store->stats = stats;
  store->last_heartbeat = now;
  store->meta.set_last_heartbeat(wall.since_epoch.count());
  return {};
}

const StoreInfo* Stores::get(StoreId id) const {
  auto found = stores_.find(id);
  return found == stores_.end() ? nullptr : &found->second;
}
StoreInfo* Stores::find(StoreId id) {
  auto found = stores_.find(id);
  return found == stores_.end() ? nullptr : &found->second;
}

StoreHealth Stores::health(const StoreInfo& store, Instant now) const {
  if (store.is_tombstone()) return StoreHealth::kTombstone;
  if (store.meta.state() == metapb::Offline) return StoreHealth::kOffline;
  const auto silent = now - store.last_heartbeat;
  if (silent > config_.max_store_down_time) return StoreHealth::kDown;
  return silent > config_.store_disconnect_time ? StoreHealth::kDisconnected : StoreHealth::kUp;
}

const char* health_name(StoreHealth health) {
  switch (health) {
    case StoreHealth::kUp:
      return "Up";
    case StoreHealth::kDisconnected:
      return "Disconnected";
    case StoreHealth::kDown:
      return "Down";
    case StoreHealth::kOffline:
      return "Offline";
    case StoreHealth::kTombstone:
      return "Tombstone";
  }
  return "";
}

pdpb::Error Stores::no_such_store(uint64_t id) {
  return error(pdpb::UNKNOWN, fmt::format("invalid store ID {}, not found", id));
}

}  // namespace cairn::pd
