#include "replica/message_check.h"

#include <gtest/gtest.h>

#include <functional>

#include "replica/command.h"
#include "replica/wire.h"

namespace cairn::replica {
namespace {

using raft_serverpb::RaftMessage;

metapb::Region region() {
  metapb::Region out;
  out.set_id(1);
  out.set_start_key("b");
  out.set_end_key("y");
  out.mutable_region_epoch()->set_conf_ver(1);
  out.mutable_region_epoch()->set_version(1);
  for (uint64_t id : {11, 12}) {
    auto& peer = *out.add_peers();
    peer.set_id(id);
    peer.set_store_id(id + 100);
  }
  return out;
}

RaftMessage message(eraftpb::MessageType type) {
  RaftMessage out;
  out.set_region_id(1);
  *out.mutable_from_peer() = region().peers(0);
  *out.mutable_to_peer() = region().peers(1);
  *out.mutable_region_epoch() = region().region_epoch();
  auto& raft = *out.mutable_message();
  raft.set_msg_type(type);
  raft.set_from(11);
  raft.set_to(12);
  raft.set_term(6);
  return out;
}

RaftMessage append() {
  auto out = message(eraftpb::MsgAppend);
  auto& raft = *out.mutable_message();
  raft.set_index(7);
  raft.set_log_term(6);
  auto& entry = *raft.add_entries();
  entry.set_index(8);
  entry.set_term(6);
  entry.set_data(serialize(make_write(region(), region().peers(0), Term(6), {})));
  raft.add_entries()->set_index(9);  // an empty one begins a term
  return out;
}

RaftMessage snapshot(const std::function<void(metapb::Region&)>& change = nullptr) {
  auto out = message(eraftpb::MsgSnapshot);
  raft_serverpb::RaftSnapshotData data;
  *data.mutable_region() = region();
  if (change) change(*data.mutable_region());
  auto& raft = *out.mutable_message()->mutable_snapshot();
  raft.set_data(serialize(data));
  raft.mutable_metadata()->set_index(20);
  raft.mutable_metadata()->set_term(6);
  return out;
}

TEST(MessageCheck, WhatStoresSendIsTaken) {
  for (auto type : {eraftpb::MsgHeartbeat, eraftpb::MsgRequestVote, eraftpb::MsgTimeoutNow, eraftpb::MsgReadIndex}) {
    EXPECT_EQ(why_malformed(message(type)), nullptr);
  }
  EXPECT_EQ(why_malformed(append()), nullptr);
  EXPECT_EQ(why_malformed(snapshot()), nullptr);
  // Of before the receiver came in.
  EXPECT_EQ(why_malformed(snapshot([](auto& r) { r.mutable_peers()->RemoveLast(); })), nullptr);
  auto tombstone = message(eraftpb::MsgHup);
  tombstone.clear_message();
  tombstone.set_is_tombstone(true);
  EXPECT_EQ(why_malformed(tombstone), nullptr);
}

TEST(MessageCheck, AMessageGoesBetweenThePeersOfItsEnvelope) {
  const auto refused = [](const std::function<void(RaftMessage&)>& change) {
    auto damaged = message(eraftpb::MsgHeartbeat);
    change(damaged);
    return why_malformed(damaged) != nullptr;
  };
  EXPECT_TRUE(refused([](auto& m) { m.mutable_message()->set_from(13); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_message()->set_to(11); }));
  EXPECT_TRUE(refused([](auto& m) { m.clear_from_peer(); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_to_peer()->set_store_id(0); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_region_id(0); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_message()->set_msg_type(static_cast<eraftpb::MessageType>(256)); }));
  EXPECT_TRUE(refused([](auto& m) {
    m.set_start_key("m");
    m.set_end_key("c");
  }));
}

TEST(MessageCheck, EntriesAreCommandsOfTheRegion) {
  const auto refused = [](const std::function<void(eraftpb::Message&)>& change) {
    auto damaged = append();
    change(*damaged.mutable_message());
    return why_malformed(damaged) != nullptr;
  };
  EXPECT_TRUE(refused([](auto& m) { m.mutable_entries(0)->set_data("\xff"); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_entries(0)->mutable_data()->pop_back(); }));
  EXPECT_TRUE(refused([](auto& m) {
    auto other = region();
    other.set_id(2);
    m.mutable_entries(0)->set_data(serialize(make_write(other, other.peers(0), Term(6), {})));
  }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_entries(0)->set_entry_type(static_cast<eraftpb::EntryType>(77)); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_entries(0)->set_entry_type(eraftpb::EntryConfChange); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_index(4); })) << "no log begins there";
}

TEST(MessageCheck, ASnapshotIsOfARegionThatCanBe) {
  const auto refused = [](const std::function<void(metapb::Region&)>& change) {
    return why_malformed(snapshot(change)) != nullptr;
  };
  EXPECT_TRUE(refused([](auto& r) { r.set_id(2); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_end_key("a"); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_region_epoch()->set_version(0); }));
  EXPECT_TRUE(refused([](auto& r) { *r.add_peers() = r.peers(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_peers(0)->set_store_id(r.peers(1).store_id()); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_peers(1)->set_store_id(500); })) << "the receiver is elsewhere";
  EXPECT_TRUE(refused([](auto& r) { r.mutable_peers(0)->set_role(static_cast<metapb::PeerRole>(9)); }));
  EXPECT_TRUE(refused([](auto& r) {
    for (auto& peer : *r.mutable_peers()) peer.set_role(metapb::Learner);
  }));
  auto nowhere = snapshot();
  nowhere.mutable_message()->mutable_snapshot()->mutable_metadata()->set_index(0);
  EXPECT_NE(why_malformed(nowhere), nullptr);
  auto garbage = snapshot();
  garbage.mutable_message()->mutable_snapshot()->set_data("\xff");
  EXPECT_NE(why_malformed(garbage), nullptr);
}

}  // namespace
}  // namespace cairn::replica
