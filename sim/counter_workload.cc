#include "sim/counter_workload.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "runtime/async.h"

namespace cairn::sim {

runtime::Task<void> CounterWorkload::run(client::Client* client, runtime::Executor* executor, uint64_t seed) {
  runtime::Random dice(seed);
  ++running_;
  while (!is_stopping_) {
    co_await increment(client, &dice);
    co_await runtime::sleep(*executor, dice.between(1ms, 40ms));
  }
  --running_;
}

runtime::Task<void> CounterWorkload::increment(client::Client* client, runtime::Random* dice) {
  Hold hold(options_.safe_point);
  auto txn = co_await client->begin(
      {.is_pessimistic = true, .use_async_commit = dice->chance(0.3), .try_one_pc = dice->chance(0.3)});
  if (!txn.ok() || !hold.move_to(txn->start_ts())) co_return;
  const uint64_t first = dice->below(kCounters);
  const uint64_t second = (first + 1 + dice->below(kCounters - 1)) % kCounters;
  const std::array<Bytes, 2> keys{key_of(first), key_of(second)};
  for (const Bytes& key : keys) {
    auto locked = co_await txn->lock_keys({key}, {.return_values = true, .force = dice->chance(0.5)});
    if (!locked.ok()) {
      if (std::holds_alternative<client::Deadlock>(locked.error())) ++deadlocks_;
      txn->rollback();
      co_return;
    }
    const auto& value = locked->at(key).value;
    txn->put(key, std::to_string(value ? std::stoull(*value) + 1 : 1));
  }
  auto committed = co_await txn->commit();
  if (committed.ok()) ++successes_;
  const bool is_unknown = !committed.ok() && std::holds_alternative<client::Undetermined>(committed.error());
  for (const Bytes& key : keys) {
    if (committed.ok()) ++acknowledged_[key];
    if (is_unknown) ++unknown_[key];
  }
}

runtime::Task<void> CounterWorkload::check(client::Client* client, runtime::Executor* executor) {
  std::vector<Bytes> keys;
  for (uint64_t i = 0; i < kCounters; ++i) keys.push_back(key_of(i));
  std::string trouble;
  constexpr int kTriesMax = 20;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    auto txn = co_await client->begin({.is_pessimistic = true});
    if (txn.ok()) {
      auto locked = co_await txn->lock_keys(keys, {.return_values = true});
      txn->rollback();
      if (locked.ok()) {
        for (const Bytes& key : keys) {
          const auto& value = locked->at(key).value;
          const uint64_t counted = value ? std::stoull(*value) : 0;
          if (counted < acknowledged_[key] || counted > acknowledged_[key] + unknown_[key]) {
            fail_(fmt::format("INV-PESSIMISTIC-TERM: counter {} says {} after {} increments and {} of unknown outcome",
                              key, counted, acknowledged_[key], unknown_[key]));
          }
        }
        is_checked_ = true;
        co_return;
      }
      trouble = client::to_string(locked.error());
    }
    co_await runtime::sleep(*executor, 500ms);
  }
  fail_("counters: they cannot be locked in the end: " + trouble);
  is_checked_ = true;
}

}  // namespace cairn::sim
