#include "replica/tombstone.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

metapb::RegionEpoch epoch(uint64_t conf_ver, uint64_t version) {
  metapb::RegionEpoch out;
  out.set_conf_ver(conf_ver);
  out.set_version(version);
  return out;
}

TEST(Tombstone, OnlyALaterPeerMayLive) {
  raft_serverpb::RegionLocalState record;
  record.set_state(raft_serverpb::Tombstone);
  *record.mutable_region()->mutable_region_epoch() = epoch(3, 2);
  auto& former = *record.mutable_region()->add_peers();
  former.set_id(7);
  former.set_store_id(1);
  EXPECT_TRUE(is_of_the_dead(record, epoch(2, 2), StoreId(1), PeerId(9))) << "news of before the destruction";
  EXPECT_TRUE(is_of_the_dead(record, epoch(3, 1), StoreId(1), PeerId(9)));
  EXPECT_TRUE(is_of_the_dead(record, epoch(3, 2), StoreId(1), PeerId(7)));
  EXPECT_TRUE(is_of_the_dead(record, epoch(4, 2), StoreId(1), PeerId(6)));
  EXPECT_FALSE(is_of_the_dead(record, epoch(3, 2), StoreId(1), PeerId(8)));
  record.mutable_region()->clear_peers();
  EXPECT_TRUE(is_of_the_dead(record, epoch(2, 2), StoreId(1), PeerId(7)));
  EXPECT_FALSE(is_of_the_dead(record, epoch(5, 2), StoreId(1), PeerId(8)));
  record.set_state(raft_serverpb::Normal);
  EXPECT_FALSE(is_of_the_dead(record, epoch(1, 1), StoreId(1), PeerId(1)));
}

}  // namespace
}  // namespace cairn::replica
