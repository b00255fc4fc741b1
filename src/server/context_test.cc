#include "server/context.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

TEST(Context, SaysWhichRegionIsMeantAndUntilWhen) {
  kvrpcpb::Context context;
  context.set_region_id(7);
  context.mutable_peer()->set_id(8);
  context.mutable_peer()->set_store_id(9);
  context.mutable_region_epoch()->set_conf_ver(1);
  context.mutable_region_epoch()->set_version(2);
  context.set_term(3);
  context.set_replica_read(true);
  context.set_max_execution_duration_ms(500);
  const auto request = region_request(context, Instant{10s}, Timestamp(4));
  EXPECT_EQ(request.region, RegionId(7));
  EXPECT_EQ(request.peer, PeerId(8));
  EXPECT_EQ(request.store, StoreId(9));
  EXPECT_EQ(request.epoch, (engine::RegionEpoch{1, 2}));
  EXPECT_EQ(request.term, Term(3));
  EXPECT_TRUE(request.replica_read);
  EXPECT_EQ(request.read_ts, Timestamp(4));
  EXPECT_EQ(request.deadline, Instant{10s} + 500ms);
}

TEST(Context, WithoutADurationThereIsNoDeadlineAndAHugeOneDoesNotOverflow) {
  kvrpcpb::Context context;
  EXPECT_EQ(region_request(context, Instant{10s}).deadline, Instant{Duration::max()});
  context.set_max_execution_duration_ms(UINT64_MAX);
  EXPECT_GT(region_request(context, Instant{10s}).deadline, Instant{10s});
}

TEST(Context, AnotherClustersRequestFailsTheCall) {
  kvrpcpb::Context context;
  NodeOptions options;
  options.cluster = ClusterId(5);
  EXPECT_TRUE(check_cluster(context, options).ok()) << "none named";
  context.set_cluster_id(5);
  EXPECT_TRUE(check_cluster(context, options).ok());
  context.set_cluster_id(6);
  EXPECT_EQ(check_cluster(context, options).code, api::Code::kInvalidArgument);
}

TEST(Context, ApiVersionsMustMatch) {
  kvrpcpb::Context context;
  NodeOptions options;
  EXPECT_FALSE(check_api_version(context, Family::kTransaction, options));
  EXPECT_FALSE(check_api_version(context, Family::kRaw, options));
  context.set_api_version(kvrpcpb::APIVersion::V2);
  EXPECT_TRUE(check_api_version(context, Family::kRaw, options));
  EXPECT_TRUE(check_api_version(context, Family::kTransaction, options));
  EXPECT_FALSE(check_api_version(context, Family::kAdmin, options));
  context.set_api_version(kvrpcpb::APIVersion::V1);
  options.api_version = ApiVersion::kV1Ttl;
  EXPECT_FALSE(check_api_version(context, Family::kRaw, options));
  EXPECT_EQ(check_api_version(context, Family::kTransaction, options),
            "ApiVersionNotMatched: the request is of API version V1, this store of V1TTL, which takes no transactions");
  options.api_version = ApiVersion::kV2;
  EXPECT_EQ(check_api_version(context, Family::kRaw, options),
            "ApiVersionNotMatched: the request is of API version V1, this store of V2");
  EXPECT_FALSE(check_api_version(context, Family::kTransaction, options)) << "a SQL layer speaks V1";
  context.set_api_version(kvrpcpb::APIVersion::V2);
  EXPECT_FALSE(check_api_version(context, Family::kRaw, options));
  EXPECT_FALSE(check_api_version(context, Family::kTransaction, options));
  context.set_api_version(kvrpcpb::APIVersion::V1TTL);
  EXPECT_TRUE(check_api_version(context, Family::kRaw, options));
}

TEST(Context, ReadOptionsCarryIsolationAndKnownLocks) {
  kvrpcpb::Context context;
  context.set_isolation_level(kvrpcpb::IsolationLevel::RCCheckTS);
  context.add_resolved_locks(3);
  context.add_committed_locks(4);
  context.set_not_fill_cache(true);
  const auto options = read_options(context, Timestamp(9));
  EXPECT_EQ(options.read_ts, Timestamp(9));
  EXPECT_EQ(options.isolation, mvcc::IsolationLevel::kRcCheckTs);
  EXPECT_EQ(options.resolved_locks, std::vector<Timestamp>{Timestamp(3)});
  EXPECT_EQ(options.committed_locks, std::vector<Timestamp>{Timestamp(4)});
  EXPECT_FALSE(options.fill_cache);
}

}  // namespace
}  // namespace cairn::server
