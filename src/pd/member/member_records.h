// The members of the group as PD's own records hold them: one each, changed through the log like all others. Who votes
// and who only follows is read from them, so that a change of the membership and of its record are one. A group that
// began with one member has no such records until another joins. Pure. Tests: member_records_test.cc.
#pragma once

#include <optional>
#include <vector>

#include "cairnpb.pb.h"
#include "pd/config.h"
#include "pd/meta/own_records.h"
#include "raft/types.h"

namespace cairn::pd {

inline const Bytes kMembersPrefix = "/pd/members/";
Bytes member_key(uint64_t id);
// That a member was removed: it does not come back under this id.
inline const Bytes kRemovedMembersPrefix = "/pd/removed_members/";
Bytes removed_member_key(uint64_t id);

cairnpb::MemberRecord record_of(const MemberInfo& member);
MemberInfo info_of(const cairnpb::MemberRecord& record);

// By id. Records that cannot be read are left out: find_damaged_member() finds them.
std::vector<cairnpb::MemberRecord> read_members(const OwnRecords& own);
std::optional<cairnpb::MemberRecord> find_member(const OwnRecords& own, uint64_t id);
// The damaged record's key, if there is one.
std::optional<Bytes> find_damaged_member(const OwnRecords& own);

// As the records have it; as `initial` has it if there are none.
raft::ConfState conf_of(const OwnRecords& own, const std::vector<MemberInfo>& initial);
// The steps from the one to the other.
raft::ConfChange difference(const raft::ConfState& before, const raft::ConfState& after);

}  // namespace cairn::pd
