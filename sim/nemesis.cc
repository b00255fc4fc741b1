#include "sim/nemesis.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "pd/member/identity.h"
#include "pd/member/member_records.h"
#include "pd/node/node.h"
#include "runtime/async.h"
#include "sim/region_faults.h"
#include "sim/targets.h"
#include "store/store.h"

namespace cairn::sim {

namespace {

engine::CrashKind draw_kind(runtime::Random& dice) {
  return dice.chance(0.7) ? engine::CrashKind::kMachine : engine::CrashKind::kProcess;
}

StoreHost& draw_store(World& world, runtime::Random& dice) {
  return *world.stores()[dice.below(world.stores().size())];
}

// PD, or one of its members, the leader as often as not.
Host& draw_pd(World& world, runtime::Random& dice) {
  if (world.pds() == 1 || dice.chance(0.5)) return world.pd();
  return *world.pd_hosts().all[dice.below(world.pds())];
}

// Often the old leader is cut off in the middle of it and does not learn of the new one, or the new one from PD, which
// is to tell it a timestamp above all reads of the old one.
runtime::Task<void> transfer_leader(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const auto heir = draw_heir(*chosen, dice);
  if (!heir) co_return;
  const bool is_heir_cut_off = dice.chance(0.3);
  const auto heirs_node = world->directory().find(heir->store);
  if (is_heir_cut_off && heirs_node) {
    world->network().block(*heirs_node, world->pd().node());
    world->network().block(world->pd().node(), *heirs_node);
  }
  chosen->first->store()->transfer_leader(chosen->second.region.id, heir->id);
  if (!is_heir_cut_off && dice.chance(0.4)) co_return;
  co_await runtime::sleep(*executor, dice.between(Duration{}, 4ms));
  if (!is_heir_cut_off) cut_off(*world, chosen->first->node());
  co_await runtime::sleep(*executor, dice.between(100ms, 2s));
  world->network().mend_links();
}

// A store that plays a TiKV comes to lead, and is cut off while its long lease runs.
runtime::Task<void> maroon_tikv(World* world, runtime::Executor* executor, runtime::Random dice) {
  const auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const NodeId tikv = world->stores().front()->node();
  for (const auto& peer : chosen->second.region.peers) {
    if (chosen->first->node() == tikv || world->directory().find(peer.store) != tikv) continue;
    chosen->first->store()->transfer_leader(chosen->second.region.id, peer.id);
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 400ms));
  cut_off(*world, tikv);
  co_await runtime::sleep(*executor, dice.between(2s, 6s));
  world->network().mend_links();
}

void hand_back(World& world, RegionId region, PeerId to) {
  if (const auto leader = find_leader(world, region)) leader->first->store()->transfer_leader(region, to);
}

// Leadership goes away and comes back while what the first leader had committed still waits for its applier.
runtime::Task<void> bounce(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const auto heir = draw_heir(*chosen, dice);
  if (!heir) co_return;
  const RegionId region = chosen->second.region.id;
  const Duration stall = dice.between(300ms, 3s);
  chosen->first->stall("apply", stall);
  co_await runtime::sleep(*executor, dice.between(Duration{}, 100ms));
  hand_back(*world, region, heir->id);
  for (int tries = 0; tries < 8; ++tries) {
    co_await runtime::sleep(*executor, stall / 10);
    hand_back(*world, region, chosen->second.peer);
  }
}

// Breaks links in one of several ways; they mend after a while.
runtime::Task<void> cut_links(World* world, runtime::Executor* executor, runtime::Random dice) {
  Network& network = world->network();
  const uint64_t nodes = world->pds() + world->stores().size();  // PD comes first, the stores follow
  auto any = [&] { return NodeId(dice.between(1, nodes)); };
  switch (dice.below(4)) {
    case 0:
      network.isolate(any());
      break;
    case 1:
      cut_off(*world, any());
      break;
    case 2:
      network.block(any(), any());
      break;
    default:
      network.clog(any(), any(), dice.between(100ms, 2s));
      break;
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 4s));
  network.mend_links();
}

runtime::Task<void> bad_weather(World* world, runtime::Executor* executor, runtime::Random dice) {
  world->network().weather() = Weather{.delay_max = dice.between(1ms, 50ms),
                                       .loss = dice.fraction() * 0.2,
                                       .duplicate = dice.fraction() * 0.3,
                                       .straggle = dice.fraction() * 0.2,
                                       .repeat = dice.fraction() * 0.2};
  co_await runtime::sleep(*executor, dice.between(100ms, 4s));
  world->network().weather() = Weather{};
}

runtime::Task<void> crash_and_restart(Host* host, runtime::Executor* executor, runtime::Random dice) {
  host->crash(draw_kind(dice));
  co_await runtime::sleep(*executor, dice.between(10ms, 2s));
  if (!host->is_up()) host->start();
}

runtime::Task<void> pause_and_resume(Host* host, runtime::Executor* executor, runtime::Random dice) {
  host->pause();
  co_await runtime::sleep(*executor, dice.between(100ms, 3s));
  host->resume();
}

// One follower does not hear the leader and asks for votes; the other heard it a moment ago, and restarts.
runtime::Task<void> usurp(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const auto followers = followers_of(*world, *chosen, dice);
  if (followers.size() < 2) co_return;
  const NodeId leader = chosen->first->node();
  const NodeId usurper = followers[0]->node();
  world->network().block(leader, usurper);
  world->network().block(usurper, leader);
  co_await runtime::sleep(*executor, dice.between(600ms, 2s));
  if (followers[1]->is_up()) {
    followers[1]->crash(draw_kind(dice));
    co_await runtime::sleep(*executor, dice.between(1ms, 30ms));
    if (!followers[1]->is_up()) followers[1]->start();
    if (dice.chance(0.5)) cut_off(*world, leader);
  }
  co_await runtime::sleep(*executor, dice.between(200ms, 2s));
  world->network().mend_links();
}

// Others fill the store's disk, into its reserve or into the half of it that is the engine's own.
runtime::Task<void> fill_disk(Host* host, uint64_t reserve, runtime::Executor* executor, runtime::Random dice) {
  engine::MemoryDisk& disk = host->disk();
  disk.set_capacity(disk.used() + dice.between(reserve / 4, reserve));
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  disk.set_capacity(kRoomyDisk);
}

void stall_thread(Host& host, runtime::Random& dice) {
  static constexpr const char* kThreads[] = {"apply-0", "apply-1",  "apply",      "raft-log",
                                             "read",    "snapshot", "disk-looks", "pd-log"};
  host.stall(kThreads[dice.below(std::size(kThreads))], dice.between(100ms, 3s));
}

// A lease ends a tenth before the others' patience does: clocks may differ by a twentieth either way (replica.cc).
void disturb_clock(Host& host, runtime::Random& dice) {
  constexpr int64_t kBound = 50'000;
  switch (dice.below(3)) {
    case 0:
      host.clock().set_drift(dice.chance(0.5) ? kBound : -kBound);
      break;
    case 1:
      host.clock().set_drift(static_cast<int64_t>(dice.below(2 * kBound + 1)) - kBound);
      break;
    default:
      host.clock().jump_wall(dice.between(Duration{}, 4s) - 2s);
      break;
  }
}

// Whether PD's leader counts on each of the members.
runtime::Task<bool> all_vote(World* world, runtime::Executor* executor) {
  pd::Node* leader = world->pd().pd_node();
  if (leader == nullptr) co_return false;
  using etcdserverpb::MemberListRequest;
  using etcdserverpb::MemberListResponse;
  auto& etcd = leader->etcd();
  const auto told = co_await api::ask<MemberListRequest, MemberListResponse>(
      *executor, 2s, MemberListRequest(), [&etcd](auto call) { etcd.member_list(std::move(call)); });
  if (!told.ok() || static_cast<size_t>(told->members_size()) != world->pds()) co_return false;
  co_return std::none_of(told->members().begin(), told->members().end(),
                         [](const auto& one) { return one.islearner(); });
}

// A member of PD loses its disk, is taken out of the group and joins anew, whoever leads meanwhile.
runtime::Task<void> replace_pd(World* world, runtime::Executor* executor, runtime::Random dice) {
  PdHost& lost = *world->pd_hosts().all[dice.below(world->pds())];
  // One at a time, while all others run, and once whoever came anew has its vote: or a majority might be lost for good.
  if (!co_await all_vote(world, executor)) co_return;
  for (const PdHost* host : world->pd_hosts().all) {
    if (!host->is_up() || !host->has_place()) co_return;
  }
  const uint64_t former = lost.member();
  lost.crash(engine::CrashKind::kMachine);
  lost.lose_disk();
  co_await runtime::sleep(*executor, dice.between(10ms, 2s));
  // Goes on until it is done: the faults may be over by then.
  for (bool is_out = false; !lost.is_up();) {
    co_await runtime::sleep(*executor, dice.between(50ms, 500ms));
    pd::Node* leader = world->pd().pd_node();
    if (leader == nullptr) continue;
    auto& members = leader->members();
    if (!is_out) {
      cairnpb::RemoveMemberRequest request;
      request.mutable_header()->set_cluster_id(kCluster.value);
      request.set_id(former);
      const auto reply = co_await api::ask<cairnpb::RemoveMemberRequest, cairnpb::RemoveMemberResponse>(
          *executor, 2s, std::move(request), [&members](auto call) { members.remove_member(std::move(call)); });
      // It may be out already, by a request whose answer did not come.
      is_out = reply.ok() && (!reply->header().has_error() ||
                              reply->header().error().message().find("not found") != std::string::npos);
      continue;
    }
    cairnpb::JoinGroupRequest request;
    request.set_name(lost.name());
    request.add_peer_urls("http://" + lost.name() + ":2380");
    const auto reply = co_await api::ask<cairnpb::JoinGroupRequest, cairnpb::JoinGroupResponse>(
        *executor, 2s, std::move(request), [&members](auto call) { members.join_group(std::move(call)); });
    if (!reply.ok() || reply->header().has_error()) continue;
    pd::Identity identity{
        .member_id = reply->member_id(), .group_id = reply->group_id(), .data_id = dice.next() | 1, .initial = {}};
    for (const auto& member : reply->members()) identity.initial.push_back(pd::info_of(member));
    lost.take_place(identity);
    lost.start();
  }
}

void compact(StoreHost& host, runtime::Random& dice) {
  engine::KvEngine* data = host.data();
  if (data == nullptr) return;
  data->flush_soon();
  if (dice.chance(0.5)) return;
  host.run_on("gc-compact", [data] {
    std::atomic<bool> canceled = false;
    for (engine::Cf cf : {engine::Cf::kDefault, engine::Cf::kWrite}) {
      static_cast<void>(data->compact(cf, {}, {}, canceled));  // an engine that is full says so to the store, too
    }
  });
}

void spoil(World* world, runtime::Executor* executor, Fault fault, runtime::Random& dice) {
  StoreHost& store = draw_store(*world, dice);
  Host& anyone = dice.chance(world->pds() == 1 ? 0.2 : 0.5) ? draw_pd(*world, dice) : static_cast<Host&>(store);
  ++world->faults[static_cast<size_t>(fault)];
  switch (fault) {
    case Fault::kCrash:
      return runtime::spawn(*executor, crash_and_restart(&anyone, executor, dice.fork()));
    case Fault::kPartition:
      return runtime::spawn(*executor, cut_links(world, executor, dice.fork()));
    case Fault::kWeather:
      return runtime::spawn(*executor, bad_weather(world, executor, dice.fork()));
    case Fault::kPause:
      return runtime::spawn(*executor, pause_and_resume(&anyone, executor, dice.fork()));
    case Fault::kStall:
      return stall_thread(anyone, dice);
    case Fault::kClock:
      return disturb_clock(anyone, dice);
    case Fault::kPdClock:
      if (world->pds() > 1 && dice.chance(0.3)) {
        return runtime::spawn(*executor, replace_pd(world, executor, dice.fork()));
      }
      return draw_pd(*world, dice).clock().jump_wall(dice.between(Duration{}, 20s) - 10s);
    case Fault::kTransfer:
      if (world->options().tikvs > 0 && dice.chance(0.5)) {
        return runtime::spawn(*executor, maroon_tikv(world, executor, dice.fork()));
      }
      return runtime::spawn(*executor, transfer_leader(world, executor, dice.fork()));
    case Fault::kBounce:
      return runtime::spawn(*executor, bounce(world, executor, dice.fork()));
    case Fault::kFullDisk:
      return runtime::spawn(*executor, fill_disk(&store, kReserveSpace, executor, dice.fork()));
    case Fault::kSplit:
      return split_region(world, executor, dice);
    case Fault::kMembership:
      return runtime::spawn(*executor, change_membership(world, executor, dice.fork()));
    case Fault::kCompaction:
      return compact(store, dice);
    case Fault::kUsurper:
      return runtime::spawn(*executor, usurp(world, executor, dice.fork()));
    case Fault::kAmbush:
      return world->set_ambush(dice.chance(0.5) ? Ambush::kInstaller : Ambush::kVoter);
  }
}

Fault draw_fault(const Profile& profile, runtime::Random& dice) {
  uint64_t sum = 0;
  for (uint64_t weight : profile.weights) sum += weight;
  uint64_t point = dice.below(sum);
  for (size_t kind = 0;; ++kind) {
    if (point < profile.weights[kind]) return static_cast<Fault>(kind);
    point -= profile.weights[kind];
  }
}

}  // namespace

runtime::Task<void> rage(World* world, runtime::Executor* executor, Duration span, uint64_t seed, bool* is_over) {
  runtime::Random dice(seed);
  const Profile& profile = world->profile();
  const Duration begin = world->loop().now();
  auto goes_on = [&] {
    const Duration passed = world->loop().now() - begin;
    return !world->is_failed() && (passed < span || (!world->is_eventful() && passed < 5 * span));
  };
  while (goes_on()) {
    co_await runtime::sleep(*executor, dice.between(profile.pace_min, profile.pace_max));
    // Beyond the span, what each seed must see is made to happen.
    const bool is_late = world->loop().now() - begin >= span;
    if (is_late && !draw_leader(*world, dice)) continue;  // without one none of it comes, and crashes would keep it so
    constexpr Fault kWanted[] = {Fault::kSplit, Fault::kSplit, Fault::kTransfer, Fault::kMembership, Fault::kCrash};
    spoil(world, executor, is_late ? kWanted[dice.below(std::size(kWanted))] : draw_fault(profile, dice), dice);
  }
  *is_over = true;
}

runtime::Task<void> crash_installer(StoreHost* host, runtime::Executor* executor, runtime::Random dice) {
  co_await runtime::sleep(*executor, dice.between(Duration{}, dice.chance(0.5) ? 5ms : 100ms));
  if (host->is_up()) co_await crash_and_restart(host, executor, dice.fork());
}

runtime::Task<void> crash_voter(World* world, StoreHost* voter, NodeId candidate, runtime::Executor* executor,
                                runtime::Random dice) {
  const Duration sync = world->profile().disk.sync;
  co_await runtime::sleep(*executor, dice.between(Duration{}, sync + 100us));
  if (!voter->is_up()) co_return;
  voter->crash(engine::CrashKind::kMachine);
  co_await runtime::sleep(*executor, 1ms);  // the vote arrives
  cut_off(*world, candidate);
  co_await runtime::sleep(*executor, dice.between(Duration{}, 30ms));
  if (!voter->is_up()) voter->start();
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  world->network().mend_links();
}

}  // namespace cairn::sim
