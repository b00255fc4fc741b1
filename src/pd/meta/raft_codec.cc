#include "pd/meta/raft_codec.h"

#include "base/codec.h"
#include "eraftpb.pb.h"
#include "raft_serverpb.pb.h"

namespace cairn::pd {
namespace {

void fill_entry(const raft::Entry& entry, eraftpb::Entry& out) {
  out.set_entry_type(static_cast<eraftpb::EntryType>(entry.type));
  out.set_term(entry.term.value);
  out.set_index(entry.index.value);
  out.set_data(Bytes(entry.data.view()));
  out.set_context(entry.context);
}

bool take_entry(eraftpb::Entry& in, raft::Entry& entry) {
  if (!eraftpb::EntryType_IsValid(in.entry_type())) return false;
  entry = {static_cast<raft::EntryType>(in.entry_type()), Term(in.term()), LogIndex(in.index()),
           SharedBytes(std::move(*in.mutable_data())), std::move(*in.mutable_context())};
  return true;
}

void fill_conf(const raft::ConfState& conf, eraftpb::ConfState& out) {
  for (auto id : conf.voters) out.add_voters(id.value);
  for (auto id : conf.learners) out.add_learners(id.value);
  for (auto id : conf.voters_outgoing) out.add_voters_outgoing(id.value);
  for (auto id : conf.learners_next) out.add_learners_next(id.value);
  out.set_auto_leave(conf.auto_leave);
}

raft::ConfState take_conf(const eraftpb::ConfState& in) {
  raft::ConfState conf;
  for (auto id : in.voters()) conf.voters.emplace_back(id);
  for (auto id : in.learners()) conf.learners.emplace_back(id);
  for (auto id : in.voters_outgoing()) conf.voters_outgoing.emplace_back(id);
  for (auto id : in.learners_next()) conf.learners_next.emplace_back(id);
  conf.auto_leave = in.auto_leave();
  return conf;
}

template <class Message>
bool parse(ByteView bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

Bytes encode_entry(const raft::Entry& entry) {
  eraftpb::Entry out;
  fill_entry(entry, out);
  return out.SerializeAsString();
}

bool decode_entry(ByteView bytes, raft::Entry& entry) {
  eraftpb::Entry in;
  return parse(bytes, in) && take_entry(in, entry);
}

Bytes encode_message(const raft::Message& message) {
  eraftpb::Message out;
  out.set_msg_type(static_cast<eraftpb::MessageType>(message.type));
  out.set_to(message.to.value);
  out.set_from(message.from.value);
  out.set_term(message.term.value);
  out.set_log_term(message.log_term.value);
  out.set_index(message.index.value);
  for (const auto& entry : message.entries) fill_entry(entry, *out.add_entries());
  out.set_commit(message.commit.value);
  if (!message.snapshot.empty()) {
    auto& snapshot = *out.mutable_snapshot();
    snapshot.set_data(Bytes(message.snapshot.data.view()));
    snapshot.mutable_metadata()->set_index(message.snapshot.meta.index.value);
    snapshot.mutable_metadata()->set_term(message.snapshot.meta.term.value);
    fill_conf(message.snapshot.meta.conf, *snapshot.mutable_metadata()->mutable_conf_state());
  }
  out.set_request_snapshot(message.request_snapshot);
  out.set_reject(message.reject);
  out.set_reject_hint(message.reject_hint.value);
  out.set_context(message.context);
  out.set_priority(message.priority);
  return out.SerializeAsString();
}

bool decode_message(ByteView bytes, raft::Message& message) {
  eraftpb::Message in;
  if (!parse(bytes, in) || !eraftpb::MessageType_IsValid(in.msg_type())) return false;
  message = {};
  message.type = static_cast<raft::MessageType>(in.msg_type());
  message.to = PeerId(in.to());
  message.from = PeerId(in.from());
  message.term = Term(in.term());
  message.log_term = Term(in.log_term());
  message.index = LogIndex(in.index());
  for (auto& entry : *in.mutable_entries()) {
    if (!take_entry(entry, message.entries.emplace_back())) return false;
    // What is appended stands in a row behind message.index; proposals have no index yet.
    const auto expected = message.index + static_cast<uint64_t>(message.entries.size());
    if (message.type == raft::MessageType::kAppend && message.entries.back().index != expected) return false;
  }
  message.commit = LogIndex(in.commit());
  if (in.has_snapshot()) {
    auto& snapshot = *in.mutable_snapshot();
    message.snapshot.data = SharedBytes(std::move(*snapshot.mutable_data()));
    message.snapshot.meta.index = LogIndex(snapshot.metadata().index());
    message.snapshot.meta.term = Term(snapshot.metadata().term());
    message.snapshot.meta.conf = take_conf(snapshot.metadata().conf_state());
  }
  message.request_snapshot = in.request_snapshot();
  message.reject = in.reject();
  message.reject_hint = LogIndex(in.reject_hint());
  message.context = std::move(*in.mutable_context());
  message.priority = in.priority();
  return true;
}

Bytes encode_local_state(const raft::HardState& state, LogIndex last_index) {
  raft_serverpb::RaftLocalState out;
  out.mutable_hard_state()->set_term(state.term.value);
  out.mutable_hard_state()->set_vote(state.vote.value);
  out.mutable_hard_state()->set_commit(state.commit.value);
  out.set_last_index(last_index.value);
  return out.SerializeAsString();
}

bool decode_local_state(ByteView bytes, raft::HardState& state, LogIndex& last_index) {
  raft_serverpb::RaftLocalState in;
  if (!parse(bytes, in)) return false;
  state = {Term(in.hard_state().term()), PeerId(in.hard_state().vote()), LogIndex(in.hard_state().commit())};
  last_index = LogIndex(in.last_index());
  return true;
}

Bytes encode_position(LogPosition position) {
  Bytes out;
  codec::put_u64_be(out, position.index.value);
  codec::put_u64_be(out, position.term.value);
  return out;
}

bool decode_position(ByteView bytes, LogPosition& position) {
  return codec::get_u64_be(bytes, position.index.value) && codec::get_u64_be(bytes, position.term.value) &&
         bytes.empty();
}

void append_pair(Bytes& out, ByteView key, ByteView value) {
  codec::put_compact_bytes(out, key);
  codec::put_compact_bytes(out, value);
}

bool take_pair(ByteView& in, ByteView& key, ByteView& value) {
  return codec::get_compact_bytes(in, key) && codec::get_compact_bytes(in, value);
}

}  // namespace cairn::pd
