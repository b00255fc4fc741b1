#include "replica/apply.h"

#include <utility>

#include "replica/conf_change.h"
#include "replica/keys.h"
#include "replica/metrics.h"
#include "replica/region_check.h"

namespace cairn::replica {
namespace {

engine::RegionError refused(std::string reason) { return engine::OtherRegionError{std::move(reason)}; }

struct EpochRule {
  bool version = false;
  bool conf_ver = false;
};

EpochRule rule_of(const raft_cmdpb::RaftCmdRequest& command) {
  if (!command.has_admin_request()) return {.version = true};
  switch (command.admin_request().cmd_type()) {
    case raft_cmdpb::ChangePeer:
    case raft_cmdpb::ChangePeerV2:
    case raft_cmdpb::BatchSwitchWitness:
      return {.conf_ver = true};
    case raft_cmdpb::Split:
    case raft_cmdpb::BatchSplit:
    case raft_cmdpb::PrepareMerge:
    case raft_cmdpb::CommitMerge:
    case raft_cmdpb::RollbackMerge:
    case raft_cmdpb::PrepareFlashback:
    case raft_cmdpb::FinishFlashback:
      return {.version = true, .conf_ver = true};
    default:
      return {};
  }
}

}  // namespace

std::optional<engine::RegionError> check_epoch(const raft_cmdpb::RaftCmdRequest& command,
                                               const metapb::Region& region) {
  EpochRule rule = rule_of(command);
  const auto& asked = command.header().region_epoch();
  const auto& actual = region.region_epoch();
  if ((rule.version && asked.version() != actual.version()) ||
      (rule.conf_ver && asked.conf_ver() != actual.conf_ver())) {
    return engine::EpochNotMatch{{describe(region)}};
  }
  return std::nullopt;
}

void write_region_state(engine::WriteBatch& batch, const metapb::Region& region, raft_serverpb::PeerState state) {
  raft_serverpb::RegionLocalState local;
  local.set_state(state);
  *local.mutable_region() = region;
  batch.put(engine::Cf::kRaft, region_state_key(RegionId(region.id())), encode(local));
}

void write_apply_state(engine::WriteBatch& batch, RegionId region, const ApplyState& state) {
  batch.put(engine::Cf::kRaft, apply_state_key(region), encode(state));
}

ApplyMachine::ApplyMachine(Self self, metapb::Region region, ApplyState state, MayCreate may_create)
    : self_(self), region_(std::move(region)), state_(state), may_create_(std::move(may_create)) {}

void ApplyMachine::reset(metapb::Region region, ApplyState state) {
  CHECK(state.applied > state_.applied, "region {}: a snapshot at {} over {} applied", region.id(), state.applied,
        state_.applied);
  region_ = std::move(region);
  state_ = state;
}

void ApplyMachine::write_state(engine::WriteBatch& batch) const {
  write_apply_state(batch, RegionId(region_.id()), state_);
}

void ApplyMachine::set_region(metapb::Region region, engine::WriteBatch& batch) {
  const auto& old_epoch = region_.region_epoch();
  const auto& new_epoch = region.region_epoch();
  // INV-EPOCH-MONOTONIC.
  CHECK(new_epoch.version() >= old_epoch.version() && new_epoch.conf_ver() >= old_epoch.conf_ver(),
        "region {}: the epoch goes back from {}/{} to {}/{}", region.id(), old_epoch.conf_ver(), old_epoch.version(),
        new_epoch.conf_ver(), new_epoch.version());
  region_ = std::move(region);
  write_region_state(batch, region_, removed_ ? raft_serverpb::Tombstone : raft_serverpb::Normal);
}

AppliedEntry ApplyMachine::apply(const raft::Entry& entry, engine::WriteBatch& batch) {
  CHECK(!removed_, "region {}: entry {} after this peer was removed", region_.id(), entry.index);
  CHECK(entry.index == state_.applied.next(), "region {}: entry {} applied after {}", region_.id(), entry.index,
        state_.applied);
  CHECK(entry.term >= state_.applied_term, "region {}: entry {} of term {} after term {}", region_.id(), entry.index,
        entry.term, state_.applied_term);
  state_.applied = entry.index;
  state_.applied_term = entry.term;
  AppliedEntry out{entry.index, entry.term, std::nullopt, {}};
  if (entry.type != raft::EntryType::kNormal) {
    apply_conf_change(entry, batch, out);
  } else if (!entry.data.empty()) {  // an empty one only begins a leader's term
    raft_cmdpb::RaftCmdRequest command;
    ByteView bytes = entry.data.view();
    CHECK(command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
          "region {}: entry {} is not a command ({} bytes)", region_.id(), entry.index, bytes.size());
    apply_command(command, batch, out);
  }
  return out;
}

void ApplyMachine::apply_command(const raft_cmdpb::RaftCmdRequest& command, engine::WriteBatch& batch,
                                 AppliedEntry& out) {
  out.error = check_epoch(command, region_);
  if (out.error) return;
  if (!command.has_admin_request()) {
    out.error = apply_writes(command, batch);
    return;
  }
  const auto& admin = command.admin_request();
  switch (admin.cmd_type()) {
    case raft_cmdpb::CompactLog:
      apply_compact_log(admin.compact_log(), out);
      break;
    case raft_cmdpb::Split:
    case raft_cmdpb::BatchSplit:
      apply_split(admin, batch, out);
      break;
    case raft_cmdpb::ComputeHash:
    case raft_cmdpb::VerifyHash:
    case raft_cmdpb::UpdateGcPeer:
      break;  // change nothing in the region's data
    default:
      out.error = refused("admin command " + raft_cmdpb::AdminCmdType_Name(admin.cmd_type()) + " is not supported");
  }
}

std::optional<engine::RegionError> ApplyMachine::apply_writes(const raft_cmdpb::RaftCmdRequest& command,
                                                              engine::WriteBatch& batch) {
  // All or nothing: undone if one of the changes is refused.
  batch.set_save_point();
  const auto& metrics = ApplyMetrics::get();
  Written before = written_;
  std::optional<engine::RegionError> error;
  auto check_key = [&](const Bytes& key) {
    if (!in_range(key, region_.start_key(), region_.end_key())) {
      error = engine::KeyNotInRegion{key, describe(region_)};
    }
    return !error;
  };
  auto family = [&](const std::string& name) {
    auto cf = engine::cf_from_name(name);
    if (!cf || *cf == engine::Cf::kRaft) error = refused("no column family of users' data is named " + name);
    return cf.value_or(engine::Cf::kDefault);
  };
  for (const auto& request : command.requests()) {
    switch (request.cmd_type()) {
      case raft_cmdpb::Put: {
        const auto& put = request.put();
        engine::Cf cf = family(put.cf());
        if (error || !check_key(put.key())) break;
        batch.put(cf, data_key(put.key()), put.value());
        written_.keys += 1;
        written_.bytes += put.key().size() + put.value().size();
        metrics.key_bytes.observe(put.key().size());
        metrics.value_bytes.observe(put.value().size());
        break;
      }
      case raft_cmdpb::Delete: {
        engine::Cf cf = family(request.delete_().cf());
        if (error || !check_key(request.delete_().key())) break;
        batch.del(cf, data_key(request.delete_().key()));
        written_.keys += 1;
        written_.bytes += request.delete_().key().size();
        break;
      }
      case raft_cmdpb::DeleteRange: {
        const auto& range = request.delete_range();
        engine::Cf cf = family(range.cf());
        if (error || !check_key(range.start_key())) break;
        if (!region_.end_key().empty() && (range.end_key().empty() || range.end_key() > region_.end_key())) {
          error = engine::KeyNotInRegion{range.end_key(), describe(region_)};
          break;
        }
        if (!range.notify_only()) batch.delete_range(cf, data_key(range.start_key()), data_end_key(range.end_key()));
        written_.keys += 1;
        break;
      }
      case raft_cmdpb::Get:
      case raft_cmdpb::Snap:
      case raft_cmdpb::ReadIndex:
        break;  // a read in the log waits for its turn and changes nothing
      default:
        error = refused("command " + raft_cmdpb::CmdType_Name(request.cmd_type()) + " is not supported");
    }
    if (error) {
      batch.rollback_to_save_point();
      written_ = before;
      return error;
    }
  }
  batch.pop_save_point();
  return std::nullopt;
}

void ApplyMachine::apply_conf_change(const raft::Entry& entry, engine::WriteBatch& batch, AppliedEntry& out) {
  ConfChanged effect{std::nullopt, region_, false};
  PeerChanges changes;
  if (!entry.data.empty() || !entry.context.empty()) {
    raft_cmdpb::RaftCmdRequest command;
    CHECK(command.ParseFromString(entry.context), "region {}: conf change {} carries no command", region_.id(),
          entry.index);
    out.error = check_epoch(command, region_);
    changes = changes_of(command.admin_request());
  }
  if (!out.error) {
    auto changed = change_peers(region_, changes);
    if (changed.ok()) {
      effect.change = to_raft(changes);
      removed_ = find_peer(*changed, self_.peer) == nullptr;
      effect.removed_self = removed_;
      set_region(std::move(*changed), batch);
      effect.region = region_;
    } else {
      out.error = refused(changed.error());
    }
  }
  out.effect = std::move(effect);
}

void ApplyMachine::apply_compact_log(const raft_cmdpb::CompactLogRequest& request, AppliedEntry& out) {
  LogIndex to(request.compact_index());
  if (to <= state_.truncated) return;  // an older request that was proposed twice
  if (request.compact_term() == 0 || to >= state_.applied) {
    out.error = refused("a log compaction without a term, or ahead of what is applied");
    return;
  }
  state_.truncated = to;
  state_.truncated_term = Term(request.compact_term());
  out.effect = LogTruncated{state_.truncated, state_.truncated_term};
}

void ApplyMachine::apply_split(const raft_cmdpb::AdminRequest& admin, engine::WriteBatch& batch, AppliedEntry& out) {
  raft_cmdpb::BatchSplitRequest request = admin.splits();
  if (admin.cmd_type() == raft_cmdpb::Split) {  // the older form, of one key
    *request.add_requests() = admin.split();
    request.set_right_derive(admin.split().right_derive());
  }
  auto plan = plan_split(region_, request);
  if (!plan.ok()) {
    out.error = refused(plan.error());
    return;
  }
  SplitDone done{std::move(*plan), {}};
  for (size_t i = 0; i < done.plan.regions.size(); ++i) {
    const auto& region = done.plan.regions[i];
    if (i == done.plan.derived) {
      done.created.push_back(false);
      continue;
    }
    const metapb::Peer* self = find_peer_on(region, self_.store);
    CHECK(self != nullptr, "region {}: a child without a peer on store {}", region.id(), self_.store);
    bool create = may_create_(region, PeerId(self->id()));
    done.created.push_back(create);
    if (!create) continue;
    write_region_state(batch, region, raft_serverpb::Normal);
    write_apply_state(batch, RegionId(region.id()), kInitialApplyState);
  }
  set_region(done.plan.regions[done.plan.derived], batch);
  out.effect = std::move(done);
}

}  // namespace cairn::replica
