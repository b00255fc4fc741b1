// The follower's side of log replication (5.3).
#include <algorithm>

#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

void Raft::on_append(Message& message) {
  Message answer{.type = MessageType::kAppendResponse, .to = message.from};
  if (message.index < log_.commit()) {
    // Old news: what is committed agrees with every leader.
    answer.index = log_.commit();
    answer.commit = log_.commit();
    return send_persisted(std::move(answer));
  }
  auto agreed = log_.maybe_append(message.index, message.log_term, std::move(message.entries), message.commit);
  if (agreed) {
    answer.index = *agreed;
  } else {
    // Where the logs could agree at best, so that the leader skips whole terms instead of going back one by one.
    auto hint = log_.find_conflict_by_term(std::min(message.index, log_.last_index()), message.log_term);
    answer.index = message.index;
    answer.reject = true;
    answer.reject_hint = hint.index;
    answer.log_term = hint.term;
  }
  answer.commit = log_.commit();
  send_persisted(std::move(answer));
}

}  // namespace cairn::raft
