#include "pd/member/member_service.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "pd/member/identity.h"
#include "pd/member/member_records.h"

namespace cairn::pd {
namespace {

constexpr Duration kAnnounceInterval = std::chrono::seconds(1);
constexpr Duration kWellAfterAnnouncement = kAnnounceInterval * 4;
constexpr Duration kPriorityInterval = std::chrono::minutes(1);  // PD's leader-priority-check-interval
constexpr size_t kMembersMax = 7;

// Decimal. A record of its own, as a member tells of all else in its record by itself.
Bytes leader_priority_key(uint64_t id) { return fmt::format("/pd/leader_priority/{:016x}", id); }

void fill_member(const cairnpb::MemberRecord& record, pdpb::Member& out) {
  out.set_name(record.name());
  out.set_member_id(record.id());
  *out.mutable_client_urls() = record.client_urls();
  *out.mutable_peer_urls() = record.peer_urls();
  out.set_binary_version(record.binary_version());
  out.set_deploy_path(record.deploy_path());
}

// What a member may tell of itself is taken over; what the group decides is kept.
cairnpb::MemberRecord merge(cairnpb::MemberRecord known, const cairnpb::MemberRecord& told) {
  *known.mutable_client_urls() = told.client_urls();
  *known.mutable_peer_urls() = told.peer_urls();
  known.set_name(told.name());
  known.set_binary_version(told.binary_version());
  known.set_deploy_path(told.deploy_path());
  if (known.data_id() == 0) known.set_data_id(told.data_id());
  return known;
}

bool is_same(const cairnpb::MemberRecord& one, const cairnpb::MemberRecord& other) {
  return one.SerializeAsString() == other.SerializeAsString();
}

}  // namespace

cairnpb::MemberRecord MemberService::self() const {
  cairnpb::MemberRecord record;
  for (const auto& member : options_.members) {
    if (member.id == options_.member_id) record = record_of(member);
  }
  record.set_binary_version("v" + options_.version);
  record.set_deploy_path(options_.deploy_path);
  record.set_data_id(options_.data_id);
  return record;
}

std::vector<cairnpb::MemberRecord> MemberService::members() const {
  auto records = read_members(leadership_.own());
  if (!records.empty()) return records;
  for (const auto& member : options_.members) {
    records.push_back(member.id == options_.member_id ? self() : record_of(member));
    records.back().set_binary_version("v" + options_.version);
  }
  return records;
}

uint64_t MemberService::leader() const {
  return leadership_.is_serving() ? options_.member_id : leadership_.group().leader();
}

runtime::Task<CommandResult> MemberService::commit_members(MetaTxn txn) {
  auto [promise, future] = runtime::one_shot<CommandResult>();
  leadership_.group().propose_members(
      std::move(txn), [p = std::move(promise)](CommandResult result) mutable { p.set(std::move(result)); });
  auto result = co_await future.wait(leadership_.executor());
  if (!result) co_return CommandResult{MetaGroup::not_leader(), {}};
  co_return std::move(*result);
}

runtime::Task<void> MemberService::begin() {
  is_saving_ = false;
  auto records = read_members(leadership_.own());
  if (records.empty() && options_.group_id == 0) co_return;  // it is alone
  MetaTxn txn;
  if (records.empty()) {
    for (const auto& member : options_.members) {
      const auto record = member.id == options_.member_id ? self() : record_of(member);
      txn.if_absent(member_key(member.id)).put(member_key(member.id), record.SerializeAsString());
    }
  } else if (const auto known = find_member(leadership_.own(), options_.member_id)) {
    const auto told = merge(*known, self());
    if (!is_same(*known, told)) txn.put(member_key(options_.member_id), told.SerializeAsString());
  }
  if (txn.has_writes()) co_await leadership_.commit(std::move(txn));
}

void MemberService::on_timer() {
  const auto now = leadership_.clock().now();
  if (now < next_announcement_) return;
  next_announcement_ = now + kAnnounceInterval;
  if (members().size() < 2) return;
  leadership_.group().announce(self());
  if (!leadership_.can_serve()) return;
  on_announced(self());
  promote();
  if (now < next_look_at_priorities_) return;
  next_look_at_priorities_ = now + kPriorityInterval;
  give_way();
}

int32_t MemberService::leader_priority(uint64_t member) const {
  int32_t priority = 0;
  if (const auto set = leadership_.own().value(leader_priority_key(member))) {
    std::from_chars(set->data(), set->data() + set->size(), priority);
  }
  return priority;
}

void MemberService::give_way() {
  uint64_t best = options_.member_id;
  for (const auto& member : members()) {
    const bool can_lead = !member.is_learner() && leadership_.group().keeps_up(member.id());
    if (can_lead && leader_priority(member.id()) > leader_priority(best)) best = member.id();
  }
  if (best == options_.member_id) return;
  LOG_INFO("member {:x} is to lead: its priority is {}, that of this one {}", best, leader_priority(best),
           leader_priority(options_.member_id));
  leadership_.group().transfer_leader(best);
}

void MemberService::set_leader_priority(const std::string& name, int32_t priority, Done done) {
  if (leadership_.is_stopping() || !leadership_.can_serve()) return done(MetaGroup::not_leader());
  leadership_.spawn(serve_set_leader_priority(name, priority, std::move(done)));
}

runtime::Task<void> MemberService::serve_set_leader_priority(std::string name, int32_t priority, Done done) {
  co_await lane_.acquire();
  MetaTxn txn;
  for (const auto& member : members()) {
    if (member.name() == name) txn.put(leader_priority_key(member.id()), std::to_string(priority));
  }
  api::Status status{api::Code::kNotFound, "not found, pd: " + name};
  if (txn.has_writes()) status = (co_await leadership_.commit(std::move(txn))).status;
  lane_.release();
  next_look_at_priorities_ = {};  // it takes effect at once
  done(std::move(status));
}

bool MemberService::is_well(uint64_t member) const {
  if (member == options_.member_id) return !leadership_.is_stopping();
  const auto heard_of = heard_of_.find(member);
  return heard_of != heard_of_.end() && leadership_.clock().now() - heard_of->second < kWellAfterAnnouncement;
}

void MemberService::on_announced(const cairnpb::MemberRecord& record) {
  const auto now = leadership_.clock().now();
  std::erase_if(heard_of_, [&](const auto& heard_of) { return now - heard_of.second >= kWellAfterAnnouncement; });
  heard_of_[record.id()] = now;
  if (!leadership_.can_serve() || is_saving_) return;
  const auto known = find_member(leadership_.own(), record.id());
  if (!known || is_same(*known, merge(*known, record))) return;
  is_saving_ = true;  // one at a time: it is told again
  if (!leadership_.spawn(save(record))) is_saving_ = false;
}

runtime::Task<void> MemberService::save(cairnpb::MemberRecord record) {
  co_await lane_.acquire();
  const uint64_t leadership = leadership_.number();
  if (const auto known = find_member(leadership_.own(), record.id())) {
    MetaTxn txn;
    txn.if_value(member_key(record.id()), *leadership_.own().value(member_key(record.id())))
        .put(member_key(record.id()), merge(*known, record).SerializeAsString());
    co_await leadership_.commit(std::move(txn));
  }
  if (leadership == leadership_.number()) is_saving_ = false;
  lane_.release();
}

void MemberService::promote() {
  for (auto& record : read_members(leadership_.own())) {
    if (!record.is_learner() || record.data_id() == 0 || !leadership_.group().keeps_up(record.id())) continue;
    LOG_INFO("member {} keeps up, and votes from now on", record.name());
    record.set_is_learner(false);
    MetaTxn txn;
    txn.if_value(member_key(record.id()), *leadership_.own().value(member_key(record.id())))
        .put(member_key(record.id()), record.SerializeAsString());
    leadership_.group().propose_members(std::move(txn), [](const CommandResult&) {});
    return;  // one at a time
  }
}

void MemberService::get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) {
  // Any member answers, as soon as it knows the cluster's id and who leads.
  if (leadership_.cluster_id() == 0) leadership_.set_cluster(number_of(leadership_.own().value(kClusterIdKey)));
  if (leadership_.is_stopping() || leadership_.cluster_id() == 0) {
    call.finish({api::Code::kUnavailable, "server not started, no leader"});
    return;
  }
  const uint64_t leads = leader();
  for (const auto& member : members()) {
    auto& told = *call.response().add_members();
    fill_member(member, told);
    told.set_leader_priority(leader_priority(member.id()));
    if (member.id() != leads) continue;
    fill_member(member, *call.response().mutable_leader());
    fill_member(member, *call.response().mutable_etcd_leader());
  }
  leadership_.finish(std::move(call));
}

void MemberService::get_cluster_info(api::Call<pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse> call) {
  call.response().add_servicemodes(pdpb::PD_SVC_MODE);
  for (const auto& member : members()) {
    for (const auto& url : member.client_urls()) call.response().add_tso_urls(url);
  }
  leadership_.finish(std::move(call));
}

void MemberService::is_snapshot_recovering(
    api::Call<pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse> call) {
  leadership_.finish(std::move(call));
}

std::vector<cairnpb::MemberRecord> MemberService::as_it_began_and_is() const {
  std::vector<cairnpb::MemberRecord> told;
  for (const auto& member : options_.members) {
    if (!member.is_learner) told.push_back(record_of(member));
  }
  for (auto& member : members()) {
    const bool is_told = std::any_of(told.begin(), told.end(),
                                     [&](const cairnpb::MemberRecord& other) { return other.id() == member.id(); });
    if (is_told) continue;
    member.set_is_learner(true);
    told.push_back(std::move(member));
  }
  return told;
}

void MemberService::join_group(api::Call<cairnpb::JoinGroupRequest, cairnpb::JoinGroupResponse> call) {
  if (leadership_.is_stopping() || !leadership_.can_serve()) return call.finish(MetaGroup::not_leader());
  leadership_.spawn(serve_join_group(std::move(call)));
}

runtime::Task<void> MemberService::serve_join_group(
    api::Call<cairnpb::JoinGroupRequest, cairnpb::JoinGroupResponse> call) {
  co_await lane_.acquire();
  MemberInfo info{.name = call.request().name(),
                  .client_urls = {},
                  .peer_urls = {call.request().peer_urls().begin(), call.request().peer_urls().end()},
                  .is_learner = true};
  auto known = members();
  std::string reason;
  if (info.name.empty() || info.peer_urls.empty()) reason = "a member needs a name and peer-urls";
  std::optional<uint64_t> waiting;  // it asked before, and did not start yet
  for (const auto& member : known) {
    const bool has_same_urls =
        std::equal(member.peer_urls().begin(), member.peer_urls().end(), info.peer_urls.begin(), info.peer_urls.end());
    if (member.name() == info.name && has_same_urls && member.data_id() == 0 && member.is_learner()) {
      waiting = member.id();
    } else if (member.name() == info.name) {
      reason = "there is a member of the name " + info.name + " already: if its data are lost, remove it first";
    } else if (std::any_of(member.peer_urls().begin(), member.peer_urls().end(), [&](const std::string& url) {
                 return std::count(info.peer_urls.begin(), info.peer_urls.end(), url) > 0;
               })) {
      reason = "the member " + member.name() + " has the same peer-urls";
    }
  }
  if (reason.empty() && !waiting && known.size() >= kMembersMax) {
    reason = fmt::format("a group has at most {} members", kMembersMax);
  }
  CommandResult result;
  if (reason.empty() && !waiting) {
    // The same URLs may have belonged to a member that was removed.
    info.id = member_id_of(info.peer_urls);
    for (uint64_t life = 1; leadership_.own().value(removed_member_key(info.id)); ++life) {
      auto urls = info.peer_urls;
      urls.push_back(fmt::format("life {}", life));
      info.id = member_id_of(urls);
    }
    if (read_members(leadership_.own()).empty()) {
      // The group began with one member: it gets its record first.
      MetaTxn first;
      for (const auto& member : known) first.put(member_key(member.id()), member.SerializeAsString());
      result = co_await leadership_.commit(std::move(first));
    }
    MetaTxn txn;
    txn.if_absent(member_key(info.id)).put(member_key(info.id), record_of(info).SerializeAsString());
    if (result.status.ok()) result = co_await commit_members(std::move(txn));
  } else if (waiting) {
    info.id = *waiting;
  }
  if (!result.status.ok()) {
    call.finish(std::move(result.status));
  } else if (!reason.empty()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
  } else {
    LOG_INFO("member {} joins, as {:x}", info.name, info.id);
    call.response().set_member_id(info.id);
    call.response().set_group_id(leadership_.group().group_id());
    for (auto& member : as_it_began_and_is()) *call.response().add_members() = std::move(member);
    leadership_.finish(std::move(call));
  }
  lane_.release();
}

void MemberService::remove_member(api::Call<cairnpb::RemoveMemberRequest, cairnpb::RemoveMemberResponse> call) {
  if (leadership_.admit(call)) leadership_.spawn(serve_remove_member(std::move(call)));
}

runtime::Task<void> MemberService::serve_remove_member(
    api::Call<cairnpb::RemoveMemberRequest, cairnpb::RemoveMemberResponse> call) {
  co_await lane_.acquire();
  const auto known = members();
  const auto& request = call.request();
  const auto found = std::find_if(known.begin(), known.end(), [&](const cairnpb::MemberRecord& member) {
    return request.id() != 0 ? member.id() == request.id() : member.name() == request.name();
  });
  const auto refuse = [&](std::string reason) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(reason));
    lane_.release();
  };
  if (found == known.end()) {
    refuse(fmt::format("not found, pd: {}", request.id() != 0 ? fmt::format("{}", request.id()) : request.name()));
    co_return;
  }
  if (found->id() == options_.member_id) {
    refuse(known.size() == 1 ? "the only member cannot be removed"
                             : "the leader cannot remove itself: let another member lead first");
    co_return;
  }
  if (!leadership_.group().can_do_without(found->id())) {
    refuse("re-configuration failed due to not enough started members: without " + found->name() +
           " too few of those that vote would be there");
    co_return;
  }
  MetaTxn txn;
  txn.del(member_key(found->id()))
      .del(leader_priority_key(found->id()))
      .put(removed_member_key(found->id()), found->name());
  auto result = co_await commit_members(std::move(txn));
  if (result.status.ok()) {
    LOG_INFO("member {} is removed", found->name());
    leadership_.finish(std::move(call));
  } else {
    call.finish(std::move(result.status));
  }
  lane_.release();
}

void MemberService::transfer_leader(api::Call<cairnpb::TransferLeaderRequest, cairnpb::TransferLeaderResponse> call) {
  if (!leadership_.admit(call)) return;
  const std::string name = call.request().name();
  uint64_t to = 0;
  for (const auto& member : members()) {
    if (!name.empty() && member.name() == name) to = member.id();
  }
  if (!name.empty() && to == 0) {
    return leadership_.refuse(std::move(call), pdpb::UNKNOWN, "not found, pd: " + name);
  }
  if (to != options_.member_id) leadership_.group().transfer_leader(to);
  leadership_.finish(std::move(call));
}

}  // namespace cairn::pd
