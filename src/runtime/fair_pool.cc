#include "runtime/fair_pool.h"

#include <utility>

#include "base/mutex.h"
#include "runtime/fair_queue.h"

namespace cairn::runtime {

// What the pool, its lanes and its turns share.
class FairPool::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Executor& pool, const Clock& clock, size_t lanes_max) : pool_(pool), clock_(clock), lanes_max_(lanes_max) {}

  void push(std::shared_ptr<Lane> lane, Job job);
  // Runs the job whose turn it is.
  void run_one();
  // Drops it: the executor has stopped.
  void drop_one();

  bool enter() {
    if (lanes_.fetch_add(1) < lanes_max_) return true;
    lanes_.fetch_sub(1);
    return false;
  }
  void leave() { lanes_.fetch_sub(1); }
  void set_lanes_max(size_t lanes_max) { lanes_max_ = lanes_max; }
  Executor& pool() { return pool_; }
  size_t waiting() const { return waiting_; }

 private:
  struct Entry {
    std::shared_ptr<Lane> lane;
    Job job;
  };
  using Queue = FairQueue<Entry>;
  Queue::Taken take() {
    MutexLock lock(mutex_);
    auto taken = queue_.pop();
    CHECK(taken.has_value(), "a turn without a job");
    --waiting_;
    return std::move(*taken);
  }

  Executor& pool_;
  const Clock& clock_;
  std::atomic<size_t> lanes_max_;
  std::atomic<size_t> lanes_{0};
  std::atomic<size_t> waiting_{0};
  Mutex mutex_;
  Queue queue_ CAIRN_GUARDED_BY(mutex_);
};

class FairPool::Lane final : public Executor, public std::enable_shared_from_this<Lane> {
 public:
  Lane(std::shared_ptr<Core> core, uint64_t client) : core_(std::move(core)), client_(client) {}
  ~Lane() override { core_->leave(); }

  void post(Job job) override {
    const auto core = core_;  // the job may end the lane before this returns
    core->push(shared_from_this(), std::move(job));
  }
  TimerId after(Duration delay, Job job) override {
    return core_->pool().after(
        delay, [lane = shared_from_this(), job = std::move(job)]() mutable { lane->post(std::move(job)); });
  }
  void cancel(TimerId timer) override { core_->pool().cancel(timer); }
  bool is_current() const override { return core_->pool().is_current(); }
  size_t backlog() const override { return core_->waiting(); }

  uint64_t client() const { return client_; }
  Duration used() const { return Duration(used_.load()); }
  void add_used(Duration time) { used_.fetch_add(time.count()); }

 private:
  const std::shared_ptr<Core> core_;
  const uint64_t client_;
  std::atomic<int64_t> used_{0};
};

// A job of the executor beneath: runs one job, or drops one if it is dropped itself, so that there are always as many
// turns as jobs.
class FairPool::Turn {
 public:
  explicit Turn(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  Turn(Turn&&) noexcept = default;
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (core_) core_->drop_one();
  }
  void operator()() { std::exchange(core_, nullptr)->run_one(); }

 private:
  std::shared_ptr<Core> core_;
};

void FairPool::Core::push(std::shared_ptr<Lane> lane, Job job) {
  {
    MutexLock lock(mutex_);
    ++waiting_;
    const uint64_t client = lane->client();
    const Duration used = lane->used();
    queue_.push(client, used, {std::move(lane), std::move(job)});
  }
  pool_.post(Turn(shared_from_this()));
}

void FairPool::Core::run_one() {
  auto taken = take();
  const Instant begun = clock_.now();
  taken.job.job();
  taken.job.job = nullptr;
  const Duration took = clock_.now() - begun;
  taken.job.lane->add_used(took);
  MutexLock lock(mutex_);
  queue_.charge(taken.place, took);
}

void FairPool::Core::drop_one() {
  auto dropped = take();  // dies after the lock: its closure may do anything
  MutexLock lock(mutex_);
  queue_.charge(dropped.place, {});
}

FairPool::FairPool(Executor& pool, const Clock& clock, size_t lanes_max)
    : core_(std::make_shared<Core>(pool, clock, lanes_max)) {}
FairPool::~FairPool() = default;

std::shared_ptr<Executor> FairPool::admit(uint64_t client) const {
  if (!core_->enter()) return nullptr;
  return std::make_shared<Lane>(core_, client);
}

void FairPool::set_lanes_max(size_t lanes_max) { core_->set_lanes_max(lanes_max); }

}  // namespace cairn::runtime
