// Reads and writes of a shard's regions.
#include <algorithm>
#include <utility>

#include "replica/keys.h"
#include "replica/split_plan.h"
#include "runtime/async.h"
#include "store/shard.h"
#include "store/siblings.h"

namespace cairn::store {
namespace {

RegionError stopping() { return engine::OtherRegionError{"TiKV is Closing"}; }

// The store id is checked before the region's existence.
RegionError not_found(const engine::RegionRequest& request, StoreId store) {
  if (request.store.is_set() && request.store != store) return engine::StoreNotMatch{request.store, store};
  return engine::RegionNotFound{request.region};
}

}  // namespace

engine::RegionSnapshotPtr Shard::take_snapshot(const replica::Replica& replica, replica::ReadViewPtr view) const {
  LogIndex applied = replica.applied();
  return replica::make_region_snapshot(shared_.deps.kv.snapshot(), std::move(view), applied);
}

RegionError Shard::told(RegionError error, const engine::RegionRequest& request) const {
  if (auto* mismatch = std::get_if<engine::EpochNotMatch>(&error)) {
    add_siblings(*mismatch, request.epoch, shared_.directory);
  }
  return error;
}

runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> Shard::snapshot(engine::RegionRequest request) {
  if (stopped_) co_return Err(stopping());
  auto* replica = find(request.region);
  if (!replica) co_return Err(not_found(request, shared_.store));
  if (auto error = replica->check(request)) co_return Err(told(std::move(*error), request));
  if (request.stale_read) {
    co_return Err(RegionError(engine::DataIsNotReady{request.region, PeerId(replica->self().id()), Timestamp(0)}));
  }
  if (replica->lease_is_valid(shared_.deps.clock.now())) co_return take_snapshot(*replica, replica->view());

  const Instant asked = shared_.deps.clock.now();
  if (request.replica_read) metrics_.follower_reads_asked.add();
  auto index = co_await read_index(request);
  metrics_.read_index.note(index.ok() ? nullptr : &index.error(), shared_.deps.clock.now() - asked);
  if (!index.ok()) co_return Err(std::move(index).error());
  // Time has passed: the region may be another one now, or gone.
  replica = find(request.region);
  if (!replica || stopped_) co_return Err(not_found(request, shared_.store));
  if (auto error = replica->check(request)) co_return Err(told(std::move(*error), request));
  CHECK(replica->applied() >= *index, "region {}: readable at {} with {} applied", request.region, *index,
        replica->applied());
  // The engine's data is being replaced.
  if (replica->is_installing()) {
    co_return Err(RegionError(engine::ReadIndexNotReady{request.region, "a snapshot is being installed"}));
  }
  if (request.replica_read) {
    metrics_.follower_reads.add();
    co_return take_snapshot(*replica, replica->reading_view());
  }
  // Leadership went away and came back: what was committed meanwhile is not applied yet.
  if (!replica->view()) co_return Err(RegionError(engine::StaleCommand{}));
  co_return take_snapshot(*replica, replica->view());
}

runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> Shard::snapshot_with_locks(
    engine::RegionRequest request) {
  CO_TRY_ASSIGN(auto view, co_await snapshot(std::move(request)));
  // Nothing happened here since the view was taken: what was in memory then and is replaced in the view, still is.
  co_return scheduler_->pessimistic_locks().frozen(std::move(view));
}

runtime::Task<Result<LogIndex, RegionError>> Shard::read_index(engine::RegionRequest request) {
  if (stopped_) co_return Err(stopping());
  auto* replica = find(request.region);
  if (!replica) co_return Err(not_found(request, shared_.store));
  auto [promise, future] = runtime::one_shot<replica::ReadOutcome>();
  replica->read(request, shared_.deps.clock.now(),
                [p = std::move(promise)](replica::ReadOutcome outcome) mutable { p.set(std::move(outcome)); });
  touch(request.region);
  auto outcome = co_await future.wait(*executor_);
  if (!outcome) co_return Err(stopping());
  if (!outcome->ok()) co_return Err(told(std::move(*outcome).error(), request));
  co_return std::move(*outcome);
}

runtime::Task<Result<LogIndex, RegionError>> Shard::write(engine::RegionRequest request, engine::WriteBasis basis,
                                                          engine::WriteData data) {
  if (stopped_) co_return Err(stopping());
  auto* replica = find(request.region);
  if (!replica) co_return Err(not_found(request, shared_.store));
  if (auto error = refuse_write(*replica, request.disk_full_opt)) co_return Err(std::move(*error));
  uint64_t bytes = 0;
  for (const auto& change : data.changes) bytes += change.key.size() + change.value.size();
  const WaitingWrite waiting(shared_.waiting_write_bytes, bytes);
  auto [promise, future] = runtime::one_shot<replica::WriteOutcome>();
  const Instant proposed = shared_.deps.clock.now();
  replica->write(request, basis, std::move(data), proposed,
                 [p = std::move(promise)](replica::WriteOutcome outcome) mutable { p.set(std::move(outcome)); });
  touch(request.region);
  auto outcome = co_await future.wait(*executor_);
  const RegionError* refusal = outcome && !outcome->ok() ? &outcome->error() : nullptr;
  metrics_.write.note(refusal, shared_.deps.clock.now() - proposed);
  if (!outcome) co_return Err(RegionError(engine::UndeterminedResult{"the store stopped"}));
  if (!outcome->ok()) co_return Err(told(std::move(*outcome).error(), request));
  co_return std::move(*outcome);
}

std::optional<RegionError> Shard::refuse_write(const replica::Replica& replica, engine::DiskFullOpt opt) const {
  // Who does not lead says so, whatever its disk is like.
  if (!replica.is_leader()) return std::nullopt;
  if (shared_.waiting_write_bytes >= options_.waiting_write_bytes_max) {
    metrics_.busy.add();
    return engine::ServerIsBusy{"too many writes wait to be applied", 100ms};
  }
  const DiskUsage own = shared_.own_disk_usage;
  if (own == disk_usage::Normal && disk_usages_.empty()) return std::nullopt;
  DiskUsages usages = disk_usages_;
  usages[shared_.store] = own;
  if (auto full = refuse_for_disk(replica.region(), shared_.store, usages, opt)) return std::move(*full);
  return std::nullopt;
}

bool Shard::is_busy(RegionId region) const {
  auto* replica = find(region);
  if (!replica) return false;
  const bool is_busy = replica->is_busy() || shared_.waiting_write_bytes >= options_.waiting_write_bytes_max ||
                       shared_.deps.kv.is_write_stalled();
  if (is_busy) metrics_.busy.add();
  return is_busy;
}

Result<metapb::Region, RegionError> Shard::region_for(const engine::RegionRequest& request) const {
  auto* replica = find(request.region);
  if (!replica) return Err(not_found(request, shared_.store));
  if (auto error = replica->check(request)) return Err(told(std::move(*error), request));
  return replica->region();
}

runtime::Task<Result<std::vector<engine::RegionDescription>, RegionError>> Shard::split(
    engine::RegionRequest request, raft_cmdpb::BatchSplitRequest splits) {
  if (stopped_) co_return Err(stopping());
  auto region = region_for(request);
  if (!region.ok()) co_return Err(std::move(region).error());
  auto plan = replica::plan_split(*region, splits);
  if (!plan.ok()) co_return Err(RegionError(engine::OtherRegionError{plan.error()}));
  raft_cmdpb::AdminRequest admin;
  admin.set_cmd_type(raft_cmdpb::BatchSplit);
  *admin.mutable_splits() = std::move(splits);
  auto [promise, future] = runtime::one_shot<replica::WriteOutcome>();
  find(request.region)
      ->propose_admin(std::move(admin), shared_.deps.clock.now(),
                      [p = std::move(promise)](replica::WriteOutcome outcome) mutable { p.set(std::move(outcome)); });
  touch(request.region);
  auto outcome = co_await future.wait(*executor_);
  if (!outcome) co_return Err(RegionError(engine::UndeterminedResult{"the store stopped"}));
  if (!outcome->ok()) co_return Err(told(std::move(*outcome).error(), request));
  std::vector<engine::RegionDescription> regions;
  for (const auto& part : plan->regions) regions.push_back(replica::describe(part));
  co_return std::move(regions);
}

void Shard::transfer_leader(RegionId region, PeerId to) {
  auto* replica = find(region);
  if (!replica) return;
  static_cast<void>(hand_over(*replica, to));  // best effort
  touch(region);
}

std::string Shard::hand_over(replica::Replica& replica, PeerId to) {
  if (std::string reason = replica.why_not_transfer(to); !reason.empty()) return reason;
  auto& locks = scheduler_->pessimistic_locks();
  const RegionId region = replica.id();
  const Term term = replica.node().term();
  if (!replica.view()) return "the leader has not applied an entry of its term";
  if (replica.node().is_transferring() || locks.is_handing_over(region)) return "leadership is being handed over";
  auto handed_over = locks.begin_hand_over(region, term);
  if (handed_over.changes.empty()) {
    locks.begin_transfer(handed_over.kept);
    return replica.transfer_leader(to);
  }
  engine::RegionRequest request;
  request.region = region;
  request.epoch = replica::describe(replica.region().region_epoch());
  auto go_on = [this, region, term, to, kept = std::move(handed_over.kept)](replica::WriteOutcome outcome) mutable {
    if (!outcome.ok()) return scheduler_->pessimistic_locks().end_hand_over(region, term);
    executor_->post([this, region, term, to, kept = std::move(kept)] {
      // They are in the column family, whoever leads now: a child of the region may have them, and go on with them.
      scheduler_->pessimistic_locks().begin_transfer(kept);
      auto* led = find(region);
      if (!led || stopped_ || !led->is_leader() || led->node().term() != term) return;
      static_cast<void>(led->transfer_leader(to));
      touch(region);
    });
  };
  replica.write(request, engine::WriteBasis(term, replica.applied()), {std::move(handed_over.changes), false},
                shared_.deps.clock.now(), std::move(go_on));
  return {};
}

}  // namespace cairn::store
