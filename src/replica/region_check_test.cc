#include "replica/region_check.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

engine::RegionDescription region() {
  engine::RegionDescription out;
  out.id = RegionId(1);
  out.epoch = {2, 5};
  out.start_key = "b";
  out.end_key = "y";
  return out;
}

template <class E>
bool is(const std::optional<engine::RegionError>& error) {
  return error && std::holds_alternative<E>(*error);
}

TEST(RegionCheck, TheFirstReasonInOrderIsGiven) {
  auto r = region();
  PeerView view{StoreId(1), PeerId(11), Term(8), false, true, std::nullopt, &r};
  engine::RegionRequest request;
  request.store = StoreId(2);
  request.peer = PeerId(12);
  request.term = Term(3);
  request.epoch = {2, 4};
  EXPECT_TRUE(is<engine::StoreNotMatch>(check_request(request, view)));
  request.store = StoreId(1);
  EXPECT_TRUE(is<engine::NotLeader>(check_request(request, view)));
  view.is_leader = true;
  EXPECT_TRUE(is<engine::MismatchPeerId>(check_request(request, view)));
  request.peer = PeerId(11);
  EXPECT_TRUE(is<engine::StaleCommand>(check_request(request, view)));
  request.term = Term(7);
  EXPECT_TRUE(is<engine::EpochNotMatch>(check_request(request, view)));
  request.epoch = {1, 5};  // conf_ver is not looked at
  EXPECT_FALSE(check_request(request, view));
}

TEST(RegionCheck, AFollowerMayAnswerReadsMeantForReplicas) {
  auto r = region();
  PeerView view{StoreId(1), PeerId(11), Term(8), false, true, std::nullopt, &r};
  engine::RegionRequest request;
  request.replica_read = true;
  EXPECT_FALSE(check_request(request, view));
  view.is_initialized = false;
  EXPECT_TRUE(is<engine::RegionNotInitialized>(check_request(request, view)));
}

TEST(RegionCheck, KeysLieBetweenTheBounds) {
  auto r = region();
  EXPECT_FALSE(check_key("b", r));
  EXPECT_TRUE(is<engine::KeyNotInRegion>(check_key("y", r)));
  EXPECT_TRUE(is<engine::KeyNotInRegion>(check_key("a", r)));
  r.end_key.clear();
  EXPECT_FALSE(check_key("zzz", r));
}

}  // namespace
}  // namespace cairn::replica
