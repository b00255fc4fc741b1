// Writers and watchers of PD's etcd API, through faults and changes of leaders. Watchers go on behind what they saw, as
// etcd's client does. Each change of their keys comes to each watcher once and in order, though streams break, but for
// those that a compaction took before; all are told the same (INV-WATCH-ONCE). What one client was told no later answer
// goes behind. Tests: world_test.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/etcd_proxy.h"

namespace cairn::sim {

class WatchWorkload {
 public:
  explicit WatchWorkload(std::function<void(std::string)> fail) : fail_(std::move(fail)) {}

  // Each a life until stop(); the workload and the proxy outlive it. Writers end first, and the last of them changes
  // each key once more; watchers end when they have seen that.
  runtime::Task<void> write(SimEtcd* etcd, runtime::Executor* executor, uint64_t seed);
  runtime::Task<void> watch(SimEtcd* etcd, runtime::Executor* executor, uint64_t seed);
  void stop() { is_stopping_ = true; }
  // Whether watchers missed something. All lives have ended.
  void check() const;

  uint64_t writes() const { return writes_; }  // acknowledged
  uint64_t events() const { return events_; }  // of all watchers

 private:
  using Place = std::pair<int64_t, Bytes>;   // revision and key
  using Value = std::optional<Bytes>;        // nothing: the key was deleted
  using Span = std::pair<int64_t, int64_t>;  // of revisions, without the last
  struct Watcher {
    etcdserverpb::WatchCreateRequest range;
    std::optional<int64_t> first;  // the revision that it began with
    int64_t next = 0;              // all before it was seen
    std::vector<Span> compacted;   // but these
    std::set<Place> seen;
    std::map<Bytes, int64_t> last;  // revision of each key

    bool has(const Bytes& key) const;
  };

  runtime::Task<bool> change(SimEtcd* etcd, runtime::Executor* executor, std::map<Bytes, Value> changes);
  runtime::Task<bool> read(SimEtcd* etcd, runtime::Executor* executor, Bytes key);
  runtime::Task<bool> compact(SimEtcd* etcd, runtime::Executor* executor);
  // A key was so at that revision, as an answer or an event says.
  void note(int64_t revision, const Bytes& key, Value value);
  void note_answer(int64_t revision, int64_t newest_before);
  // A message for the watcher; whether its stream goes on.
  bool take(Watcher& watcher, const etcdserverpb::WatchResponse& message);
  void take_event(Watcher& watcher, const mvccpb::Event& event);

  std::function<void(std::string)> fail_;
  std::map<Place, Value> told_;
  std::deque<Watcher> watchers_;
  int64_t newest_ = 0;     // revision of an answer
  int64_t compacted_ = 0;  // as far as was asked for
  int writers_ = 0;        // that have not ended
  uint64_t values_ = 0;    // no two are the same
  int64_t end_ = 0;        // revision of the last change of all keys; 0: it is still to come
  uint64_t writes_ = 0;
  uint64_t events_ = 0;
  bool is_stopping_ = false;
};

}  // namespace cairn::sim
