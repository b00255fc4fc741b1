// The answers of one connection's unary calls: how much memory they may take, and which calls wait for room. Confined
// to the connection's loop. Tests: connection_answers_test.cc, server_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <array>
#include <list>
#include <memory>
#include <utility>

#include "rpc/answer_room.h"

namespace cairn::rpc {

class ConnectionAnswers {
 public:
  using Begin = absl::AnyInvocable<void()>;
  class Place;

 private:
  using Waiting = std::list<Place*>;  // a call that ends takes its place out

 public:
  // One call's place; ends with the call.
  class Place : public std::enable_shared_from_this<Place> {
   public:
    Place(std::shared_ptr<ConnectionAnswers> answers, uint32_t values, Begin begin)
        : answers_(std::move(answers)), values_(values), begin_(std::move(begin)) {}
    ~Place() {
      if (state_ == State::kWaiting) answers_->waiting_of(values_).erase(at_);
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
    enum class State { kNew, kWaiting, kBegun, kAnswered };

    void wait() {
      state_ = State::kWaiting;
      auto& waiting = answers_->waiting_of(values_);
      at_ = waiting.insert(waiting.end(), this);
    }
    void begin() {
      if (state_ == State::kWaiting) answers_->waiting_of(values_).erase(at_);
      state_ = State::kBegun;
      answers_->room_.begin(values_);
      std::exchange(begin_, nullptr)();
    }

    const std::shared_ptr<ConnectionAnswers> answers_;
    const uint32_t values_;
    Begin begin_;
    State state_ = State::kNew;
    Waiting::iterator at_;  // while it waits
    size_t bytes_ = 0;
  };

  // The place begins at once if there is room, else with a go_on().
  void enter(const std::shared_ptr<Place>& place) {
    auto& waiting = waiting_of(place->values_);
    if (waiting.empty() && room_.has_room(place->values_)) {
      place->begin();
    } else {
      place->wait();
    }
  }
  size_t waiting() const { return waiting_[0].size() + waiting_[1].size(); }
  // Begins what there is room for.
  void go_on() {
    for (auto& waiting : waiting_) {
      while (!waiting.empty() && room_.has_room(waiting.front()->values_)) {
        const auto place = waiting.front()->shared_from_this();  // the call may end meanwhile
        place->begin();
      }
    }
  }

 private:
  Waiting& waiting_of(uint32_t values) { return waiting_[values == 1 ? 0 : 1]; }

  AnswerRoom room_;
  std::array<Waiting, 2> waiting_;  // for one value, for many
};

}  // namespace cairn::rpc
