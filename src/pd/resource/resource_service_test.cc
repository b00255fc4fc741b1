// ResourceManager through pd::Node.
#include <gtest/gtest.h>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

namespace rm = resource_manager;

TEST_F(NodeTest, ResourceGroupsAreKeptListedAndChanged) {
  start();
  const auto list = [&] {
    return ask<rm::ListResourceGroupsResponse>(node_->resources(), rm::ListResourceGroupsRequest(),
                                               &api::ResourceManager::list_resource_groups);
  };
  ASSERT_EQ(list()->groups_size(), 1);
  rm::PutResourceGroupRequest put;
  put.mutable_group()->set_name("one");
  EXPECT_FALSE(
      ask<rm::PutResourceGroupResponse>(node_->resources(), put, &api::ResourceManager::add_resource_group).ok())
      << "without a mode";
  put.mutable_group()->set_mode(rm::RUMode);
  put.mutable_group()->mutable_r_u_settings()->mutable_r_u()->mutable_settings()->set_fill_rate(100);
  auto done = ask<rm::PutResourceGroupResponse>(node_->resources(), put, &api::ResourceManager::add_resource_group);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->body(), "Success!");
  crash();
  start();
  ASSERT_EQ(list()->groups_size(), 2);
  EXPECT_EQ(list()->groups(1).name(), "one");
  put.mutable_group()->mutable_r_u_settings()->mutable_r_u()->mutable_settings()->set_fill_rate(200);
  ASSERT_TRUE(
      ask<rm::PutResourceGroupResponse>(node_->resources(), put, &api::ResourceManager::modify_resource_group).ok());
  rm::TokenBucketsRequest tokens;
  tokens.set_client_unique_id(7);
  tokens.set_target_request_period_ms(5000);
  for (const char* name : {"default", "one", "unknown"}) {
    auto& asked = *tokens.add_requests();
    asked.set_resource_group_name(name);
    asked.mutable_ru_items()->add_request_r_u()->set_value(150);
  }
  const auto granted =
      ask<rm::TokenBucketsResponse>(node_->resources(), tokens, &api::ResourceManager::acquire_token_buckets);
  ASSERT_EQ(granted->responses_size(), 2);
  EXPECT_EQ(granted->responses(0).granted_r_u_tokens(0).granted_tokens().tokens(), 150);
  EXPECT_EQ(granted->responses(1).granted_r_u_tokens(0).granted_tokens().tokens(), 150);
  rm::DeleteResourceGroupRequest del;
  del.set_resource_group_name("one");
  ASSERT_TRUE(
      ask<rm::DeleteResourceGroupResponse>(node_->resources(), del, &api::ResourceManager::delete_resource_group).ok());
  EXPECT_EQ(list()->groups_size(), 1);
  del.set_resource_group_name("default");
  EXPECT_EQ(ask<rm::DeleteResourceGroupResponse>(node_->resources(), del, &api::ResourceManager::delete_resource_group)
                .error()
                .message,
            "[PD:resourcemanager:ErrDeleteReservedGroup]cannot delete reserved group");
}

// A keyspace has a default group whether or not there is such a keyspace.
TEST_F(NodeTest, WhoAsksInTheNameOfManyKeyspacesTakesNoTokensFromOthers) {
  start();
  rm::PutResourceGroupRequest put;
  put.mutable_group()->set_name("one");
  put.mutable_group()->set_mode(rm::RUMode);
  put.mutable_group()->mutable_r_u_settings()->mutable_r_u()->mutable_settings()->set_fill_rate(100);
  ASSERT_TRUE(
      ask<rm::PutResourceGroupResponse>(node_->resources(), put, &api::ResourceManager::add_resource_group).ok());
  rm::TokenBucketsRequest tokens;
  tokens.set_client_unique_id(7);
  const auto add = [&](const char* name) -> auto& {
    auto& asked = *tokens.add_requests();
    asked.set_resource_group_name(name);
    asked.mutable_ru_items()->add_request_r_u()->set_value(50);
    return asked;
  };
  for (uint32_t keyspace = 1; keyspace <= 20'000; ++keyspace) add("default").mutable_keyspace_id()->set_value(keyspace);
  add("one");
  const auto granted =
      ask<rm::TokenBucketsResponse>(node_->resources(), tokens, &api::ResourceManager::acquire_token_buckets);
  ASSERT_EQ(granted->responses_size(), 20'001);
  EXPECT_EQ(granted->responses(20'000).resource_group_name(), "one");
  EXPECT_EQ(granted->responses(20'000).granted_r_u_tokens(0).granted_tokens().tokens(), 50);
}

}  // namespace
}  // namespace cairn::pd
