// Watchers: the watches of the etcd API, as a pure class. A watch is a place in the history of the meta store and
// nothing more: whoever serves a stream asks for its next message when there is room for one, and the message is made
// then. So a client that reads slowly costs no memory; one that falls behind the begin of the history is told that it
// was compacted, as etcd tells it.
//
// A watch that has seen all waits: it is looked at again when a change of one of its keys is applied, found by the key
// (watches of one key) or one by one (watches of ranges).
//
// Owned by WatchService, on "pd". Tests: watchers_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "api/status.h"
#include "base/bytes.h"
#include "etcd/rpc.pb.h"
#include "pd/meta/meta_store.h"

namespace cairn::pd {

class Watchers {
 public:
  // Watches of all streams together; more are refused in words.
  static constexpr size_t kWatchesMax = 200'000;
  // Answers to requests that wait on one stream; a client that sends more without reading them loses the stream.
  static constexpr size_t kWaitingMax = 1 << 16;
  // About what one message holds of events. A revision is not divided but for those that ask for fragments.
  static constexpr uint64_t kMessageBytesMax = uint64_t{1} << 20;
  // Changes that one call looks at: a watch that few of them are for goes on in the next.
  static constexpr size_t kLookedAtMax = 4096;

  using StreamId = uint64_t;

  // `store` must outlive it.
  explicit Watchers(const MetaStore& store) : store_(store) {}

  void open(StreamId stream);
  void close(StreamId stream);
  size_t size() const { return watches_; }

  // What a client asks on its stream; an error ends the stream.
  api::Status request(StreamId stream, const etcdserverpb::WatchRequest& request);
  // The stream's next message, without what is the same in every header; nothing: there is none for now.
  std::optional<etcdserverpb::WatchResponse> next(StreamId stream);
  // To be called when commands were applied: the streams that may have a message now.
  std::set<StreamId> on_applied();
  // Watches that asked for progress and had no message since the last call are to be told how far they are; the streams
  // of those.
  std::set<StreamId> on_progress_turn();

 private:
  using WatchId = int64_t;
  struct Watch {
    WatchId id = 0;
    StreamId stream = 0;
    KeyRange range;
    bool is_one_key = false;
    bool wants_puts = true;
    bool wants_deletions = true;
    bool wants_before = false;
    bool wants_fragments = false;
    bool wants_progress = false;
    int64_t next = 0;    // the revision whose changes it has not seen
    size_t skipped = 0;  // of that revision, changes that were sent before, in fragments
    bool is_behind = false;
    bool is_divided = false;   // it was sent a fragment that was not the last
    bool had_message = false;  // since the last turn of progress
    bool tells_progress = false;
  };
  struct Stream {
    std::map<WatchId, std::unique_ptr<Watch>> watches;
    std::deque<etcdserverpb::WatchResponse> waiting;  // answers to requests
    std::set<WatchId> behind;                         // those that may have events
    WatchId turn = 0;                                 // whose turn it is of those
    WatchId next_id = 0;
    bool progress_asked = false;  // for the whole stream, once no watch is behind
  };

  void create(StreamId stream_id, Stream& stream, const etcdserverpb::WatchCreateRequest& request);
  void cancel(Stream& stream, WatchId id);
  void remove(Stream& stream, WatchId id);
  std::optional<etcdserverpb::WatchResponse> events_of(Stream& stream, Watch& watch);
  void mark(Watch& watch, int64_t revision, std::set<StreamId>& touched);

  const MetaStore& store_;
  std::unordered_map<StreamId, Stream> streams_;
  size_t watches_ = 0;
  std::multimap<Bytes, Watch*> of_one_key_;
  std::set<Watch*> of_ranges_;
  int64_t seen_ = 0;  // changes up to this revision were looked at by on_applied()
};

}  // namespace cairn::pd
