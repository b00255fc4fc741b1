#include "replica/wire.h"

#include <utility>

namespace cairn::replica {

Bytes serialize(const google::protobuf::MessageLite& message) {
  Bytes bytes;
  CHECK(message.SerializeToString(&bytes), "a message that cannot be serialized");
  return bytes;
}

namespace {

void fill(eraftpb::Entry& out, const raft::Entry& entry) {
  out.set_entry_type(static_cast<eraftpb::EntryType>(entry.type));
  out.set_term(entry.term.value);
  out.set_index(entry.index.value);
  out.set_data(entry.data.view().data(), entry.data.size());
  if (!entry.context.empty()) out.set_context(entry.context);
}

raft::Entry take(eraftpb::Entry& in) {
  raft::Entry entry;
  entry.type = static_cast<raft::EntryType>(in.entry_type());
  entry.term = Term(in.term());
  entry.index = LogIndex(in.index());
  entry.data = SharedBytes(std::move(*in.mutable_data()));
  entry.context = std::move(*in.mutable_context());
  return entry;
}

template <class Repeated>
void put_ids(Repeated& out, const std::vector<PeerId>& ids) {
  for (PeerId id : ids) out.Add(id.value);
}
template <class Repeated>
std::vector<PeerId> get_ids(const Repeated& in) {
  std::vector<PeerId> ids;
  for (uint64_t id : in) ids.emplace_back(id);
  return ids;
}

}  // namespace

eraftpb::ConfState to_wire(const raft::ConfState& conf) {
  eraftpb::ConfState out;
  put_ids(*out.mutable_voters(), conf.voters);
  put_ids(*out.mutable_learners(), conf.learners);
  put_ids(*out.mutable_voters_outgoing(), conf.voters_outgoing);
  put_ids(*out.mutable_learners_next(), conf.learners_next);
  out.set_auto_leave(conf.auto_leave);
  return out;
}

raft::ConfState from_wire(const eraftpb::ConfState& conf) {
  return {get_ids(conf.voters()), get_ids(conf.learners()), get_ids(conf.voters_outgoing()),
          get_ids(conf.learners_next()), conf.auto_leave()};
}

eraftpb::Message to_wire(const raft::Message& message) {
  eraftpb::Message out;
  out.set_msg_type(static_cast<eraftpb::MessageType>(message.type));
  out.set_to(message.to.value);
  out.set_from(message.from.value);
  out.set_term(message.term.value);
  out.set_log_term(message.log_term.value);
  out.set_index(message.index.value);
  for (const auto& entry : message.entries) fill(*out.add_entries(), entry);
  out.set_commit(message.commit.value);
  if (!message.snapshot.empty()) {
    auto& snapshot = *out.mutable_snapshot();
    snapshot.set_data(message.snapshot.data.view().data(), message.snapshot.data.size());
    *snapshot.mutable_metadata()->mutable_conf_state() = to_wire(message.snapshot.meta.conf);
    snapshot.mutable_metadata()->set_index(message.snapshot.meta.index.value);
    snapshot.mutable_metadata()->set_term(message.snapshot.meta.term.value);
  }
  out.set_request_snapshot(message.request_snapshot);
  out.set_reject(message.reject);
  out.set_reject_hint(message.reject_hint.value);
  out.set_context(message.context);
  out.set_priority(message.priority);
  return out;
}

raft::Message from_wire(eraftpb::Message&& message) {
  raft::Message out;
  out.type = static_cast<raft::MessageType>(message.msg_type());
  out.to = PeerId(message.to());
  out.from = PeerId(message.from());
  out.term = Term(message.term());
  out.log_term = Term(message.log_term());
  out.index = LogIndex(message.index());
  out.entries.reserve(static_cast<size_t>(message.entries_size()));
  for (auto& entry : *message.mutable_entries()) out.entries.push_back(take(entry));
  out.commit = LogIndex(message.commit());
  if (message.has_snapshot()) {
    auto& snapshot = *message.mutable_snapshot();
    out.snapshot.data = SharedBytes(std::move(*snapshot.mutable_data()));
    out.snapshot.meta.conf = from_wire(snapshot.metadata().conf_state());
    out.snapshot.meta.index = LogIndex(snapshot.metadata().index());
    out.snapshot.meta.term = Term(snapshot.metadata().term());
  }
  out.request_snapshot = message.request_snapshot();
  out.reject = message.reject();
  out.reject_hint = LogIndex(message.reject_hint());
  out.context = std::move(*message.mutable_context());
  out.priority = message.priority();
  return out;
}

Bytes encode_entry(const raft::Entry& entry) {
  eraftpb::Entry out;
  fill(out, entry);
  return serialize(out);
}

raft::Entry decode_entry(ByteView bytes) {
  eraftpb::Entry in;
  CHECK(in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
        "the raft log holds {} bytes that are no entry", bytes.size());
  return take(in);
}

engine::PeerDescription describe(const metapb::Peer& peer) {
  return {PeerId(peer.id()), StoreId(peer.store_id()), static_cast<engine::PeerDescription::Role>(peer.role())};
}

engine::RegionEpoch describe(const metapb::RegionEpoch& epoch) { return {epoch.conf_ver(), epoch.version()}; }

engine::RegionDescription describe(const metapb::Region& region) {
  engine::RegionDescription out{
      RegionId(region.id()), region.start_key(), region.end_key(), describe(region.region_epoch()), {}};
  for (const auto& peer : region.peers()) out.peers.push_back(describe(peer));
  return out;
}

metapb::RegionEpoch to_wire(engine::RegionEpoch epoch) {
  metapb::RegionEpoch out;
  out.set_conf_ver(epoch.conf_ver);
  out.set_version(epoch.version);
  return out;
}

metapb::Peer to_wire(const engine::PeerDescription& peer) {
  metapb::Peer out;
  out.set_id(peer.id.value);
  out.set_store_id(peer.store.value);
  out.set_role(static_cast<metapb::PeerRole>(peer.role));
  return out;
}

raft::ConfState conf_state_of(const metapb::Region& region) {
  raft::ConfState conf;
  bool joint = false;
  for (const auto& peer : region.peers()) {
    joint = joint || peer.role() == metapb::IncomingVoter || peer.role() == metapb::DemotingVoter;
  }
  for (const auto& peer : region.peers()) {
    PeerId id(peer.id());
    switch (peer.role()) {
      case metapb::Voter:
        conf.voters.push_back(id);
        if (joint) conf.voters_outgoing.push_back(id);
        break;
      case metapb::IncomingVoter:
        conf.voters.push_back(id);
        break;
      case metapb::DemotingVoter:
        conf.voters_outgoing.push_back(id);
        conf.learners_next.push_back(id);
        break;
      default:
        conf.learners.push_back(id);
        break;
    }
  }
  return conf;
}

const metapb::Peer* find_peer(const metapb::Region& region, PeerId peer) {
  for (const auto& candidate : region.peers()) {
    if (candidate.id() == peer.value) return &candidate;
  }
  return nullptr;
}

const metapb::Peer* find_peer_on(const metapb::Region& region, StoreId store) {
  for (const auto& candidate : region.peers()) {
    if (candidate.store_id() == store.value) return &candidate;
  }
  return nullptr;
}

Bytes encode(const RaftState& state) {
  raft_serverpb::RaftLocalState out;
  out.mutable_hard_state()->set_term(state.hard.term.value);
  out.mutable_hard_state()->set_vote(state.hard.vote.value);
  out.mutable_hard_state()->set_commit(state.hard.commit.value);
  out.set_last_index(state.last_index.value);
  return serialize(out);
}

std::optional<RaftState> decode_raft_state(ByteView bytes) {
  raft_serverpb::RaftLocalState in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  return RaftState{{Term(in.hard_state().term()), PeerId(in.hard_state().vote()), LogIndex(in.hard_state().commit())},
                   LogIndex(in.last_index())};
}

RaftState begin_raft_state(const std::optional<RaftState>& before) {
  if (before && before->last_index >= kInitialIndex) return *before;
  RaftState state{{kInitialTerm, PeerId(), kInitialIndex}, kInitialIndex};
  if (before && before->hard.term >= kInitialTerm) {
    state.hard.term = before->hard.term;
    state.hard.vote = before->hard.vote;
  }
  return state;
}

Bytes encode(const ApplyState& state) {
  raft_serverpb::RaftApplyState out;
  out.set_applied_index(state.applied.value);
  out.set_commit_index(state.applied.value);  // TiKV's pair for the newest known commit; ours is the applied entry
  out.set_commit_term(state.applied_term.value);
  out.mutable_truncated_state()->set_index(state.truncated.value);
  out.mutable_truncated_state()->set_term(state.truncated_term.value);
  return serialize(out);
}

std::optional<ApplyState> decode_apply_state(ByteView bytes) {
  raft_serverpb::RaftApplyState in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  return ApplyState{LogIndex(in.applied_index()), Term(in.commit_term()), LogIndex(in.truncated_state().index()),
                    Term(in.truncated_state().term())};
}

Bytes encode(const raft_serverpb::RegionLocalState& state) { return serialize(state); }

std::optional<raft_serverpb::RegionLocalState> decode_region_state(ByteView bytes) {
  raft_serverpb::RegionLocalState in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  return in;
}

}  // namespace cairn::replica
