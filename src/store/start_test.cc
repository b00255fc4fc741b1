// What is on a disk is the world's doing: a store that cannot start over it says so in words.
#include "store/start.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/wire.h"
#include "store/testing/cluster.h"
#include "store/testing/stories.h"

namespace cairn::store {
namespace {

using engine::Cf;

struct Damage {
  std::string folder, told;
  std::function<void(engine::WriteBatch&, engine::RaftLogBatch&, RegionId)> change;
};

std::vector<Damage> damages() {
  using Kv = engine::WriteBatch;
  using Log = engine::RaftLogBatch;
  const Bytes garbage = "\xff";
  std::vector<Damage> all;
  all.push_back({"db", "the store's identity cannot be read",
                 [=](Kv& kv, Log&, RegionId) { kv.put(Cf::kDefault, replica::store_ident_key(), garbage); }});
  all.push_back({"db", "the region prepared for bootstrap cannot be read",
                 [=](Kv& kv, Log&, RegionId) { kv.put(Cf::kDefault, replica::prepare_bootstrap_key(), garbage); }});
  all.push_back({"db", "region 2: its record cannot be read",
                 [=](Kv& kv, Log&, RegionId id) { kv.put(Cf::kRaft, replica::region_state_key(id), garbage); }});
  all.push_back({"db", "region 2: its record names no peer on store 1", [](Kv& kv, Log&, RegionId id) {
                   metapb::Region region;
                   region.set_id(id.value);
                   replica::write_region_state(kv, region, raft_serverpb::Normal);
                 }});
  all.push_back({"db", "region 2: it has no apply state that can be read",
                 [](Kv& kv, Log&, RegionId id) { kv.del(Cf::kRaft, replica::apply_state_key(id)); }});
  all.push_back({"raft", "region 2: its Raft state cannot be read",
                 [=](Kv&, Log& log, RegionId id) { log.put_state(id, garbage); }});
  all.push_back({"raft", "region 2: it has no log, but",
                 [](Kv&, Log& log, RegionId id) { log.remove_region(id, LogIndex(1), LogIndex(100)); }});
  all.push_back({"raft", "region 2: its log ends at 5, but", [](Kv&, Log& log, RegionId id) {
                   log.put_state(id, replica::encode(replica::begin_raft_state({})));
                 }});
  all.push_back({"raft", "region 2: a pending snapshot that cannot be read",
                 [=](Kv&, Log& log, RegionId id) { log.put_meta(id, replica::kPendingSnapshotSlot, garbage); }});
  return all;
}

TEST(Start, ADamagedDiskIsToldWithItsPlaceAndWhatToDo) {
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.told);
    TestCluster cluster;
    auto& node = cluster.add();
    ASSERT_TRUE(cluster.put("a", "1"));
    const RegionId region(first_region(cluster));
    cluster.stop(node);
    {
      auto kv = engine::open_memory_kv(node.disk);
      auto log = engine::open_memory_raft_log(node.disk);
      auto state = replica::kInitialApplyState;
      state.applied = state.applied.next();
      auto batch = kv->new_batch();
      replica::write_apply_state(*batch, region, state);
      auto log_batch = log->new_batch();
      damage.change(*batch, *log_batch, region);
      ASSERT_TRUE(kv->write(*batch).ok() && kv->flush().ok());
      ASSERT_TRUE(log->write(*log_batch, engine::Sync::kYes).ok());
    }
    cluster.boot(node);
    ASSERT_FALSE(node.started->ok());
    const std::string& why = node.started->error().message;
    EXPECT_NE(why.find(damage.told), std::string::npos) << why;
    EXPECT_NE(why.find("the folder " + damage.folder + " of the data directory"), std::string::npos) << why;
    EXPECT_NE(why.find("put back the whole data directory"), std::string::npos) << why;
  }
}

}  // namespace
}  // namespace cairn::store
