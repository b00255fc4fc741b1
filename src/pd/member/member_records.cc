#include "pd/member/member_records.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::pd {
namespace {

bool parse(ByteView value, cairnpb::MemberRecord& record) {
  return record.ParseFromArray(value.data(), static_cast<int>(value.size()));
}

bool contains(const std::vector<PeerId>& ids, PeerId id) { return std::count(ids.begin(), ids.end(), id) > 0; }

}  // namespace

Bytes member_key(uint64_t id) { return kMembersPrefix + fmt::format("{:016x}", id); }
Bytes removed_member_key(uint64_t id) { return kRemovedMembersPrefix + fmt::format("{:016x}", id); }

cairnpb::MemberRecord record_of(const MemberInfo& member) {
  cairnpb::MemberRecord record;
  record.set_id(member.id);
  record.set_name(member.name);
  for (const auto& url : member.client_urls) record.add_client_urls(url);
  for (const auto& url : member.peer_urls) record.add_peer_urls(url);
  record.set_is_learner(member.is_learner);
  return record;
}

MemberInfo info_of(const cairnpb::MemberRecord& record) {
  return {.id = record.id(),
          .name = record.name(),
          .client_urls = {record.client_urls().begin(), record.client_urls().end()},
          .peer_urls = {record.peer_urls().begin(), record.peer_urls().end()},
          .is_learner = record.is_learner()};
}

std::vector<cairnpb::MemberRecord> read_members(const OwnRecords& own) {
  std::vector<cairnpb::MemberRecord> members;
  own.scan_prefix(kMembersPrefix, [&](ByteView, ByteView value) {
    if (!parse(value, members.emplace_back())) members.pop_back();
  });
  return members;
}

std::optional<cairnpb::MemberRecord> find_member(const OwnRecords& own, uint64_t id) {
  const auto value = own.value(member_key(id));
  cairnpb::MemberRecord record;
  if (!value || !parse(*value, record)) return std::nullopt;
  return record;
}

std::optional<Bytes> find_damaged_member(const OwnRecords& own) {
  std::optional<Bytes> damaged;
  own.scan_prefix(kMembersPrefix, [&](ByteView key, ByteView value) {
    cairnpb::MemberRecord record;
    if (!parse(value, record) || member_key(record.id()) != key || record.id() == 0) damaged = Bytes(key);
  });
  return damaged;
}

raft::ConfState conf_of(const OwnRecords& own, const std::vector<MemberInfo>& initial) {
  raft::ConfState conf;
  const auto add = [&](uint64_t id, bool is_learner) { (is_learner ? conf.learners : conf.voters).emplace_back(id); };
  const auto members = read_members(own);
  for (const auto& member : members) add(member.id(), member.is_learner());
  if (members.empty()) {
    // Those that joined later come by the log, which a newcomer may be sent from its first entry.
    for (const auto& member : initial) {
      if (!member.is_learner) add(member.id, false);
    }
  }
  std::sort(conf.voters.begin(), conf.voters.end());
  std::sort(conf.learners.begin(), conf.learners.end());
  return conf;
}

raft::ConfChange difference(const raft::ConfState& before, const raft::ConfState& after) {
  raft::ConfChange change;
  for (const auto id : after.voters) {
    if (!contains(before.voters, id)) change.changes.push_back({raft::ConfChangeType::kAddVoter, id});
  }
  for (const auto id : after.learners) {
    if (!contains(before.learners, id)) change.changes.push_back({raft::ConfChangeType::kAddLearner, id});
  }
  for (const auto* ids : {&before.voters, &before.learners}) {
    for (const auto id : *ids) {
      if (!contains(after.voters, id) && !contains(after.learners, id)) {
        change.changes.push_back({raft::ConfChangeType::kRemove, id});
      }
    }
  }
  return change;
}

}  // namespace cairn::pd
