// Executors of a node of which the test may stop some: so one of its actors stalls while the others go on. Jobs of a
// stopped actor wait and are let through one by one, or all at once.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "runtime/executor.h"

namespace cairn::store {

// One executor with a gate before it. Timers pass the gate; actors that a test stops have none.
class GatedExecutor final : public runtime::Executor {
 public:
  GatedExecutor(std::string name, std::shared_ptr<runtime::Executor> inner)
      : name_(std::move(name)), inner_(std::move(inner)) {}

  void post(runtime::Job job) override {
    if (is_shut_) {
      held_.push_back(std::move(job));
    } else {
      inner_->post(std::move(job));
    }
  }
  runtime::TimerId after(Duration delay, runtime::Job job) override { return inner_->after(delay, std::move(job)); }
  void cancel(runtime::TimerId timer) override { inner_->cancel(timer); }
  bool is_current() const override { return inner_->is_current(); }
  size_t backlog() const override { return inner_->backlog() + held_.size(); }

  const std::string& name() const { return name_; }
  size_t held() const { return held_.size(); }
  void shut() { is_shut_ = true; }
  // The job that has waited longest runs.
  void let_one_through() {
    inner_->post(std::move(held_.front()));
    held_.pop_front();
  }
  void open() {
    is_shut_ = false;
    while (!held_.empty()) let_one_through();
  }

 private:
  const std::string name_;
  const std::shared_ptr<runtime::Executor> inner_;
  bool is_shut_ = false;
  std::deque<runtime::Job> held_;
};

class GatedExecutors final : public runtime::Executors {
 public:
  // `inner` must outlive this.
  explicit GatedExecutors(runtime::Executors& inner) : inner_(inner) {}

  std::shared_ptr<runtime::Executor> make(const std::string& name) override {
    made_.push_back(std::make_shared<GatedExecutor>(name, inner_.make(name)));
    return made_.back();
  }
  std::shared_ptr<runtime::Executor> make_pool(const std::string& name, int threads) override {
    return inner_.make_pool(name, threads);
  }

  // The executor of that name; the test's bug if there is none.
  GatedExecutor& at(const std::string& name) {
    for (auto& gated : made_) {
      if (gated->name() == name) return *gated;
    }
    CHECK(false, "no executor is named {}", name);
    return *made_.front();
  }
  void open_all() {
    for (auto& gated : made_) gated->open();
  }

 private:
  runtime::Executors& inner_;
  std::vector<std::shared_ptr<GatedExecutor>> made_;
};

}  // namespace cairn::store
