// What a hop costs: ThreadExecutor and tasks against a bare queue of a mutex and a condition variable. Built on
// request: ninja cairn_runtime_bench.
#include <benchmark/benchmark.h>

#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "runtime/async.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::runtime {
namespace {

// The yardstick: the least that a queue between two threads can be.
class BareQueue {
 public:
  BareQueue() : thread_([this] { work(); }) {}
  ~BareQueue() {
    push(nullptr);
    thread_.join();
  }
  void push(std::function<void()> job) {
    {
      MutexLock lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    here_.notify_one();
  }

 private:
  void work() {
    std::vector<std::function<void()>> batch;
    while (true) {
      {
        MutexLock lock(mutex_);
        here_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return !jobs_.empty(); });
        batch.swap(jobs_);
      }
      for (auto& job : batch) {
        if (!job) return;
        job();
      }
      batch.clear();
    }
  }
  Mutex mutex_;
  CondVar here_;
  std::vector<std::function<void()>> jobs_ CAIRN_GUARDED_BY(mutex_);
  std::thread thread_;
};

class Gate {
 public:
  void open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_one();
  }
  void pass() {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return open_; });
    open_ = false;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ CAIRN_GUARDED_BY(mutex_) = false;
};

constexpr int kBatch = 1000;

void BareQueuePost(benchmark::State& state) {
  BareQueue queue;
  Gate gate;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) queue.push([] {});
    queue.push([&gate] { gate.open(); });
    gate.pass();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BareQueuePost)->UseRealTime();

void ExecutorPost(benchmark::State& state) {
  ThreadExecutor executor("bench");
  Gate gate;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) executor.post([] {});
    executor.post([&gate] { gate.open(); });
    gate.pass();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(ExecutorPost)->UseRealTime();

void BareQueuePingPong(benchmark::State& state) {
  BareQueue a;
  BareQueue b;
  Gate gate;
  for (auto _ : state) {
    a.push([&] { b.push([&gate] { gate.open(); }); });
    gate.pass();
  }
}
BENCHMARK(BareQueuePingPong)->UseRealTime();

void ExecutorPingPong(benchmark::State& state) {
  ThreadExecutor a("a");
  ThreadExecutor b("b");
  Gate gate;
  for (auto _ : state) {
    a.post([&] { b.post([&gate] { gate.open(); }); });
    gate.pass();
  }
}
BENCHMARK(ExecutorPingPong)->UseRealTime();

Task<void> hop(Executor* a, Executor* b, int trips, Gate* gate) {
  for (int i = 0; i < trips; ++i) {
    co_await switch_to(*b);
    co_await switch_to(*a);
  }
  gate->open();
}
void TaskHopThereAndBack(benchmark::State& state) {
  ThreadExecutor a("a");
  ThreadExecutor b("b");
  Gate gate;
  for (auto _ : state) {
    spawn(a, hop(&a, &b, kBatch, &gate));
    gate.pass();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(TaskHopThereAndBack)->UseRealTime();

Task<int> leaf(int value) { co_return value; }
Task<void> create(int64_t* sum) {
  for (int i = 0; i < kBatch; ++i) *sum += co_await leaf(i);
}
void TaskCreateAndAwait(benchmark::State& state) {
  int64_t sum = 0;
  for (auto _ : state) spawn_inline(create(&sum));
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(TaskCreateAndAwait);

void OneShotSettledBeforeTheWait(benchmark::State& state) {
  for (auto _ : state) {
    auto [promise, future] = one_shot<int>();
    promise.set(1);
    benchmark::DoNotOptimize(future);
  }
}
BENCHMARK(OneShotSettledBeforeTheWait);

}  // namespace
}  // namespace cairn::runtime

BENCHMARK_MAIN();
