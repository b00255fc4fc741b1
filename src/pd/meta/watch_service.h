// WatchService: etcd's Watch, and MetaStorage's, over the watches of the leader (watchers.h). When the leadership ends
// the streams end with words after which etcd's client goes on at another member, behind the last event that it saw.
// Owned by NodeCore, on "pd". Tests: node_watch_test.cc.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "api/stream.h"
#include "meta_storagepb.pb.h"
#include "pd/member/leadership.h"
#include "pd/meta/watchers.h"

namespace cairn::pd {

class WatchService {
 public:
  using Sink = api::StreamSink<etcdserverpb::WatchResponse>;

  WatchService(Leadership& leadership, uint64_t member_id)
      : leadership_(leadership), member_id_(member_id), watchers_(leadership.group().store()) {}

  // A stream, by a number of its own.
  void open(uint64_t id, Sink sink);
  void request(uint64_t id, const etcdserverpb::WatchRequest& request);
  // There is room for one more message.
  void room(uint64_t id);
  void close(uint64_t id);

  // Commands were applied.
  void on_applied();
  // Now and then, while serving.
  void on_timer(Instant now);
  // The leadership has ended.
  void end();

 private:
  struct Stream {
    Sink sink;
    bool has_room = true;
    bool is_pumping = false;
  };
  void pump(uint64_t id);
  void end(uint64_t id, api::Status status);

  Leadership& leadership_;
  const uint64_t member_id_;
  Watchers watchers_;
  std::unordered_map<uint64_t, Stream> streams_;
  Instant next_progress_;
};

// meta_storagepb.MetaStorage.Watch in other words: one watch a stream. Owned by NodeCore, on "pd".
class MetaWatchService {
 public:
  using Sink = api::StreamSink<meta_storagepb::WatchResponse>;

  MetaWatchService(Leadership& leadership, WatchService& watches) : leadership_(leadership), watches_(watches) {}

  void open(uint64_t id, Sink sink);
  void request(uint64_t id, const meta_storagepb::WatchRequest& request);
  void room(uint64_t id) { watches_.room(id); }
  void close(uint64_t id);

 private:
  void respond(uint64_t id, const etcdserverpb::WatchResponse& told);

  Leadership& leadership_;
  WatchService& watches_;
  struct Stream {
    Sink sink;
    int64_t start_revision = 0;
  };
  std::unordered_map<uint64_t, Stream> streams_;
};

}  // namespace cairn::pd
