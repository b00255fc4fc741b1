#include "rpc/connection_answers.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace cairn::rpc {
namespace {

class Calls {
 public:
  std::shared_ptr<ConnectionAnswers::Place> enter(uint32_t values) {
    auto place = std::make_shared<ConnectionAnswers::Place>(answers_, values, [this] { ++begun_; });
    answers_->enter(place);
    return place;
  }
  ConnectionAnswers& answers() { return *answers_; }
  int begun() const { return begun_; }

 private:
  const std::shared_ptr<ConnectionAnswers> answers_ = std::make_shared<ConnectionAnswers>();
  int begun_ = 0;
};

// A client may begin and cancel calls for ever while one of its calls waits.
TEST(ConnectionAnswers, ACallThatEndsWhileItWaitsLeavesNothingBehind) {
  Calls calls;
  std::vector<std::shared_ptr<ConnectionAnswers::Place>> under_way;
  for (size_t i = 0; i < AnswerRoom::kManyMax; ++i) under_way.push_back(calls.enter(100));
  const int begun = calls.begun();
  const auto waiting = calls.enter(100);
  for (int i = 0; i < 100; ++i) static_cast<void>(calls.enter(100));
  EXPECT_EQ(calls.answers().waiting(), 1u);
  EXPECT_EQ(calls.begun(), begun);
  under_way.pop_back();
  calls.answers().go_on();
  EXPECT_EQ(calls.begun(), begun + 1);
  EXPECT_EQ(calls.answers().waiting(), 0u);
}

TEST(ConnectionAnswers, CallsThatWaitBeginInTheirOrderAsOthersEnd) {
  const auto answers = std::make_shared<ConnectionAnswers>();
  std::vector<size_t> order;
  std::vector<std::shared_ptr<ConnectionAnswers::Place>> places;
  for (size_t i = 0; i < 2 * AnswerRoom::kManyMax; ++i) {
    places.push_back(std::make_shared<ConnectionAnswers::Place>(answers, 100, [&order, i] { order.push_back(i); }));
    answers->enter(places.back());
  }
  EXPECT_EQ(order.size(), AnswerRoom::kManyMax);
  for (size_t i = 0; i < AnswerRoom::kManyMax; ++i) {
    places[i]->answer(10);
    places[i] = nullptr;
    answers->go_on();
  }
  std::vector<size_t> expected(2 * AnswerRoom::kManyMax);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace cairn::rpc
