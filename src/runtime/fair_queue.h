// In which order the work of many clients is done: a multi-level queue by time used, as schedulers of operating systems
// have it. Work that has used much time already sinks to a lower level, of which each gets a smaller part of the time;
// within a level the client goes first that has used least, and its own work goes in order. So neither long work nor
// much of it holds up what is short and seldom, and nothing waits for ever.
//
// A policy without threads, clock or dice: fair_pool.h runs it. Used by one thread at a time. Tests:
// fair_queue_test.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/time.h"

namespace cairn::runtime {

template <class Job>
class FairQueue {
 public:
  // Where a job was taken from; to be named when its time is charged.
  struct Place {
    size_t level = 0;
    uint64_t client = 0;
  };
  struct Taken {
    Job job;
    Place place;
  };

  // `used`: the time that the work used before, of which this job is the rest.
  void push(uint64_t client, Duration used, Job job) {
    const size_t at = level_of(used);
    Level& level = levels_[at];
    if (level.waiting == 0) {
      // What was empty has saved nothing for later.
      if (const auto lowest = first_level()) level.spent = std::max(level.spent, levels_[*lowest].spent);
    }
    ++level.waiting;
    Line& line = level.lines[client];
    line.jobs.push_back(std::move(job));
    if (line.jobs.size() > 1) return;
    line.spent = std::max(line.spent, level.floor);  // nor has a client that had nothing to do
    enqueue(level, client, line);
  }

  // The job whose turn it is. Its charge() is to follow.
  std::optional<Taken> pop() {
    const auto at = first_level();
    if (!at) return std::nullopt;
    Level& level = levels_[*at];
    const uint64_t client = std::get<2>(*level.ready.begin());
    level.ready.erase(level.ready.begin());
    Line& line = level.lines.at(client);
    Taken taken{std::move(line.jobs.front()), {*at, client}};
    line.jobs.pop_front();
    --level.waiting;
    ++line.running;
    level.floor = std::max(level.floor, line.spent);
    // How long it takes is not known yet; others that are taken meanwhile must not all be this client's.
    spend(level, *at, line, kLeast);
    if (!line.jobs.empty()) enqueue(level, client, line);
    return taken;
  }

  // The job that was taken there has ended and took so long.
  void charge(const Place& place, Duration took) {
    Level& level = levels_[place.level];
    const auto it = level.lines.find(place.client);
    CHECK(it != level.lines.end() && it->second.running > 0, "a job is charged for that was not taken");
    Line& line = it->second;
    --line.running;
    if (line.jobs.empty() && line.running == 0) {
      level.lines.erase(it);
      level.spent += std::max(took - kLeast, Duration{}) / kWeights[place.level];
      return;
    }
    if (!line.jobs.empty()) level.ready.erase({line.spent, line.order, place.client});
    spend(level, place.level, line, std::max(took - kLeast, Duration{}));
    if (!line.jobs.empty()) level.ready.emplace(line.spent, line.order, place.client);
  }

 private:
  // Work of so much used time belongs to the next level; the last one has no bound.
  static constexpr std::array<Duration, 2> kBounds = {std::chrono::milliseconds(5), std::chrono::milliseconds(100)};
  // Of the time when all levels have work.
  static constexpr std::array<int, 3> kWeights = {16, 4, 1};
  // Charged for any job: a round costs something even where time stands still.
  static constexpr Duration kLeast = std::chrono::microseconds(10);

  // A client's work in a level.
  struct Line {
    std::list<Job> jobs;
    Duration spent{};
    uint64_t order = 0;  // among those that have spent the same: who came first
    size_t running = 0;
  };
  struct Level {
    std::unordered_map<uint64_t, Line> lines;                  // of clients with work waiting or running; never walked
    std::set<std::tuple<Duration, uint64_t, uint64_t>> ready;  // spent, order, client: of lines with work waiting
    size_t waiting = 0;
    Duration spent{};  // by its weight
    Duration floor{};  // what the client had spent that was served last
  };

  static size_t level_of(Duration used) {
    return static_cast<size_t>(std::upper_bound(kBounds.begin(), kBounds.end(), used) - kBounds.begin());
  }
  // The level whose turn it is, among those with work.
  std::optional<size_t> first_level() const {
    std::optional<size_t> first;
    for (size_t i = 0; i < levels_.size(); ++i) {
      if (levels_[i].waiting > 0 && (!first || levels_[i].spent < levels_[*first].spent)) first = i;
    }
    return first;
  }
  void enqueue(Level& level, uint64_t client, Line& line) {
    line.order = next_order_++;
    level.ready.emplace(line.spent, line.order, client);
  }
  static void spend(Level& level, size_t at, Line& line, Duration time) {
    line.spent += time;
    level.spent += time / kWeights[at];
  }

  std::array<Level, kWeights.size()> levels_;
  uint64_t next_order_ = 0;
};

}  // namespace cairn::runtime
