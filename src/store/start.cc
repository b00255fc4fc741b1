#include "store/start.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/redact.h"
#include "replica/apply.h"
#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/snapshot_files.h"
#include "replica/tombstone.h"
#include "store/api_version.h"
#include "store/range_data.h"

namespace cairn::store {
namespace {

using engine::Cf;

// What is on a disk is not what this store has written there. In which folder of the data directory it was found, and
// what the operator can do.
constexpr const char* kEngineFolder = "db";
constexpr const char* kLogFolder = "raft";
engine::Error damaged(const char* folder, const std::string& what) {
  return {
      engine::Error::Kind::kCorruption,
      fmt::format("the folder {} of the data directory: {}. It is damaged, or not of the same time as the rest: put "
                  "back the whole data directory from one copy; or take the store out of the cluster (delete it in "
                  "PD, so that its regions' other replicas make new ones) and start a new one in an empty directory",
                  folder, what)};
}
engine::Error damaged(const char* folder, RegionId region, const std::string& what) {
  return damaged(folder, fmt::format("region {}: {}", region, what));
}

StoreError engine_failed(const engine::Error& error) { return {StoreError::Kind::kEngine, error.message}; }
StoreError stopped() { return {StoreError::Kind::kStopped, "the store was stopped while it started"}; }

engine::Result<void> write_durably(engine::KvEngine& kv, engine::WriteBatch& batch) {
  TRY(kv.write(batch));
  return kv.flush();
}

engine::Result<bool> is_empty(Shared& shared) {
  auto snapshot = shared.deps.kv.snapshot();
  for (Cf cf : {Cf::kDefault, Cf::kLock, Cf::kWrite, Cf::kRaft}) {
    auto iterator = snapshot->iterator(cf, {});
    iterator->seek_to_first();
    TRY(iterator->status());
    if (iterator->valid()) return false;
  }
  TRY_ASSIGN(auto regions, shared.deps.raft_log.regions());
  return regions.empty();
}

engine::Result<void> write_ident(Shared& shared) {
  raft_serverpb::StoreIdent ident;
  ident.set_cluster_id(shared.cluster.value);
  ident.set_store_id(shared.store.value);
  ident.set_api_version(to_proto(shared.options.api_version));
  auto batch = shared.deps.kv.new_batch();
  batch->put(Cf::kDefault, replica::store_ident_key(), replica::serialize(ident));
  return write_durably(shared.deps.kv, *batch);
}

metapb::Region first_region(uint64_t region_id, uint64_t peer_id, StoreId store) {
  metapb::Region region;
  region.set_id(region_id);
  region.mutable_region_epoch()->set_conf_ver(1);
  region.mutable_region_epoch()->set_version(1);
  auto& peer = *region.add_peers();
  peer.set_id(peer_id);
  peer.set_store_id(store.value);
  return region;
}

// The prepare key goes in together with the region: whoever finds it knows that the region may not be the cluster's.
engine::Result<void> prepare(Shared& shared, const metapb::Region& region) {
  RegionId id(region.id());
  auto log = shared.deps.raft_log.new_batch();
  log->put_state(id, replica::encode(replica::begin_raft_state(std::nullopt)));
  TRY(shared.deps.raft_log.write(*log, engine::Sync::kYes));
  auto batch = shared.deps.kv.new_batch();
  replica::write_region_state(*batch, region, raft_serverpb::Normal);
  replica::write_apply_state(*batch, id, replica::kInitialApplyState);
  batch->put(Cf::kDefault, replica::prepare_bootstrap_key(), replica::serialize(region));
  return write_durably(shared.deps.kv, *batch);
}

engine::Result<void> finish_prepare(Shared& shared, const metapb::Region& region, bool keep) {
  RegionId id(region.id());
  auto batch = shared.deps.kv.new_batch();
  batch->del(Cf::kDefault, replica::prepare_bootstrap_key());
  if (!keep) {
    batch->del(Cf::kRaft, replica::region_state_key(id));
    batch->del(Cf::kRaft, replica::apply_state_key(id));
  }
  TRY(write_durably(shared.deps.kv, *batch));
  if (keep) return {};
  auto log = shared.deps.raft_log.new_batch();
  log->remove_region(id, replica::kInitialIndex, replica::kInitialIndex);
  return shared.deps.raft_log.write(*log, engine::Sync::kYes);
}

runtime::Task<Result<uint64_t, StoreError>> alloc_id(PdSession* pd) {
  auto reply = co_await pd->insist<pdpb::AllocIDRequest, pdpb::AllocIDResponse>({}, &api::Pd::alloc_id);
  if (!reply.ok() || reply->id() == 0) co_return Err(stopped());
  co_return reply->id();
}

bool is_same(const metapb::Region& a, const metapb::Region& b) {
  if (a.id() != b.id() || a.peers_size() != b.peers_size()) return false;
  for (int i = 0; i < a.peers_size(); ++i) {
    if (a.peers(i).id() != b.peers(i).id() || a.peers(i).store_id() != b.peers(i).store_id()) return false;
  }
  return true;
}

runtime::Task<Result<void, StoreError>> bootstrap(Shared* shared, std::shared_ptr<PdSession> pd) {
  auto& kv = shared->deps.kv;
  auto prepared = kv.get(Cf::kDefault, replica::prepare_bootstrap_key());
  if (!prepared.ok()) co_return Err(engine_failed(prepared.error()));
  metapb::Region region;
  if (*prepared) {
    if (!region.ParseFromString(**prepared)) {
      co_return Err(engine_failed(damaged(kEngineFolder, "the region prepared for bootstrap cannot be read")));
    }
  } else {
    auto reply =
        co_await pd->insist<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse>({}, &api::Pd::is_bootstrapped);
    if (!reply.ok()) co_return Err(stopped());
    if (reply->bootstrapped()) co_return Result<void, StoreError>();
    CO_TRY_ASSIGN(uint64_t region_id, co_await alloc_id(pd.get()));
    CO_TRY_ASSIGN(uint64_t peer_id, co_await alloc_id(pd.get()));
    region = first_region(region_id, peer_id, shared->store);
    if (auto done = prepare(*shared, region); !done.ok()) co_return Err(engine_failed(done.error()));
  }
  while (true) {
    pdpb::BootstrapRequest request;
    // Real PD takes this record as it is, and a label that it refuses later would stay for good.
    *request.mutable_store() = pd->store_record(PdSession::EngineLabel::kNot);
    *request.mutable_region() = region;
    auto reply =
        co_await pd->call<pdpb::BootstrapRequest, pdpb::BootstrapResponse>(std::move(request), &api::Pd::bootstrap);
    auto type = reply.ok() ? reply->header().error().type() : pdpb::UNKNOWN;
    if (reply.ok() && type == pdpb::OK) {
      LOG_INFO("bootstrapped cluster {} with region {}", shared->cluster, region.id());
      auto done = finish_prepare(*shared, region, true);
      if (!done.ok()) co_return Err(engine_failed(done.error()));
      co_return Result<void, StoreError>();
    }
    if (reply.ok() && type == pdpb::ALREADY_BOOTSTRAPPED) {
      auto first = co_await pd->insist<pdpb::GetRegionRequest, pdpb::GetRegionResponse>({}, &api::Pd::get_region);
      if (!first.ok()) co_return Err(stopped());
      auto done = finish_prepare(*shared, region, is_same(first->region(), region));
      if (!done.ok()) co_return Err(engine_failed(done.error()));
      co_return Result<void, StoreError>();
    }
    LOG_WARN("PD: Bootstrap: {}", reply.ok() ? reply->header().error().message() : reply.error().message);
    if (shared->stopping) co_return Err(stopped());
    co_await runtime::sleep(pd->executor(), shared->options.pd_retry_delay);
  }
}

// Real PD with strictly-match-label knows no labels but those of its location-labels.
bool is_label_refused(const std::string& why) {
  return why.find("key matching the label was not found") != std::string::npos &&
         why.find(replica::kEngineLabel) != std::string::npos;
}

// "version should compatible with version  9.1.0, got 9.0.0": the cluster's comes first.
std::optional<std::string> refused_version(const Shared& shared, const std::string& why) {
  constexpr std::string_view kWords = "version should compatible with version";
  const size_t found = why.find(kWords);
  if (found == std::string::npos) return std::nullopt;
  const size_t begin = why.find_first_not_of(' ', found + kWords.size());
  const std::string cluster = begin == std::string::npos ? "?" : why.substr(begin, why.find(',', begin) - begin);
  return fmt::format(
      "PD refuses this store: the cluster is at version {} of TiKV, and this store behaves as TiKV {}. Run a Cairn "
      "that "
      "behaves as {}, or, if you know that the difference does not matter to you, set server.tikv-version (PD: {})",
      cluster, shared.options.version, cluster, why);
}

runtime::Task<Result<void, StoreError>> put_store(Shared* shared, std::shared_ptr<PdSession> pd) {
  auto engine = PdSession::EngineLabel::kTold;
  while (true) {
    pdpb::PutStoreRequest request;
    *request.mutable_store() = pd->store_record(engine);
    auto reply =
        co_await pd->call<pdpb::PutStoreRequest, pdpb::PutStoreResponse>(std::move(request), &api::Pd::put_store);
    if (reply.ok() && reply->header().error().type() == pdpb::OK) co_return Result<void, StoreError>();
    std::string why = reply.ok() ? reply->header().error().message() : reply.error().message;
    if (reply.ok() && is_label_refused(why) && engine != PdSession::EngineLabel::kWithdrawn) {
      if (engine == PdSession::EngineLabel::kTold) {
        LOG_WARN(
            "PD does not take the label {} (strictly-match-label): this store goes without, and all others will count "
            "it "
            "as a TiKV. Regions with a peer here then keep TiKV's timing: 10 to 20 s until a new leader is elected. "
            "Turn "
            "strictly-match-label off and restart the store to mend that",
            replica::kEngineLabel);
      }
      // PD weighs what it has from before, too.
      engine =
          engine == PdSession::EngineLabel::kTold ? PdSession::EngineLabel::kNot : PdSession::EngineLabel::kWithdrawn;
      continue;
    }
    if (auto refused = reply.ok() ? refused_version(*shared, why) : std::nullopt) {
      co_return Err(StoreError{StoreError::Kind::kRefusedByPd, std::move(*refused)});
    }
    bool final = reply.ok() && (reply->header().error().type() == pdpb::STORE_TOMBSTONE ||
                                why.find("duplicated store address") != std::string::npos);
    if (final) co_return Err(StoreError{StoreError::Kind::kRefusedByPd, why});
    LOG_WARN("PD: PutStore: {}", why);
    if (shared->stopping) co_return Err(stopped());
    co_await runtime::sleep(pd->executor(), shared->options.pd_retry_delay);
  }
}

// Before any region is loaded: a restarted peer must know whether a TiKV may have led it.
runtime::Task<Result<void, StoreError>> learn_stores(std::shared_ptr<PdSession> pd) {
  auto all = co_await pd->insist<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse>({}, &api::Pd::get_all_stores);
  if (!all.ok() || all->header().error().type() != pdpb::OK) co_return Err(stopped());
  pd->learn_stores(*all);
  co_return Result<void, StoreError>();
}

// Whether the pending snapshot is still to be installed, by what the engine holds of the region.
engine::Result<bool> is_wanted(Shared& shared, RegionId region, const replica::PendingSnapshot& pending) {
  TRY_ASSIGN(auto record_bytes, shared.deps.kv.get(Cf::kRaft, replica::region_state_key(region)));
  TRY_ASSIGN(auto applied_bytes, shared.deps.kv.get(Cf::kRaft, replica::apply_state_key(region)));
  auto record = record_bytes ? replica::decode_region_state(*record_bytes) : std::nullopt;
  auto applied = applied_bytes ? replica::decode_apply_state(*applied_bytes) : std::nullopt;
  if (!record) return true;
  const auto& promised = pending.data.region();
  const metapb::Peer* self = replica::find_peer_on(promised, shared.store);
  if (!self) return Err(damaged(kLogFolder, region, "a pending snapshot of which this store has no peer"));
  // The peer was destroyed, but its log was not removed yet.
  if (replica::is_of_the_dead(*record, promised.region_epoch(), shared.store, PeerId(self->id()))) return false;
  return record->state() != raft_serverpb::Normal || !applied || applied->applied < pending.state.applied;
}

// A snapshot that was being installed when the process ended is installed now.
engine::Result<void> finish_snapshots(Shared& shared) {
  auto& kv = shared.deps.kv;
  auto& log = shared.deps.raft_log;
  auto clear = log.new_batch();
  TRY_ASSIGN(auto regions, log.regions());
  for (RegionId region : regions) {
    TRY_ASSIGN(auto bytes, log.meta(region, replica::kPendingSnapshotSlot));
    if (!bytes || bytes->empty()) continue;
    auto pending = replica::decode_pending_snapshot(*bytes);
    if (!pending) return Err(damaged(kLogFolder, region, "a pending snapshot that cannot be read"));
    TRY_ASSIGN(const bool wanted, is_wanted(shared, region, *pending));
    if (wanted) {
      LOG_INFO("region {}: goes on installing a snapshot at {}", region, pending->state.applied);
      TRY(replica::install_snapshot(kv, pending->data, pending->state, pending->folder));
    }
    clear->put_meta(region, replica::kPendingSnapshotSlot, {});
  }
  if (!clear->empty()) TRY(log.write(*clear, engine::Sync::kYes));
  TRY(kv.files().remove_tree(kMadeSnapshots));
  return kv.files().remove_tree(kReceivedSnapshots);
}

// Data of [begin, end) that no region here holds is the rest of a peer whose destruction a crash cut short.
engine::Result<void> clear_unowned(engine::KvEngine& kv, const Bytes& begin, const Bytes& end) {
  TRY_ASSIGN(const bool is_to_clear, holds_data(kv, begin, end));
  if (!is_to_clear) return {};
  LOG_INFO("clears [{}, {}), which belongs to no region of this store", log::user_text(begin), log::user_text(end));
  return kv.clear_range(begin, end);
}

engine::Result<void> clear_between(engine::KvEngine& kv, const std::vector<Shard::LoadedRegion>& regions) {
  std::map<Bytes, Bytes> ranges;  // of data keys
  for (const auto& loaded : regions) {
    ranges.emplace(replica::data_key(loaded.region.start_key()), replica::data_end_key(loaded.region.end_key()));
  }
  Bytes begin = replica::data_key({});
  for (const auto& [start, end] : ranges) {
    if (begin < start) TRY(clear_unowned(kv, begin, start));
    begin = std::max(begin, end);
  }
  const Bytes all_end = replica::data_end_key({});
  return begin < all_end ? clear_unowned(kv, begin, all_end) : engine::Result<void>();
}

}  // namespace

// NOLINTNEXTLINE(*-coroutine-parameters): the store waits for its tasks before it goes
runtime::Task<Result<void, StoreError>> identify(Shared& shared, std::shared_ptr<PdSession> pd) {
  auto members = co_await pd->insist<pdpb::GetMembersRequest, pdpb::GetMembersResponse>({}, &api::Pd::get_members);
  if (!members.ok()) co_return Err(stopped());
  ClusterId cluster(members->header().cluster_id());
  if (shared.options.cluster.is_set() && shared.options.cluster != cluster) {
    co_return Err(
        StoreError{StoreError::Kind::kClusterMismatch,
                   fmt::format("cluster ID mismatch, local {} != remote {}", shared.options.cluster, cluster)});
  }
  shared.cluster = cluster;
  auto bytes = shared.deps.kv.get(Cf::kDefault, replica::store_ident_key());
  if (!bytes.ok()) co_return Err(engine_failed(bytes.error()));
  if (*bytes) {
    raft_serverpb::StoreIdent ident;
    if (!ident.ParseFromString(**bytes)) {
      co_return Err(engine_failed(damaged(kEngineFolder, "the store's identity cannot be read")));
    }
    if (ident.cluster_id() != cluster.value) {
      co_return Err(StoreError{
          StoreError::Kind::kClusterMismatch,
          fmt::format("cluster ID mismatch, local {} != remote {}, you are trying to connect to another cluster, "
                      "please reconnect to the correct PD",
                      ident.cluster_id(), cluster)});
    }
    shared.store = StoreId(ident.store_id());
    CO_TRY(check_api_version(shared, ident.api_version()));
    if (ident.api_version() != to_proto(shared.options.api_version)) {
      if (auto done = write_ident(shared); !done.ok()) co_return Err(engine_failed(done.error()));
    }
  } else {
    auto empty = is_empty(shared);
    if (!empty.ok()) co_return Err(engine_failed(empty.error()));
    if (!*empty) {
      co_return Err(StoreError{StoreError::Kind::kEngineNotEmpty, "the engine holds data but no store identity"});
    }
    CO_TRY_ASSIGN(uint64_t id, co_await alloc_id(pd.get()));
    shared.store = StoreId(id);
    if (auto done = write_ident(shared); !done.ok()) co_return Err(engine_failed(done.error()));
  }
  CO_TRY(co_await bootstrap(&shared, pd));
  CO_TRY(co_await put_store(&shared, pd));
  CO_TRY(co_await learn_stores(pd));
  co_return Result<void, StoreError>();
}

engine::Result<std::vector<Shard::LoadedRegion>> load_regions(Shared& shared) {
  TRY(finish_snapshots(shared));
  auto& kv = shared.deps.kv;
  auto& log = shared.deps.raft_log;
  auto fix = log.new_batch();
  std::vector<Shard::LoadedRegion> out;
  auto snapshot = kv.snapshot();
  engine::IterOptions range;
  range.lower = Bytes(replica::region_state_begin());
  range.upper = Bytes(replica::region_state_end());
  auto iterator = snapshot->iterator(Cf::kRaft, range);
  for (iterator->seek_to_first(); iterator->valid(); iterator->next()) {
    auto id = replica::region_of_state_key(iterator->key());
    if (!id) continue;
    auto local = replica::decode_region_state(iterator->value());
    if (!local) return Err(damaged(kEngineFolder, *id, "its record cannot be read"));
    TRY_ASSIGN(auto raft_bytes, log.state(*id));
    std::optional<replica::RaftState> raft_state;
    if (raft_bytes) {
      raft_state = replica::decode_raft_state(*raft_bytes);
      if (!raft_state) return Err(damaged(kLogFolder, *id, "its Raft state cannot be read"));
    }
    if (local->state() == raft_serverpb::Tombstone) {
      // The rest of a peer whose destruction was interrupted. A state without a log may be a later peer's vote: it
      // stays.
      if (raft_state && raft_state->last_index > LogIndex(0))
        fix->remove_region(*id, LogIndex(1), raft_state->last_index);
      continue;
    }
    TRY_ASSIGN(auto apply_bytes, snapshot->get(Cf::kRaft, replica::apply_state_key(*id)));
    auto apply = apply_bytes ? replica::decode_apply_state(*apply_bytes) : std::nullopt;
    if (!apply) return Err(damaged(kEngineFolder, *id, "it has no apply state that can be read"));
    if (!replica::find_peer_on(local->region(), shared.store)) {
      return Err(damaged(kEngineFolder, *id, fmt::format("its record names no peer on store {}", shared.store)));
    }
    if (!raft_state || raft_state->last_index < replica::kInitialIndex) {
      // A split was flushed before its child's raft state was written.
      if (*apply != replica::kInitialApplyState) {
        return Err(damaged(kLogFolder, *id, fmt::format("it has no log, but {} is applied", apply->applied)));
      }
      raft_state = replica::begin_raft_state(raft_state);
      fix->put_state(*id, replica::encode(*raft_state));
    }
    // What is applied was on disk in the log before.
    if (raft_state->last_index < apply->applied) {
      return Err(damaged(kLogFolder, *id,
                         fmt::format("its log ends at {}, but {} is applied", raft_state->last_index, apply->applied)));
    }
    out.push_back({local->region(), *raft_state, *apply});
  }
  TRY(iterator->status());
  if (!fix->empty()) TRY(log.write(*fix, engine::Sync::kYes));
  iterator.reset();
  snapshot.reset();
  TRY(clear_between(kv, out));
  return out;
}

}  // namespace cairn::store
