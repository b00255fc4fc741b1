// What the stories of peers that come and go begin with.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/crc.h"
#include "replica/keys.h"
#include "replica/wire.h"
#include "store/store.h"
#include "store/testing/cluster.h"

namespace cairn::store {

inline uint64_t first_region(TestCluster& cluster) { return cluster.pd.regions.begin()->first; }

inline StoreOptions with_short_logs() {
  auto options = TestCluster::quick();
  options.log_gc_count_max = 30;
  options.log_gc_threshold = 5;
  return options;
}

// Three nodes with a region on all of them.
struct Trio {
  explicit Trio(uint64_t seed = 1, StoreOptions options = with_short_logs()) : cluster(seed, std::move(options)) {
    for (int i = 0; i < 3; ++i) cluster.add();
    region = first_region(cluster);
    cluster.replicate_everywhere(region);
  }
  // A follower of the region, by its number.
  size_t follower() { return cluster.wait_for_leader(region) == &cluster.node(2) ? 1 : 2; }
  // Writes to the regions of these keys until no log reaches back to before the call.
  void write_on(const std::vector<Bytes>& prefixes) {
    for (int i = 0; i < 50; ++i) {
      for (const auto& prefix : prefixes) ASSERT_TRUE(cluster.put(prefix + std::to_string(i), "later"));
    }
    cluster.run_for(3s);
  }
  void expect_complete(TestCluster::Node& node) {
    ASSERT_TRUE(cluster.put("a", "last"));
    ASSERT_TRUE(cluster.put("x", "last"));
    EXPECT_TRUE(cluster.run_until([&] { return cluster.local(node, "a") == Bytes("last"); }));
    EXPECT_TRUE(cluster.run_until([&] { return cluster.local(node, "x") == Bytes("last"); }));
  }

  TestCluster cluster;
  uint64_t region = 0;
};

inline bool has_record(const engine::KvEngine& kv, uint64_t region) {
  return kv.get(engine::Cf::kRaft, replica::region_state_key(RegionId(region)))->has_value();
}

inline metapb::Peer peer_on(TestCluster& cluster, uint64_t region, TestCluster::Node& node) {
  for (const auto& peer : cluster.pd.regions[region].peers()) {
    if (peer.store_id() == node.store->id().value) return peer;
  }
  return {};
}

// Messages to a store that has none of the region's peers yet, made by hand.
struct Newcomer {
  explicit Newcomer(TestCluster& all) : cluster(all), node(all.node(1)), from(all.node(0).store->id()) {}

  raft_serverpb::RaftMessage message(uint64_t region, eraftpb::MessageType type) const {
    raft_serverpb::RaftMessage out;
    out.set_region_id(region);
    out.mutable_from_peer()->set_id(region + 1);
    out.mutable_from_peer()->set_store_id(from.value);
    out.mutable_to_peer()->set_id(region + 2);
    out.mutable_to_peer()->set_store_id(node.store->id().value);
    out.mutable_region_epoch()->set_conf_ver(2);
    out.mutable_region_epoch()->set_version(1);
    auto& raft = *out.mutable_message();
    raft.set_msg_type(type);
    raft.set_from(region + 1);
    raft.set_to(region + 2);
    raft.set_term(6);
    return out;
  }
  void make_peer(uint64_t region, Bytes start, Bytes end) {
    auto vote = message(region, eraftpb::MsgRequestVote);
    vote.set_start_key(std::move(start));
    vote.set_end_key(std::move(end));
    vote.mutable_message()->set_index(10);
    vote.mutable_message()->set_log_term(6);
    node.store->on_raft_message(std::move(vote));
    cluster.run_for(50ms);
  }
  // A snapshot of an empty region.
  void give_snapshot(uint64_t region, Bytes start, Bytes end, uint64_t index, const Bytes& file = {}) {
    auto receiver = node.store->begin_snapshot(snapshot(region, std::move(start), std::move(end), index, file));
    ASSERT_TRUE(receiver.ok());
    ASSERT_TRUE((*receiver)->append(file).ok());
    ASSERT_TRUE((*receiver)->finish().ok());
  }
  raft_serverpb::RaftMessage snapshot(uint64_t region, Bytes start, Bytes end, uint64_t index,
                                      const Bytes& file = {}) const {
    auto out = message(region, eraftpb::MsgSnapshot);
    raft_serverpb::RaftSnapshotData data;
    auto& described = *data.mutable_region();
    described.set_id(region);
    described.set_start_key(std::move(start));
    described.set_end_key(std::move(end));
    *described.mutable_region_epoch() = out.region_epoch();
    *described.add_peers() = out.from_peer();
    *described.add_peers() = out.to_peer();
    if (!file.empty()) {
      auto& entry = *data.mutable_meta()->add_cf_files();
      entry.set_cf("lock");
      entry.set_size(file.size());
      entry.set_checksum(crc32(file));
    }
    auto& snapshot = *out.mutable_message()->mutable_snapshot();
    snapshot.set_data(replica::serialize(data));
    snapshot.mutable_metadata()->set_index(index);
    snapshot.mutable_metadata()->set_term(6);
    for (const auto& peer : described.peers()) {
      snapshot.mutable_metadata()->mutable_conf_state()->add_voters(peer.id());
    }
    return out;
  }

  TestCluster& cluster;
  TestCluster::Node& node;
  StoreId from;
};

}  // namespace cairn::store
