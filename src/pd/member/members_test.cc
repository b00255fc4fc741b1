// Nodes of several members on the simulated loop: who leads, what they tell of one another, how timestamps go on when
// the leader dies, how members join and leave, and who is refused.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory/memory_engine.h"
#include "http/router.h"
#include "pd/http/pages.h"
#include "pd/member/identity.h"
#include "pd/meta/raft_codec.h"
#include "pd/node/node.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::pd {
namespace {

class MembersTest : public ::testing::Test {
 protected:
  // One member's machine.
  struct Machine final : PeerTransport {
    explicit Machine(MembersTest& t) : test(t) {}
    void send(uint64_t to, Bytes message) override { test.deliver(*this, to, std::move(message)); }
    void set_address(const MemberInfo& member) override { addresses[member.id] = member.peer_urls.at(0); }
    void on_heard_of(uint64_t) override {}

    MembersTest& test;
    Options options;
    std::map<uint64_t, std::string> addresses;
    std::shared_ptr<engine::MemoryDisk> disk = std::make_shared<engine::MemoryDisk>();
    std::unique_ptr<runtime::SimExecutors> executors;
    std::unique_ptr<engine::KvEngine> kv;
    std::unique_ptr<engine::RaftLogEngine> log;
    std::unique_ptr<Node> node;
    bool serves = false;
    std::string fatal;
  };

  ~MembersTest() override {
    for (auto& [name, machine] : machines_) crash(name);
  }

  // Members that begin together.
  void begin(const std::string& initial_cluster) {
    const auto members = parse_initial_cluster(initial_cluster).value();
    for (const auto& member : members) {
      auto& machine = make(member.name);
      machine.options.members = members;
      machine.options.member_id = member.id;
      machine.options.group_id = group_id_of(members);
      machine.options.data_id = ++last_data_id_;
      for (auto& other : machine.options.members) {
        if (other.id == member.id) other.client_urls = {"http://" + member.name + ":2379"};
      }
      start(member.name);
    }
  }

  Machine& make(const std::string& name) {
    auto& machine = machines_[name];
    machine = std::make_unique<Machine>(*this);
    return *machine;
  }
  Machine& machine(const std::string& name) { return *machines_.at(name); }

  void start(const std::string& name) {
    auto& m = machine(name);
    m.executors = std::make_unique<runtime::SimExecutors>(loop_, clock_, name);
    m.kv = engine::open_memory_kv(m.disk);
    m.log = engine::open_memory_raft_log(m.disk);
    m.fatal.clear();
    if (const auto known = read_identity(*m.kv).value()) known->put_into(m.options);
    m.node = std::make_unique<Node>(m.options, Dependencies{.clock = clock_,
                                                            .executors = *m.executors,
                                                            .kv = *m.kv,
                                                            .raft_log = *m.log,
                                                            .seed = loop_.random().next(),
                                                            .transport = &m,
                                                            .on_fatal = [&m](const std::string& why) { m.fatal = why; },
                                                            .on_serving = [&m](bool serves) { m.serves = serves; }});
    m.node->start([](const api::Status&) {});
  }

  void crash(const std::string& name) {
    auto& m = machine(name);
    if (!m.node) return;
    m.executors->kill();
    m.disk->crash(loop_.random());
    m.node.reset();
    m.kv.reset();
    m.log.reset();
    m.serves = false;
    m.executors.reset();
  }

  void deliver(Machine& from, uint64_t to, Bytes message) {
    if (&from == cut_off_ || (is_held_ && is_held_(message))) return;
    const auto address = from.addresses.find(to);
    if (address == from.addresses.end()) return;
    for (auto& [name, machine] : machines_) {
      if (!machine->node || machine->options.members.empty()) continue;
      if (address->second != url_of(*machine) || machine.get() == cut_off_) continue;
      const auto delay = loop_.random().between(Duration(100us), Duration(2ms));
      network_->after(delay, [this, name, message = std::move(message)]() mutable {
        if (machines_.at(name)->node) machines_.at(name)->node->receive(std::move(message));
      });
      return;
    }
  }
  static std::string url_of(const Machine& machine) {
    for (const auto& member : machine.options.members) {
      if (member.id == machine.options.member_id) return member.peer_urls.at(0);
    }
    return "";
  }

  static raft::Message raft_message(const Bytes& bytes) {
    cairnpb::PeerMessage message;
    raft::Message raft;
    EXPECT_TRUE(message.ParseFromString(bytes));
    if (message.has_raft()) EXPECT_TRUE(decode_message(message.raft(), raft));
    return raft;
  }
  uint64_t term_at(const std::string& name) {
    auto reply =
        ask<etcdserverpb::StatusResponse>(machine(name).node->etcd(), etcdserverpb::StatusRequest(), &EtcdKv::status);
    return reply.ok() ? reply->raftterm() : 0;
  }

  // What the member's disk holds now, on another one.
  std::shared_ptr<engine::MemoryDisk> copy_disk(const std::string& name) {
    auto& m = machine(name);
    auto disk = std::make_shared<engine::MemoryDisk>();
    const auto kv = engine::open_memory_kv(disk);
    const auto log = engine::open_memory_raft_log(disk);
    auto batch = kv->new_batch();
    const auto snapshot = m.kv->snapshot();
    const auto iterator = snapshot->iterator(engine::Cf::kDefault, {});
    for (iterator->seek_to_first(); iterator->valid(); iterator->next()) {
      batch->put(engine::Cf::kDefault, iterator->key(), iterator->value());
    }
    EXPECT_TRUE(kv->write(*batch).ok() && kv->flush().ok());
    auto entries = log->new_batch();
    const RegionId group(1);
    const Bytes state = m.log->state(group).value().value();
    raft::HardState hard_state;
    LogIndex last;
    EXPECT_TRUE(decode_local_state(state, hard_state, last));
    std::vector<Bytes> found;
    EXPECT_TRUE(m.log->entries(group, LogIndex(1), last.next(), SIZE_MAX, found).ok());
    for (size_t i = 0; i < found.size(); ++i) entries->put_entry(group, LogIndex(i + 1), found[i]);
    entries->put_state(group, state);
    EXPECT_TRUE(log->write(*entries, engine::Sync::kYes).ok());
    return disk;
  }

  std::string await_leader() {
    std::string leader;
    const auto found = [&] {
      for (auto& [name, machine] : machines_) {
        if (machine->node && machine->serves) leader = name;
      }
      return !leader.empty();
    };
    EXPECT_TRUE(loop_.run_until(found, 30s)) << "no member leads";
    return leader;
  }

  template <class Resp, class Req, class Self, class Object>
  api::Reply<Resp> ask(Object& object, Req request, void (Self::*method)(api::Call<Req, Resp>)) {
    std::optional<api::Reply<Resp>> reply;
    (object.*method)(api::make_call<Req, Resp>(std::move(request), [&](api::Reply<Resp> r) { reply = std::move(r); }));
    EXPECT_TRUE(loop_.run_until([&] { return reply.has_value(); }, 30s));
    return std::move(*reply);
  }

  pdpb::GetMembersResponse members_at(const std::string& name) {
    auto reply = ask<pdpb::GetMembersResponse>(*machine(name).node, pdpb::GetMembersRequest(), &Node::get_members);
    return reply.ok() ? std::move(*reply) : pdpb::GetMembersResponse();
  }

  // From whoever serves; waits for one.
  uint64_t next_ts() {
    for (int tries = 0; tries < 100; ++tries) {
      const auto leader = await_leader();
      pdpb::TsoRequest request;
      request.set_count(1);
      request.mutable_header()->set_cluster_id(members_at(leader).header().cluster_id());
      auto reply = ask<pdpb::TsoResponse>(*machine(leader).node, request, &Node::tso);
      if (reply.ok()) {
        return (static_cast<uint64_t>(reply->timestamp().physical()) << 18) +
               static_cast<uint64_t>(reply->timestamp().logical());
      }
      loop_.run_for(20ms);
    }
    ADD_FAILURE() << "no timestamp";
    return 0;
  }

  // A new machine asks the leader for its place and starts.
  std::string join(const std::string& name) {
    cairnpb::JoinGroupRequest request;
    request.set_name(name);
    request.add_peer_urls("http://" + name + ":1");
    auto reply =
        ask<cairnpb::JoinGroupResponse>(machine(await_leader()).node->members(), request, &api::Members::join_group);
    if (!reply.ok()) return reply.error().message;
    if (reply->header().has_error()) return reply->header().error().message();
    auto& newcomer = make(name);
    newcomer.options.members = {{.client_urls = {"http://" + name + ":2379"}}};
    Identity identity{.member_id = reply->member_id(), .group_id = reply->group_id(), .data_id = ++last_data_id_};
    for (const auto& member : reply->members()) {
      identity.initial.push_back({.id = member.id(),
                                  .name = member.name(),
                                  .client_urls = {},
                                  .peer_urls = {member.peer_urls().begin(), member.peer_urls().end()},
                                  .is_learner = member.is_learner()});
    }
    identity.put_into(newcomer.options);
    start(name);
    return "";
  }

  std::string remove(const std::string& name) {
    const auto leader = await_leader();
    cairnpb::RemoveMemberRequest request;
    request.mutable_header()->set_cluster_id(members_at(leader).header().cluster_id());
    request.set_name(name);
    auto reply =
        ask<cairnpb::RemoveMemberResponse>(machine(leader).node->members(), request, &api::Members::remove_member);
    return !reply.ok() ? reply.error().message : reply->header().error().message();
  }

  runtime::SimLoop loop_{7};
  runtime::SimClock clock_{loop_, std::chrono::hours(500'000)};
  runtime::SimExecutors network_threads_{loop_, clock_, "network"};
  std::shared_ptr<runtime::Executor> network_ = network_threads_.make("wire");
  std::map<std::string, std::unique_ptr<Machine>> machines_;
  uint64_t last_data_id_ = 0;
  Machine* cut_off_ = nullptr;                 // from all others
  std::function<bool(const Bytes&)> is_held_;  // messages that do not come
};

constexpr const char* kThree = "a=http://a:1,b=http://b:1,c=http://c:1";

TEST_F(MembersTest, EachMemberTellsOfAll) {
  begin(kThree);
  const auto leader = await_leader();
  loop_.run_for(3s);  // all have told of themselves
  for (const char* name : {"a", "b", "c"}) {
    const auto members = members_at(name);
    ASSERT_EQ(members.members_size(), 3) << name;
    EXPECT_EQ(members.leader().name(), leader) << name;
    EXPECT_EQ(members.etcd_leader().name(), leader) << name;
    for (const auto& member : members.members()) {
      ASSERT_EQ(member.client_urls_size(), 1) << member.name();
      EXPECT_EQ(member.client_urls(0), "http://" + member.name() + ":2379");
    }
    if (name == leader) continue;
    pdpb::AllocIDRequest request;
    request.mutable_header()->set_cluster_id(members.header().cluster_id());
    const auto refused = ask<pdpb::AllocIDResponse>(*machine(name).node, request, &Node::alloc_id);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().message, "not leader");
  }
}

TEST_F(MembersTest, TimestampsGoOnWhenTheLeaderDies) {
  begin(kThree);
  uint64_t newest = 0;
  for (int death = 0; death < 6; ++death) {
    for (int i = 0; i < 5; ++i) {
      const uint64_t ts = next_ts();
      EXPECT_GT(ts, newest);
      newest = ts;
    }
    const auto leader = await_leader();
    crash(leader);
    const auto since = clock_.now();
    EXPECT_GT(next_ts(), newest);
    EXPECT_LT(clock_.now() - since, 5s);
    start(leader);
    loop_.run_for(1s);
  }
}

TEST_F(MembersTest, ALeaderThatIsCutOffHandsOutNothingAfterItsLease) {
  begin(kThree);
  uint64_t newest = next_ts();
  const auto old = await_leader();
  const uint64_t cluster = members_at(old).header().cluster_id();
  const auto ask_for_ts = [&](const std::string& name) {
    pdpb::TsoRequest request;
    request.set_count(1);
    request.mutable_header()->set_cluster_id(cluster);
    const auto reply = ask<pdpb::TsoResponse>(*machine(name).node, request, &Node::tso);
    return !reply.ok() ? uint64_t{0}
                       : (static_cast<uint64_t>(reply->timestamp().physical()) << 18) +
                             static_cast<uint64_t>(reply->timestamp().logical());
  };
  cut_off_ = &machine(old);
  bool has_successor = false;
  for (int i = 0; i < 3000; ++i) {
    for (const char* name : {"a", "b", "c"}) {
      const uint64_t ts = ask_for_ts(name);
      if (ts == 0) continue;
      EXPECT_GT(ts, newest) << name;
      newest = ts;
      if (name == old) {
        ASSERT_FALSE(has_successor);
      } else {
        has_successor = true;
      }
    }
    loop_.run_for(1ms);
  }
  EXPECT_TRUE(has_successor);
  cut_off_ = nullptr;
  loop_.run_for(5s);
  EXPECT_GT(next_ts(), newest);
}

// Whoever gets the leader's word may be elected at once, whatever the others promised to the leader.
TEST_F(MembersTest, ALeaderWhoseWordToCampaignIsUnderWayLeadsNoMoreInThatTerm) {
  begin(kThree);
  next_ts();
  const auto leader = await_leader();
  const uint64_t term = term_at(leader);
  is_held_ = [](const Bytes& bytes) { return raft_message(bytes).type == raft::MessageType::kTimeoutNow; };
  machine(leader).node->resign(10ms, [] {});
  loop_.run_for(50ms);
  for (int i = 0; i < 5000; ++i) {
    loop_.run_for(1ms);
    pdpb::TsoRequest request;
    request.set_count(1);
    request.mutable_header()->set_cluster_id(members_at(leader).header().cluster_id());
    const auto reply = ask<pdpb::TsoResponse>(*machine(leader).node, request, &Node::tso);
    ASSERT_FALSE(reply.ok() && term_at(leader) == term) << "its successor may be there already";
  }
  is_held_ = nullptr;
  next_ts();
  EXPECT_GT(term_at(leader), term);
}

// What a member that began alone has applied may be of the time before others joined.
TEST_F(MembersTest, AMemberThatBeganAloneKeepsItsPromisesOverARestart) {
  auto& first = make("a");
  first.options.members = {{.id = 1, .name = "a", .client_urls = {"http://a:2379"}, .peer_urls = {"http://a:1"}}};
  start("a");
  next_ts();
  EXPECT_EQ(join("b"), "");
  loop_.run_for(5s);
  EXPECT_EQ(join("c"), "");
  loop_.run_for(5s);
  for (int round = 0; round < 10; ++round) {
    while (await_leader() != "b") {
      machine(await_leader()).node->resign(1s, [] {});
      loop_.run_for(2s);
    }
    // "c" hears nothing of the leader, but for "a" it is alive.
    const std::string b_url = "http://b:1";
    machine("b").addresses.erase(machine("c").options.member_id);
    loop_.run_for(4s);
    ASSERT_TRUE(machine("b").serves && !machine("c").serves);
    const auto since = clock_.now();
    crash("a");
    cut_off_ = &machine("b");
    start("a");
    loop_.run_until([&] { return machine("a").serves || machine("c").serves; }, 20s);
    const auto& options = machine("a").options;
    EXPECT_GE(clock_.now() - since, options.raft_tick * options.raft_election_ticks * 8 / 10);
    cut_off_ = nullptr;
    machine("b").addresses[machine("c").options.member_id] = "http://c:1";
    loop_.run_for(3s);
  }
}

TEST_F(MembersTest, AMemberThatComesBackWithAnOlderCopyOfItsDataStops) {
  begin(kThree);
  next_ts();
  loop_.run_for(3s);
  const std::string leader = await_leader();
  const std::string other = leader == "a" ? "b" : "a";
  const auto copy = copy_disk(other);
  for (int i = 0; i < 5; ++i) {
    loop_.run_for(4s);  // bounds of timestamps are saved
    next_ts();
  }
  ASSERT_EQ(await_leader(), leader);
  crash(other);
  machine(other).disk = copy;
  start(other);
  ASSERT_TRUE(loop_.run_until([&] { return !machine(other).fatal.empty(); }, 30s));
  EXPECT_NE(machine(other).fatal.find("is an older copy"), std::string::npos) << machine(other).fatal;
  next_ts();
}

TEST_F(MembersTest, TheMemberOfTheHighestPriorityLeadsIfItKeepsUp) {
  begin(kThree);
  next_ts();
  loop_.run_for(3s);
  const std::string leader = await_leader();
  const std::string wanted = leader == "a" ? "b" : "a";
  http::Router router;
  machine(leader).node->add_pages(router, HttpSettings{}, 0);
  std::optional<http::Response> answer;
  http::Request request;
  request.method = "POST";
  request.path = "/pd/api/v1/members/name/" + wanted;
  request.body = R"({"leader-priority": 5})";
  router.serve(std::move(request), http::Responder([&](http::Response told) { answer = std::move(told); }));
  EXPECT_TRUE(loop_.run_until([&] { return answer.has_value() && machine(wanted).serves; }, 10s)) << "at once";
  EXPECT_EQ(answer->status, 200) << answer->body;
  loop_.run_for(3s);
  const auto told = members_at(wanted);
  for (const auto& member : told.members()) {
    EXPECT_EQ(member.leader_priority(), member.name() == wanted ? 5 : 0);
  }
  crash(wanted);
  next_ts();
  EXPECT_NE(await_leader(), wanted);
  loop_.run_for(70s);
  EXPECT_NE(await_leader(), wanted);
  start(wanted);
  EXPECT_TRUE(loop_.run_until([&] { return machine(wanted).serves; }, 90s));
  next_ts();
}

TEST_F(MembersTest, WhoIsNeededIsNotTakenOut) {
  begin(kThree);
  next_ts();
  const std::string leader = await_leader();
  const std::string present = leader == "a" ? "b" : "a";
  const std::string dead = leader == "c" ? "b" : "c";
  const std::string gone = present == dead ? "c" : dead;
  crash(gone);
  loop_.run_for(5s);
  ASSERT_EQ(await_leader(), leader);
  EXPECT_NE(remove(present).find("not enough started members"), std::string::npos);
  EXPECT_EQ(remove(gone), "");
  EXPECT_EQ(members_at(leader).members_size(), 2);
}

TEST_F(MembersTest, PagesTellOfThoseThatAreMembersNow) {
  begin(kThree);
  next_ts();
  loop_.run_for(3s);
  const std::string leader = await_leader();
  const std::string other = leader == "a" ? "b" : "a";
  EXPECT_EQ(join("d"), "");
  loop_.run_for(5s);
  std::map<std::string, http::Router> routers;
  for (const auto& name : {leader, other, std::string("d")}) {
    machine(name).node->add_pages(routers[name], HttpSettings{}, 0);
  }
  const auto page = [&](const std::string& name, const std::string& path, const std::string& method = "GET",
                        const std::string& body = "") {
    std::optional<http::Response> answer;
    http::Request request;
    request.method = method;
    request.body = body;
    request.path = path;
    routers[name].serve(std::move(request), http::Responder([&](http::Response told) { answer = std::move(told); }));
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, 30s));
    return answer.value_or(http::Response());
  };
  const auto members = Json::parse(page(leader, "/pd/api/v1/members").body, nullptr, false);
  EXPECT_EQ(members["members"].size(), 4U) << members;
  EXPECT_EQ(members["leader"]["name"], leader);
  EXPECT_EQ(members["leader"]["client_urls"][0], "http://" + leader + ":2379");
  // Each was told of the leader's client URLs by the leader itself.
  for (const auto& name : {other, std::string("d")}) {
    const auto sent_on = page(name, "/pd/api/v1/members");
    ASSERT_EQ(sent_on.status, 307) << sent_on.body;
    EXPECT_EQ(sent_on.headers.at(0).second, "http://" + leader + ":2379/pd/api/v1/members");
    const auto health = Json::parse(page(name, "/pd/api/v1/health").body, nullptr, false);
    ASSERT_EQ(health.size(), 4U);
    for (const auto& one : health) EXPECT_TRUE(one["health"]) << one;
  }
  const auto words = [](const http::Response& told) { return Json::parse(told.body, nullptr, false); };
  const std::string named = "/pd/api/v1/members/name/";
  EXPECT_EQ(words(page(leader, named + leader, "POST", R"({"leader-priority": 3})")), "success");
  EXPECT_EQ(words(page(leader, named + leader, "POST", R"({"leader-priority": "3"})")), "bad format leader priority");
  EXPECT_EQ(page(leader, named + "nobody", "POST", R"({"leader-priority": 3})").status, 404);
  EXPECT_EQ(words(page(leader, "/pd/api/v1/members"))["leader"]["leader_priority"], 3);
  EXPECT_EQ(words(page(leader, named + "nobody", "DELETE")), "not found, pd: nobody");
  EXPECT_EQ(page(leader, "/pd/api/v1/leader/transfer/nobody", "POST").status, 404);
  EXPECT_EQ(words(page(leader, "/pd/api/v1/leader/transfer/" + leader, "POST")), "The transfer command is submitted.");
  crash("d");
  loop_.run_for(10s);
  for (const auto& one : Json::parse(page(leader, "/pd/api/v1/health").body, nullptr, false)) {
    EXPECT_EQ(one["health"], one["name"] != "d") << one;
  }
  EXPECT_EQ(words(page(leader, named + "d", "DELETE")), "removed, pd: d");
  EXPECT_EQ(words(page(leader, "/pd/api/v1/members"))["members"].size(), 3U);
}

TEST_F(MembersTest, AMemberThatComesBackWithoutItsDataIsRefused) {
  begin(kThree);
  next_ts();
  loop_.run_for(3s);
  const std::string lost = await_leader() == "a" ? "b" : "a";
  crash(lost);
  machine(lost).disk = std::make_shared<engine::MemoryDisk>();
  machine(lost).options.data_id = ++last_data_id_;
  start(lost);
  ASSERT_TRUE(loop_.run_until([&] { return !machine(lost).fatal.empty(); }, 30s));
  EXPECT_NE(machine(lost).fatal.find("has already been bootstrapped"), std::string::npos) << machine(lost).fatal;
  next_ts();
  // Removed, it may join anew; under the same URLs.
  EXPECT_EQ(remove(lost), "");
  crash(lost);
  EXPECT_EQ(join(lost), "");
  loop_.run_for(5s);
  EXPECT_EQ(machine(lost).fatal, "");
  EXPECT_EQ(members_at(lost).members_size(), 3);
}

TEST_F(MembersTest, MembersOfTwoClustersRefuseOneAnother) {
  begin(kThree);
  next_ts();
  crash("c");
  // A member of another cluster at that place.
  const auto others = parse_initial_cluster("c=http://c:1,x=http://a:1,y=http://b:1").value();
  auto& stranger = make("c");
  stranger.options.members = others;
  stranger.options.member_id = others[0].id;
  stranger.options.group_id = group_id_of(others);
  stranger.options.data_id = ++last_data_id_;
  start("c");
  loop_.run_for(10s);
  EXPECT_FALSE(stranger.serves);
  EXPECT_EQ(members_at("c").members_size(), 0);
  next_ts();
  EXPECT_EQ(members_at(await_leader()).members_size(), 3);
}

TEST_F(MembersTest, MembersJoinOneByOneAndOutliveTheFirst) {
  auto& first = make("a");
  first.options.members = {{.id = 1, .name = "a", .client_urls = {"http://a:2379"}, .peer_urls = {"http://a:1"}}};
  start("a");
  uint64_t newest = next_ts();
  EXPECT_EQ(join("b"), "");
  EXPECT_EQ(join("c"), "");
  const auto votes = [&](size_t count) {
    return [this, count] {
      size_t voters = 0;
      const auto told = members_at(await_leader());
      for (const auto& member : told.members()) voters += static_cast<size_t>(member.client_urls_size());
      return voters == count;
    };
  };
  for (int i = 0; i < 100 && !votes(3)(); ++i) loop_.run_for(100ms);
  loop_.run_for(5s);  // both vote
  EXPECT_EQ(members_at("b").members_size(), 3);
  crash("a");
  const uint64_t ts = next_ts();
  EXPECT_GT(ts, newest);
  newest = ts;
  EXPECT_EQ(remove("a"), "");
  EXPECT_EQ(members_at(await_leader()).members_size(), 2);
  start("a");
  loop_.run_until([&] { return !machine("a").fatal.empty(); }, 30s);
  EXPECT_NE(machine("a").fatal.find("has been removed from the cluster"), std::string::npos) << machine("a").fatal;
  EXPECT_GT(next_ts(), newest);
}

TEST_F(MembersTest, AJoinThatCannotBeIsRefusedInWords) {
  begin(kThree);
  next_ts();
  EXPECT_NE(join("a").find("there is a member of the name a already"), std::string::npos);
  EXPECT_EQ(remove("d"), "not found, pd: d");
  EXPECT_NE(remove(await_leader()).find("let another member lead first"), std::string::npos);
}

TEST_F(MembersTest, LeadershipIsHandedOver) {
  begin(kThree);
  uint64_t newest = next_ts();
  const auto leader = await_leader();
  bool is_gone = false;
  machine(leader).node->resign(1s, [&] { is_gone = true; });
  ASSERT_TRUE(loop_.run_until([&] { return is_gone; }, 2s));
  EXPECT_FALSE(machine(leader).serves);
  EXPECT_GT(next_ts(), newest);
  EXPECT_NE(await_leader(), leader);
}

}  // namespace
}  // namespace cairn::pd
