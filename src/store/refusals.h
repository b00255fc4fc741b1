// Messages that no other store can have sent, damaged or forged: dropped, counted, and told in the log now and then.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/log.h"
#include "base/metrics.h"
#include "raft_serverpb.pb.h"
#include "store/pacing.h"

namespace cairn::store {

// Any thread.
class Refusals {
 public:
  struct Origin {
    explicit Origin(const raft_serverpb::RaftMessage& message)
        : region(message.region_id()),
          type(message.message().msg_type()),
          peer(message.from_peer().id()),
          store(message.from_peer().store_id()) {}
    uint64_t region;
    int type;
    uint64_t peer, store;
  };
  void note(const Origin& origin, const char* why, Instant now) {
    dropped().add();
    ++count_;
    if (!pacing_.is_due(StoreId(), now)) return;
    LOG_ERROR("region {}: drops a message of type {} that says to be of peer {} on store {}: {}", origin.region,
              origin.type, origin.peer, origin.store, why);
  }
  uint64_t count() const { return count_; }
  static metrics::Counter& dropped() {
    static auto& of_all = metrics::counter("tikv_raftstore_raft_dropped_message_total",
                                           "Raft messages that no store can have sent", {{"type", "malformed"}});
    return of_all;
  }

 private:
  std::atomic<uint64_t> count_{0};
  Pacing pacing_{1s};  // of all of them together
};

}  // namespace cairn::store
