#include "pd/member/leadership.h"

#include "base/metrics.h"

namespace cairn::pd {
namespace {

metrics::Histogram& time_of_commits(const char* result) {
  return metrics::histogram("pd_txn_handle_txns_duration_seconds", "How long PD's records take to be made durable",
                            metrics::kJobTimes, {{"result", result}});
}

}  // namespace

bool Leadership::spawn(runtime::Task<void> story) {
  if (is_stopping_) return false;
  ++running_tasks_;
  runtime::spawn_inline(run_counted(owner_.lock(), this, std::move(story)));
  return true;
}

runtime::Task<void> Leadership::run_counted([[maybe_unused]] std::shared_ptr<void> owner, Leadership* self,
                                            runtime::Task<void> story) {
  co_await std::move(story);
  if (--self->running_tasks_ == 0 && self->on_idle_) self->on_idle_();
}

runtime::Task<CommandResult> Leadership::run(Bytes command) {
  auto [promise, future] = runtime::one_shot<CommandResult>();
  group_.propose(std::move(command),
                 [p = std::move(promise)](CommandResult result) mutable { p.set(std::move(result)); });
  const Instant begun = clock_.now();
  auto result = co_await future.wait(executor_);
  static auto& done = time_of_commits("success");
  static auto& failed = time_of_commits("failed");
  (result && result->status.ok() ? done : failed).observe(clock_.now() - begun);
  if (!result) co_return CommandResult{MetaGroup::not_leader(), {}};
  co_return std::move(*result);
}

}  // namespace cairn::pd
