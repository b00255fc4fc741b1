// The answers of one connection's unary calls: how much memory they may take, and which calls wait for room. Confined
// to the connection's loop. Tests: server_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <array>
#include <deque>
#include <memory>
#include <utility>

#include "rpc/answer_room.h"

namespace cairn::rpc {

class ConnectionAnswers {
 public:
  using Begin = absl::AnyInvocable<void()>;

  // One call's place; ends with the call.
  class Place {
   public:
    Place(std::shared_ptr<ConnectionAnswers> answers, uint32_t values, Begin begin)
        : answers_(std::move(answers)), values_(values), begin_(std::move(begin)) {}
    ~Place() {
      if (state_ == State::kBegun) answers_->room_.abandon(values_);
      if (state_ == State::kAnswered) answers_->room_.on_sent(bytes_);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // The answer waits for the network until the place ends.
    void answer(size_t bytes) {
      if (state_ != State::kBegun) return;
      state_ = State::kAnswered;
      bytes_ = bytes;
      answers_->room_.end(values_, bytes);
    }

   private:
    friend class ConnectionAnswers;
    enum class State { kWaiting, kBegun, kAnswered };

    void begin() {
      state_ = State::kBegun;
      answers_->room_.begin(values_);
      std::exchange(begin_, nullptr)();
    }

    const std::shared_ptr<ConnectionAnswers> answers_;
    const uint32_t values_;
    Begin begin_;
    State state_ = State::kWaiting;
    size_t bytes_ = 0;
  };

  // The place begins at once if there is room, else with a go_on().
  void enter(const std::shared_ptr<Place>& place) {
    auto& waiting = waiting_of(place->values_);
    if (waiting.empty() && room_.has_room(place->values_)) {
      place->begin();
    } else {
      waiting.push_back(place);
    }
  }
  bool has_waiting() const { return !waiting_[0].empty() || !waiting_[1].empty(); }
  // Begins what there is room for.
  void go_on() {
    for (auto& waiting : waiting_) {
      while (!waiting.empty()) {
        const auto place = waiting.front().lock();
        if (place && !room_.has_room(place->values_)) break;
        waiting.pop_front();
        if (place) place->begin();
      }
    }
  }

 private:
  using Waiting = std::deque<std::weak_ptr<Place>>;
  Waiting& waiting_of(uint32_t values) { return waiting_[values == 1 ? 0 : 1]; }

  AnswerRoom room_;
  std::array<Waiting, 2> waiting_;  // for one value, for many
};

}  // namespace cairn::rpc
