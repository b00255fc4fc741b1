// Leadership: what the services of a node share. It says whether this node leads and serves, and for which cluster;
// admits calls; and is the way to the durable state. Services are told by their node when a leadership begins and ends.
//
// Serving begins when leadership has begun, the state is loaded and the first bound of timestamps is saved, and ends
// with the leadership. Changes of the same record wait for one another in a lane (a semaphore of one) of their service,
// so that a decision rests on what the one before it left.
//
// Tasks: spawn() counts them and keeps the owner alive while they run: where an executor is killed under a task, both
// stay behind, untouched. Owned by NodeCore, used on "pd" only. Tests: those with NodeTest (testing/node_fixture.h).
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "pd/meta/keys.h"
#include "pd/meta/meta_group.h"
#include "runtime/async.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::pd {

class Leadership {
 public:
  Leadership(runtime::Clock& clock, runtime::Executor& executor, MetaGroup& group)
      : clock_(clock), executor_(executor), group_(group) {}

  // --- what the node tells
  // Whose life tasks and callbacks share.
  void set_owner(std::weak_ptr<void> owner) { owner_ = std::move(owner); }
  // The next leadership; its number. An answer of an earlier one is not for a later one.
  uint64_t begin() { return ++number_; }
  void set_cluster(uint64_t cluster_id) {
    cluster_id_ = cluster_id;
    keys_ = Keys(cluster_id);
  }
  void set_bootstrapped(bool is_bootstrapped) { is_bootstrapped_ = is_bootstrapped; }
  void serve() { is_serving_ = true; }
  void end() {
    ++number_;
    is_serving_ = false;
  }
  // No task begins any more. `on_idle` runs whenever the last one has ended.
  void stop(std::function<void()> on_idle) {
    is_stopping_ = true;
    on_idle_ = std::move(on_idle);
  }

  // --- what the services ask
  uint64_t number() const { return number_; }
  bool is_serving() const { return is_serving_; }
  bool is_stopping() const { return is_stopping_; }
  // Serving, and the lease has not run out.
  bool can_serve() const { return is_serving_ && group_.is_leader(); }
  bool is_bootstrapped() const { return is_bootstrapped_; }
  uint64_t cluster_id() const { return cluster_id_; }
  const Keys& keys() const { return keys_; }
  MetaGroup& group() const { return group_; }
  const OwnRecords& own() const { return group_.store().own(); }
  runtime::Clock& clock() const { return clock_; }
  runtime::Executor& executor() const { return executor_; }
  uint64_t wall_ms() const { return clock_.wall_now().ms(); }
  uint64_t wall_seconds() const { return clock_.wall_now().seconds(); }
  // For callbacks that may come when the node is gone.
  const std::weak_ptr<void>& owner() const { return owner_; }
  int running_tasks() const { return running_tasks_; }

  // Commits one transaction of PD's own records, or another command of the store.
  runtime::Task<CommandResult> commit(MetaTxn txn) { return run(MetaStore::encode_own(txn)); }
  runtime::Task<CommandResult> run(Bytes command);
  // Runs `story`; false, and it is dropped, if the node stops.
  bool spawn(runtime::Task<void> story);

  // Each answers the call and returns false if it may not go on.
  template <class Call>
  bool admit(Call& call, bool check_cluster_id = true) {
    if (is_stopping_ || !can_serve()) {
      call.finish(MetaGroup::not_leader());
      return false;
    }
    const uint64_t asked = call.request().header().cluster_id();
    if (check_cluster_id && asked != cluster_id_) {
      call.finish(
          {api::Code::kFailedPrecondition, fmt::format("mismatch cluster id, need {} but got {}", cluster_id_, asked)});
      return false;
    }
    return true;
  }
  // Likewise, and the cluster must be bootstrapped.
  template <class Call>
  bool admit_bootstrapped(Call& call) {
    if (!admit(call)) return false;
    if (is_bootstrapped_) return true;
    refuse(std::move(call), pdpb::NOT_BOOTSTRAPPED, "cluster is not bootstrapped");
    return false;
  }
  template <class Call>
  void finish(Call call) {
    call.response().mutable_header()->set_cluster_id(cluster_id_);
    call.finish();
  }
  template <class Call>
  void refuse(Call call, pdpb::Error error) {
    *call.response().mutable_header()->mutable_error() = std::move(error);
    finish(std::move(call));
  }
  template <class Call>
  void refuse(Call call, pdpb::ErrorType type, std::string message) {
    pdpb::Error error;
    error.set_type(type);
    error.set_message(std::move(message));
    refuse(std::move(call), std::move(error));
  }

 private:
  static runtime::Task<void> run_counted(std::shared_ptr<void> owner, Leadership* self, runtime::Task<void> story);

  runtime::Clock& clock_;
  runtime::Executor& executor_;
  MetaGroup& group_;
  std::weak_ptr<void> owner_;
  bool is_serving_ = false;
  bool is_bootstrapped_ = false;
  uint64_t number_ = 0;
  uint64_t cluster_id_ = 0;
  Keys keys_;
  int running_tasks_ = 0;
  bool is_stopping_ = false;
  std::function<void()> on_idle_;
};

}  // namespace cairn::pd
