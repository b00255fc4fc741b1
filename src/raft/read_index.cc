// Linearizable reads without a log entry (thesis 6.4).
#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

bool Raft::read_index(Bytes context) {
  if (role_ == Role::kLeader ? !committed_in_term_ : !leader_.is_set()) return false;
  Message request{.type = MessageType::kReadIndex};
  request.entries.push_back({.data = SharedBytes(std::move(context))});
  on_read_index(request);
  return true;
}

// The request's context travels as the data of one entry. `from` is unset for the leader's own.
void Raft::on_read_index(Message& message) {
  if (role_ != Role::kLeader) {
    if (!leader_.is_set() || message.from.is_set()) return;
    message.to = leader_;
    return send(std::move(message));
  }
  // Before that, this leader's commit index may lag behind what an earlier leader has acknowledged.
  if (!committed_in_term_) return;
  PeerId from = message.from.is_set() ? message.from : config_.id;
  Bytes context(message.entries.front().data.view());
  if (tracker_.is_only_voter(config_.id)) return answer_read(from, log_.commit(), std::move(context));
  reads_.add(from, log_.commit(), std::move(context));
}

void Raft::answer_read(PeerId from, LogIndex index, Bytes context) {
  if (from == config_.id) {
    read_states_.push_back({std::move(context), index});
    return;
  }
  Message answer{.type = MessageType::kReadIndexResp, .to = from, .index = index};
  answer.entries.push_back({.data = SharedBytes(std::move(context))});
  send(std::move(answer));
}

void Raft::answer_confirmed_reads() {
  if (reads_.empty()) return;
  // A round that is not sent yet is confirmed by nobody but a leader who needs nobody.
  uint64_t confirmed = tracker_.quorum_read_ack(config_.id, reads_.sequence());
  for (auto& read : reads_.take_confirmed(confirmed)) answer_read(read.from, read.index, std::move(read.context));
}

void Raft::on_read_index_response(Message& message) {
  if (message.term != term_) return;
  read_states_.push_back({Bytes(message.entries.front().data.view()), message.index});
}

}  // namespace cairn::raft
