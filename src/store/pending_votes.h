// Requests for votes that came too early: for a peer that the split of its region's parent will make here, once it is
// applied. The child's first candidate asks at once, mostly before the other stores have applied the split; if its
// requests were dropped, the child would have no leader before an election timeout.
//
// Shared by the shards on purpose; thread-safe. Tests: store_test.cc, split_shards_test.cc.
#pragma once

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"
#include "raft_serverpb.pb.h"

namespace cairn::store {

class PendingVotes {
 public:
  // The latest of each sender is kept, and the latest `kMax` of all.
  void keep(const raft_serverpb::RaftMessage& message) {
    MutexLock lock(mutex_);
    std::erase_if(messages_, [&](const auto& other) {
      return other.region_id() == message.region_id() && other.from_peer().id() == message.from_peer().id();
    });
    if (messages_.size() >= kMax) messages_.pop_front();
    messages_.push_back(message);
  }
  // Those for the region, oldest first.
  std::vector<raft_serverpb::RaftMessage> take(RegionId region) {
    MutexLock lock(mutex_);
    std::vector<raft_serverpb::RaftMessage> taken;
    for (const auto& message : messages_) {
      if (message.region_id() == region.value) taken.push_back(message);
    }
    std::erase_if(messages_, [&](const auto& message) { return message.region_id() == region.value; });
    return taken;
  }

 private:
  static constexpr size_t kMax = 256;
  Mutex mutex_;
  std::deque<raft_serverpb::RaftMessage> messages_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
