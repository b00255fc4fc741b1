// What a shard asks of the disk: how much room there is, and how large its regions are. Each may have to wait for the
// disk, so none of it happens on the shard's thread. Tests: shard_sizes_test.cc.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "replica/keys.h"
#include "store/shard.h"
#include "store/split_keys.h"

namespace cairn::store {

// A statfs and a few figures of the engine; a second's writes must not fill half the reserve.
void Shard::look_at_disk() {
  if (index_ != 0 || std::exchange(is_disk_looked_at_, true)) return;
  ++pool_jobs_;
  shared_.disk_looks->post([this, reserve = options_.reserve_space_bytes] {
    note_space(shared_.deps.kv.space(), reserve);
    executor_->post([this] {
      is_disk_looked_at_ = false;
      --pool_jobs_;
    });
  });
}

void Shard::note_space(const engine::KvEngine::Space& space, uint64_t reserve) {
  const DiskUsage usage = judge_disk(space, reserve);
  if (usage == shared_.own_disk_usage.exchange(usage)) return;
  if (usage == disk_usage::Normal) {
    LOG_INFO("the disk has room again: {} bytes", space.available);
  } else {
    LOG_WARN("the disk is {}: {} of {} bytes are left, {} are kept free: writes are refused",
             usage == disk_usage::AlmostFull ? "almost full" : "full", space.available, space.capacity, reserve);
  }
}

uint64_t Shard::bytes_of(const metapb::Region& region) const {
  return shared_.deps.kv.approximate_size(replica::data_key(region.start_key()),
                                          replica::data_end_key(region.end_key()));
}

// A size that is not known is left out, which PD takes so; another heartbeat follows as soon as it is.
void Shard::put_size(const replica::Replica& replica, pdpb::RegionHeartbeatRequest& request) {
  auto& size = sizes_[replica.id()];
  size.is_fresh = false;
  if (!size.bytes || size.version != replica.region().region_epoch().version()) return measure(replica);
  request.set_approximate_size(std::max<uint64_t>(*size.bytes, 1));
  metrics_.region_bytes.observe(*size.bytes);
}

void Shard::measure_for_heartbeat(const replica::Replica& replica) {
  if (!sizes_[replica.id()].is_fresh) measure(replica);
}

void Shard::measure(const replica::Replica& replica) {
  if (std::exchange(sizes_[replica.id()].is_under_way, true)) return;
  ++pool_jobs_;
  shared_.disk_looks->post([this, region = replica.region()] {
    executor_->post(
        [this, id = RegionId(region.id()), version = region.region_epoch().version(), bytes = bytes_of(region)] {
          --pool_jobs_;
          on_measured(id, version, bytes);
        });
  });
}

void Shard::on_measured(RegionId region, uint64_t version, uint64_t bytes) {
  const auto found = sizes_.find(region);
  if (found == sizes_.end()) return;  // it is not led here any more
  auto& size = found->second;
  const bool is_news = !size.bytes || size.version != version;
  size = {.bytes = bytes, .version = version, .is_fresh = true};
  auto* replica = find(region);
  if (!replica || stopped_ || !replica->is_leader() || replica->is_destroying()) return;
  if (replica->region().region_epoch().version() != version) return measure(*replica);
  if (is_news) heartbeat(*replica, shared_.deps.clock.now());
}

// Regions that were written to a good deal since the last look, and are too large now, are parted.
void Shard::check_sizes() {
  constexpr size_t kAtOnce = 256;  // the pool makes snapshots, too; the rest comes with the next look
  for (auto& [id, replica] : replicas_) {
    if (split_checks_.size() >= kAtOnce) break;
    if (!replica->is_leader() || replica->is_destroying() || split_checks_.contains(id)) continue;
    if (replica->written_bytes_since_split_check() < options_.region_split_bytes / 16) continue;
    split_checks_.insert(id);
    ++pool_jobs_;
    shared_.snapshot_pool->post([this, region = replica->region(), target = options_.region_split_bytes,
                                 written = replica->take_written_bytes()] {
      check_size(region, target, written);
      executor_->post([this] { --pool_jobs_; });
    });
  }
}

void Shard::check_size(const metapb::Region& region, uint64_t target, uint64_t written) {
  enum class Outcome : bool { kSettled, kToBeSeenAgain };
  auto end = [this, id = RegionId(region.id()), written](Outcome outcome) {
    executor_->post([this, id, written, outcome] {
      split_checks_.erase(id);
      // The next look must not wait until as much is written again.
      auto* left = find(id);
      if (left && outcome == Outcome::kToBeSeenAgain) left->give_back_written_bytes(written);
    });
  };
  const uint64_t size = bytes_of(region);
  if (size < target + target / 2) return end(Outcome::kSettled);
  constexpr uint64_t kPiecesMax = 10;
  const uint64_t pieces = std::clamp<uint64_t>(size / target, 2, kPiecesMax);
  const Outcome when_split = size / target > pieces ? Outcome::kToBeSeenAgain : Outcome::kSettled;
  metrics_.split_checks.add();
  LOG_INFO("region {}: {} bytes, to be split into {}", region.id(), size, pieces);
  const Instant began = shared_.deps.clock.now();
  auto keys = find_split_keys(shared_.deps.kv, shared_.options.api_version, region, pieces);
  metrics_.split_check_time.observe(shared_.deps.clock.now() - began);
  if (!keys.ok()) {
    LOG_WARN("region {}: no split keys: {}", region.id(), keys.error().message);
    return end(Outcome::kToBeSeenAgain);
  }
  if (keys->empty()) return end(Outcome::kSettled);  // nowhere to split it
  metrics_.split_checks_found.add();
  engine::RegionRequest request;
  request.region = RegionId(region.id());
  request.epoch = replica::describe(region.region_epoch());
  // Refused, for whatever reason: it is looked at again.
  shared_.split(std::move(request), std::move(*keys),
                [end, when_split](bool is_split) { end(is_split ? when_split : Outcome::kToBeSeenAgain); });
}

}  // namespace cairn::store
