#include "base/mutex.h"

#include <gtest/gtest.h>

#include <future>

namespace cairn {
namespace {

// What two threads hand to one another.
class Slot {
 public:
  void put(int value) {
    MutexLock lock(mutex_);
    value_ = value;
    changed_.notify_all();
  }
  int wait_for_more_than(int least) {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [&]() CAIRN_REQUIRES(mutex_) { return value_ > least; });
    return value_;
  }
  bool becomes(int value, std::chrono::milliseconds limit) {
    MutexLock lock(mutex_);
    return changed_.wait_for(mutex_, limit, [&]() CAIRN_REQUIRES(mutex_) { return value_ == value; });
  }
  bool wait_until_notified_or(std::chrono::steady_clock::time_point when) {
    MutexLock lock(mutex_);
    changed_.wait_until(mutex_, when);
    return value_ > 0;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int value_ CAIRN_GUARDED_BY(mutex_) = 0;
};

TEST(Mutex, AWaiterHoldsItAgainAfterTheWait) {
  Slot asked;
  Slot answered;
  auto other = std::async(std::launch::async, [&] {
    for (int i = 1; i <= 1000; ++i) answered.put(asked.wait_for_more_than(i - 1));
  });
  for (int i = 1; i <= 1000; ++i) {
    asked.put(i);
    EXPECT_EQ(answered.wait_for_more_than(i - 1), i);
  }
  other.get();
}

TEST(Mutex, AWaitWithALimitEnds) {
  Slot slot;
  EXPECT_FALSE(slot.becomes(1, std::chrono::milliseconds(1)));
  EXPECT_FALSE(slot.wait_until_notified_or({}));
  slot.put(1);
  EXPECT_TRUE(slot.becomes(1, std::chrono::milliseconds(0)));
}

// One writer or many readers.
class SharedSlot {
 public:
  void put(int value) {
    WriterLock lock(mutex_);
    value_ = value;
  }
  // Calls `meanwhile` with the lock held.
  template <class Meanwhile>
  int get(Meanwhile meanwhile) {
    ReaderLock lock(mutex_);
    meanwhile();
    return value_;
  }

 private:
  SharedMutex mutex_;
  int value_ CAIRN_GUARDED_BY(mutex_) = 0;
};

TEST(SharedMutex, ReadersDoNotExcludeOneAnother) {
  SharedSlot slot;
  slot.put(7);
  const auto read = [&] { return slot.get([] {}); };
  EXPECT_EQ(slot.get([&] { EXPECT_EQ(std::async(std::launch::async, read).get(), 7); }), 7);
}

}  // namespace
}  // namespace cairn
