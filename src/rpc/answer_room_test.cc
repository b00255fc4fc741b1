#include "rpc/answer_room.h"

#include <gtest/gtest.h>

namespace cairn::rpc {
namespace {

// Begins as many as there is room for.
size_t begin_all(AnswerRoom& room, uint32_t values) {
  size_t begun = 0;
  for (; room.has_room(values); ++begun) room.begin(values);
  return begun;
}

TEST(AnswerRoom, LargeScansGoOneByOne) {
  AnswerRoom room;
  EXPECT_EQ(begin_all(room, 100'000), 1u);
  EXPECT_TRUE(room.has_room(1)) << "what wants one value does not wait";
  room.end(100'000, 11 << 20);
  EXPECT_FALSE(room.has_room(100'000)) << "its answer waits for the network";
  EXPECT_FALSE(room.has_room(1));
  room.on_sent(11 << 20);
  EXPECT_EQ(begin_all(room, 100'000), 1u);
}

TEST(AnswerRoom, ExpectsMuchUntilItHasSeenThatAnswersAreSmall) {
  AnswerRoom room;
  EXPECT_EQ(begin_all(room, 10'000), 4u);
  for (int i = 0; i < 4; ++i) room.end(10'000, 1000);
  for (int i = 0; i < 200; ++i) {
    room.begin(256);
    room.end(256, 1000);
  }
  room.on_sent(204 * 1000);
  EXPECT_EQ(begin_all(room, 10'000), 14u);
  room.end(10'000, 40 << 20);
  room.on_sent(40 << 20);
  EXPECT_FALSE(room.has_room(10)) << "one was large: the others may be";
}

TEST(AnswerRoom, ManySingleValuesAreUnderWayAtOnce) {
  AnswerRoom room;
  EXPECT_EQ(begin_all(room, 1), 512u);
  for (int i = 0; i < 512; ++i) room.end(1, 100);
  room.on_sent(51'200);
  EXPECT_GT(begin_all(room, 1), 10'000u);
}

// A wait for a lock ends with the commit of whoever has it, which may come on the same stream.
TEST(AnswerRoom, WhatAnswersWithoutValuesWaitsForNothingThatIsExpected) {
  AnswerRoom room;
  room.begin(1);
  room.end(1, 4 << 20);
  room.on_sent(4 << 20);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(room.has_room(0));
    room.begin(0);
  }
  EXPECT_TRUE(room.has_room(1));
}

TEST(AnswerRoom, KnowsWhatRequestsAskFor) {
  tikvpb::BatchCommandsRequest::Request request;
  request.mutable_rawget()->set_key("k");
  EXPECT_EQ(values_asked(request), 1u);
  request.mutable_rawscan()->set_limit(300);
  EXPECT_EQ(values_asked(request), 300u);
  request.mutable_scan()->set_limit(UINT32_MAX);
  EXPECT_EQ(values_asked(request), AnswerRoom::kValuesMax);
  request.mutable_scanlock();
  EXPECT_EQ(values_asked(request), AnswerRoom::kValuesMax);
  request.mutable_batchget()->add_keys("a");
  request.mutable_batchget()->add_keys("b");
  EXPECT_EQ(values_asked(request), 2u);
  request.mutable_rawbatchget();
  EXPECT_EQ(values_asked(request), 1u);
  request.mutable_pessimisticlock();
  EXPECT_EQ(values_asked(request), 0u);
  kvrpcpb::RawBatchScanRequest scans;
  scans.set_each_limit(10);
  scans.add_ranges();
  scans.add_ranges();
  EXPECT_EQ(values_asked(scans), 20u);
}

}  // namespace
}  // namespace cairn::rpc
