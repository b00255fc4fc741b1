// MemberService: who the members are, who leads, and how members join and leave. Any member tells the first two.
//
// Each member tells the others of itself now and then; the leader keeps what it hears in the members' records. A
// newcomer follows first, and votes once it keeps up: a new member that never starts must not stop the group. Owned by
// NodeCore, on "pd". Tests: members_test.cc, node_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "api/members.h"
#include "api/pd.h"
#include "pd/config.h"
#include "pd/member/leadership.h"
#include "pd/meta/etcd.h"

namespace cairn::pd {

class MemberService {
 public:
  MemberService(Leadership& leadership, const Options& options)
      : leadership_(leadership), options_(options), lane_(leadership.executor(), 1) {}

  // A leadership begins: the group's records are written if they are not there.
  runtime::Task<void> begin();
  // Often; leading or not.
  void on_timer();
  void on_announced(const cairnpb::MemberRecord& record);
  // As far as it is known, by id.
  std::vector<cairnpb::MemberRecord> members() const;
  // Whether the member told of itself a moment ago.
  bool is_well(uint64_t member) const;
  // Of the members that keep up, the one of the highest leads; 0 unless it was set.
  int32_t leader_priority(uint64_t member) const;
  // `done` learns why it was not set; nothing if it was.
  using Done = std::function<void(api::Status)>;
  void set_leader_priority(const std::string& name, int32_t priority, Done done);
  // This node, if it serves, or whom it follows; 0: not known.
  uint64_t leader() const;

  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call);
  void get_cluster_info(api::Call<pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse> call);
  void is_snapshot_recovering(api::Call<pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse> call);
#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_MEMBERS_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  cairnpb::MemberRecord self() const;
  // Commits what a member tells of itself.
  runtime::Task<void> save(cairnpb::MemberRecord record);
  // What a newcomer is told: the members with which the group began, and those that joined later, marked as learners.
  // It may be sent the log from its first entry, and so begins with the membership of then.
  std::vector<cairnpb::MemberRecord> as_it_began_and_is() const;
  // A learner that keeps up gets its vote.
  void promote();
  // Leadership goes to a member of a higher priority that keeps up, if there is one; on the leader.
  void give_way();
  runtime::Task<void> serve_set_leader_priority(std::string name, int32_t priority, Done done);
  runtime::Task<void> serve_join_group(api::Call<cairnpb::JoinGroupRequest, cairnpb::JoinGroupResponse> call);
  runtime::Task<void> serve_remove_member(api::Call<cairnpb::RemoveMemberRequest, cairnpb::RemoveMemberResponse> call);
  runtime::Task<CommandResult> commit_members(MetaTxn txn);

  Leadership& leadership_;
  const Options& options_;
  Instant next_announcement_;
  Instant next_look_at_priorities_;
  std::map<uint64_t, Instant> heard_of_;  // members; when last
  bool is_saving_ = false;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
