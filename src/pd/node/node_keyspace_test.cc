// Keyspaces through pd::Node.
#include <gtest/gtest.h>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, KeyspacesAreMadeAtTheBootstrapAndStayThroughARestart) {
  keyspaces_ = {"tenant"};
  start();
  ASSERT_EQ(load_keyspace("DEFAULT").header().error().type(), pdpb::NOT_BOOTSTRAPPED);
  ASSERT_EQ(bootstrap().header().error().type(), pdpb::OK);
  EXPECT_EQ(load_keyspace("DEFAULT").keyspace().id(), 0u);
  EXPECT_EQ(load_keyspace("tenant").keyspace().id(), 1u);
  EXPECT_EQ(load_keyspace("none").header().error().type(), pdpb::ENTRY_NOT_FOUND);
  keyspacepb::UpdateKeyspaceStateRequest disable;
  disable.mutable_header()->set_cluster_id(cluster_id_);
  disable.set_id(1);
  disable.set_state(keyspacepb::DISABLED);
  auto disabled =
      ask<keyspacepb::UpdateKeyspaceStateResponse>(node_->keyspaces(), disable, &api::Keyspaces::update_keyspace_state);
  ASSERT_TRUE(disabled.ok());
  EXPECT_EQ(disabled->keyspace().state(), keyspacepb::DISABLED);
  disable.set_id(0);
  disabled =
      ask<keyspacepb::UpdateKeyspaceStateResponse>(node_->keyspaces(), disable, &api::Keyspaces::update_keyspace_state);
  EXPECT_EQ(disabled->header().error().message(), "cannot modify default keyspace's state");
  stop();
  keyspaces_ = {"tenant", "another"};
  start();
  EXPECT_EQ(load_keyspace("tenant").keyspace().state(), keyspacepb::DISABLED);
  EXPECT_EQ(load_keyspace("another").keyspace().id(), 2u) << "the settings name a new one";
  keyspacepb::GetAllKeyspacesRequest all;
  all.mutable_header()->set_cluster_id(cluster_id_);
  EXPECT_EQ(ask<keyspacepb::GetAllKeyspacesResponse>(node_->keyspaces(), all, &api::Keyspaces::get_all_keyspaces)
                ->keyspaces_size(),
            3);
}

}  // namespace
}  // namespace cairn::pd
