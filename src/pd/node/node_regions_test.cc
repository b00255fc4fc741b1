// Regions through pd::Node: reports, routing, splits, scans.
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, AStaleReportIsRefused) {
  start();
  bootstrap();
  open_stream();
  auto region = first_region();
  region.mutable_region_epoch()->set_version(3);
  report(region);
  region.mutable_region_epoch()->set_version(2);
  report(region);
  ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(2)));
  EXPECT_EQ(commands_[0].header().error().message().rfind("region is stale", 0), 0);
}

TEST_F(NodeTest, QueryRegionAnswersKeysAndIdsByOneMap) {
  start();
  bootstrap();
  open_stream();
  auto left = first_region();
  left.set_end_key("m");
  left.mutable_region_epoch()->set_version(2);
  auto right = left;
  right.set_id(200);
  right.set_start_key("m");
  right.set_end_key("");
  right.mutable_peers(0)->set_id(201);
  report(left);
  report(right);
  pdpb::QueryRegionRequest request;
  request.add_keys("a");
  request.add_keys("z");
  request.add_prev_keys("z");
  request.add_prev_keys("a");
  request.add_ids(200);
  request.add_ids(999);
  auto response = call<pdpb::QueryRegionResponse>(request, &Node::query_region);
  EXPECT_EQ(response.key_id_map(0), 100);
  EXPECT_EQ(response.key_id_map(1), 200);
  EXPECT_EQ(response.prev_key_id_map(0), 100);
  EXPECT_EQ(response.prev_key_id_map(1), 0);
  EXPECT_EQ(response.regions_by_id_size(), 2);
  EXPECT_EQ(response.regions_by_id().at(200).leader().id(), 201);
}

TEST_F(NodeTest, SplitIdsAreFreshAndOnePeerIdForEachPeer) {
  start();
  bootstrap();
  pdpb::AskBatchSplitRequest request;
  *request.mutable_region() = first_region();
  request.set_split_count(3);
  const uint64_t before = next_id();
  auto response = call<pdpb::AskBatchSplitResponse>(request, &Node::ask_batch_split);
  ASSERT_EQ(response.ids_size(), 3);
  uint64_t expected = before;
  for (const auto& ids : response.ids()) {
    EXPECT_EQ(ids.new_region_id(), ++expected);
    ASSERT_EQ(ids.new_peer_ids_size(), 1);
    EXPECT_EQ(ids.new_peer_ids(0), ++expected);
  }
  EXPECT_EQ(next_id(), expected + 1);
}

// Neither ids nor memory go to a request without measure.
TEST_F(NodeTest, ASplitIntoTooManyIsRefused) {
  start();
  bootstrap();
  const uint64_t before = next_id();
  pdpb::AskBatchSplitRequest request;
  *request.mutable_region() = first_region();
  for (int i = 0; i < 1000; ++i) request.mutable_region()->add_peers();
  request.set_split_count(100'000);
  EXPECT_EQ(call<pdpb::AskBatchSplitResponse>(request, &Node::ask_batch_split).header().error().message(),
            "invalid split count 100000 of a region of 1001 peers");
  request.set_split_count(0);
  EXPECT_TRUE(call<pdpb::AskBatchSplitResponse>(request, &Node::ask_batch_split).header().has_error());
  EXPECT_EQ(next_id(), before + 1);
}

TEST_F(NodeTest, ASplitLeavesNoHoleInRoutingWhateverReportComesFirst) {
  start();
  bootstrap();
  open_stream();
  auto parent = first_region();
  report(parent);
  parent.set_end_key("m");
  parent.mutable_region_epoch()->set_version(2);
  auto child = parent;
  child.set_id(200);
  child.set_start_key("m");
  child.set_end_key("");
  child.mutable_peers(0)->set_id(201);
  auto id_at = [&](const Bytes& key) {
    pdpb::GetRegionRequest request;
    request.set_region_key(key);
    return call<pdpb::GetRegionResponse>(request, &Node::get_region).region().id();
  };
  report(child);
  EXPECT_EQ(id_at("a"), 100u) << "the parent has not reported yet";
  EXPECT_EQ(id_at("z"), 200u);
  report(parent);
  EXPECT_EQ(id_at("a"), 100u);
  // The next one is told by a report of the split alone.
  auto left = child;
  left.set_id(300);
  left.set_end_key("t");
  left.mutable_peers(0)->set_id(301);
  left.mutable_region_epoch()->set_version(3);
  auto right = child;
  right.set_start_key("t");
  right.mutable_region_epoch()->set_version(3);
  pdpb::ReportBatchSplitRequest split;
  *split.add_regions() = left;
  *split.add_regions() = right;
  call<pdpb::ReportBatchSplitResponse>(split, &Node::report_batch_split);
  EXPECT_EQ(id_at("n"), 300u);
  EXPECT_EQ(id_at("z"), 200u);
  pdpb::GetRegionRequest request;
  request.set_region_key("n");
  EXPECT_EQ(call<pdpb::GetRegionResponse>(request, &Node::get_region).leader().id(), 301u);
}

// Clients scatter what they have just split, and wait until PD knows of it.
TEST_F(NodeTest, ToScatterRegionsOfWhichNoneIsKnownIsRefused) {
  start();
  bootstrap();
  pdpb::ScatterRegionRequest request;
  request.add_regions_id(300);
  const auto error_of = [&] {
    return call<pdpb::ScatterRegionResponse>(request, &Node::scatter_region).header().error().type();
  };
  EXPECT_EQ(error_of(), pdpb::REGION_NOT_FOUND);
  request.add_regions_id(first_region().id());
  EXPECT_EQ(error_of(), pdpb::OK) << "another of them may be told of later";
}

TEST_F(NodeTest, AReportThatCannotBeARegionIsRefused) {
  start();
  bootstrap();
  open_stream();
  auto region = first_region();
  region.set_start_key("z");
  region.set_end_key("a");
  report(region);
  ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(2)));
  EXPECT_NE(commands_[0].header().error().message().find("invalid request region 100"), std::string::npos);
}

// Whatever is asked of all regions, what others ask meanwhile is answered between its slices.
TEST_F(NodeTest, AScanOfAllRegionsGoesInSlicesAndStopsNobody) {
  start();
  bootstrap();
  open_stream();
  constexpr uint64_t kRegions = 20'000;
  auto key_of = [](uint64_t i) { return i == 0 || i == kRegions ? Bytes() : fmt::format("{:08}", i); };
  for (uint64_t i = 0; i < kRegions; ++i) {
    auto region = first_region();
    region.set_id(1000 + i);
    region.set_start_key(key_of(i));
    region.set_end_key(key_of(i + 1));
    region.mutable_region_epoch()->set_version(2);
    report(region);
  }
  next_id();  // from now on there are ids that need no disk
  pdpb::ScanRegionsRequest all;
  all.mutable_header()->set_cluster_id(cluster_id_);
  std::optional<api::Reply<pdpb::ScanRegionsResponse>> scanned;
  node_->scan_regions(api::make_call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse>(
      all, [&](api::Reply<pdpb::ScanRegionsResponse> reply) { scanned = std::move(reply); }));
  // Another client that asks again as soon as it is answered.
  auto other = executors_->make("client");
  int answered = 0;
  bool asks = true;
  std::function<void()> ask_again = [&] {
    pdpb::AllocIDRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    node_->alloc_id(api::make_call<pdpb::AllocIDRequest, pdpb::AllocIDResponse>(
        request, [&](const api::Reply<pdpb::AllocIDResponse>&) {
          asks = !scanned.has_value() && ++answered < 1000;
          if (asks) other->post(ask_again);
        }));
  };
  other->post(ask_again);
  ASSERT_TRUE(loop_.run_until([&] { return scanned.has_value() && !asks; }, std::chrono::seconds(5)));
  EXPECT_GT(answered, 5) << "others had their turn";
  ASSERT_TRUE(scanned->ok());
  EXPECT_EQ((*scanned)->regions_size(), static_cast<int>(kRegions));
  EXPECT_EQ((*scanned)->leaders_size(), static_cast<int>(kRegions));
  EXPECT_EQ((*scanned)->header().cluster_id(), cluster_id_);
}

}  // namespace
}  // namespace cairn::pd
