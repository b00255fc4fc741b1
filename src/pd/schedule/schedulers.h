// Schedulers: those that there are, and whose turn it is. One that finds something to do is asked again soon, one that
// finds nothing ever more seldom. A paused one waits until its time is over. Pure: time and dice come in. Owned by
// Coordinator. Tests: scripts_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "pd/schedule/scheduler.h"

namespace cairn::pd {

// Null: there is no such kind.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name);
// Of the kinds that PD has, whether this one is made here or not.
bool is_known_scheduler(const std::string& name);

class Schedulers {
 public:
  struct Entry {
    std::unique_ptr<Scheduler> scheduler;
    Instant next;
    Duration interval;
    Instant paused_from;
    Instant paused_until;

    bool is_paused(Instant now) const { return now < paused_until; }
  };

  void clear();
  // False if there is one of that name, or no such kind.
  bool add(const std::string& name);
  bool remove(const std::string& name);
  // Null if it is not there.
  Scheduler* find(const std::string& name);
  bool pause(const std::string& name, Instant now, Duration duration);
  // By their names.
  const std::map<std::string, Entry>& all() const { return entries_; }
  // What their stores are; to be asked again after changes.
  LeaderPauses pauses() const;

  // Asks those whose turn it is. `may_begin` says whether one more operator of the kind may be under way; `begin` takes
  // a proposal, and says whether it has begun.
  using MayBegin = std::function<bool(OperatorKind)>;
  using Begin = std::function<bool(Proposal)>;
  using View = std::function<ClusterView()>;
  void run(const View& view, runtime::Random& dice, const MayBegin& may_begin, const Begin& begin);

 private:
  std::map<std::string, Entry> entries_;
};

}  // namespace cairn::pd
