#include "gc/sweep.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/log.h"
#include "base/redact.h"
#include "client/gather.h"
#include "client/locks.h"
#include "client/send.h"

namespace cairn::gc {
namespace {

using client::CorePtr;
using client::Effect;
using client::Effort;
using client::Error;
using client::Fate;
using client::Outcome;
using runtime::Task;

constexpr size_t kKnownMax = 100'000;  // fates remembered; beyond that they are asked for again

client::EffortPtr new_effort(const CorePtr& core, Effect effect) { return std::make_shared<Effort>(*core, effect); }

// Locks of one region, in key order, and where the next ones are.
struct Page {
  std::vector<kvrpcpb::LockInfo> locks;
  bool is_last = false;
  Bytes next;  // engine key
};

// Regions may be bounded by raw keys, which are no encoded ones; such a bound is left to the region itself.
Bytes user_key_or_none(const Bytes& engine_key) { return codec::decode_bytes(engine_key).value_or(Bytes()); }

Task<Outcome<Page>> read_page(CorePtr core, Bytes from, Timestamp up_to, uint32_t limit) {
  auto effort = new_effort(core, Effect::kRead);
  for (;;) {
    CO_TRY_ASSIGN(auto route, co_await client::locate(core, effort, from));
    kvrpcpb::ScanLockRequest request;
    request.set_max_version(up_to.value);
    request.set_start_key(user_key_or_none(from));
    request.set_end_key(user_key_or_none(route.end_key));
    request.set_limit(limit);
    const Bytes region_end = route.end_key;
    CO_TRY_ASSIGN(auto reply, co_await client::attempt<kvrpcpb::ScanLockRequest, kvrpcpb::ScanLockResponse>(
                                  core, effort, std::move(route), std::move(request), &api::Tikv::kv_scan_lock));
    if (!reply) continue;
    if (reply->has_error() && reply->error().has_locked()) {
      // A prewrite is about to leave a lock there: it will be seen in a moment.
      effort->note("a lock in memory is in the way");
      if (!co_await effort->wait(core, client::Wait::kShort)) co_return Err(effort->exhausted());
      continue;
    }
    if (reply->has_error()) co_return Err(Error(client::Refused{reply->error().ShortDebugString()}));
    Page page;
    auto& records = *reply->mutable_locks();
    for (const auto& record : records) client::add_locks(record, page.locks);
    const bool is_full = limit != 0 && page.locks.size() >= limit;
    if (is_full && records.rbegin()->lock_type() == kvrpcpb::Op::SharedLock) {
      // Of those who share the last key some may be missing: they are read together, with the next page.
      if (records.size() == 1) {
        limit = limit > std::numeric_limits<uint32_t>::max() / 2 ? 0 : limit * 2;  // 0: all
        continue;
      }
      page.next = codec::encode_bytes(records.rbegin()->key());
      std::erase_if(page.locks, [&](const auto& lock) { return lock.key() == records.rbegin()->key(); });
    } else if (is_full) {
      page.next = codec::encode_bytes(page.locks.back().key() + '\0');
    } else {
      page.next = region_end;
      page.is_last = region_end.empty();
    }
    if (!page.is_last && page.next <= from) {
      co_return Err(Error(client::Refused{"the scan of locks does not go on behind " + log::user_text(from)}));
    }
    co_return page;
  }
}

// Locks of one transaction that are to be given the same fate.
struct Ending {
  Timestamp start_ts;
  Timestamp commit_ts;  // unset: rolled back
  bool is_pessimistic = false;
  std::vector<Bytes> keys;  // sorted
};

// One request to one region; the keys that are still to be dealt with come back.
Task<Outcome<std::vector<Bytes>>> end_batch(CorePtr core, client::EffortPtr effort, client::RegionRoute route,
                                            Ending ending) {
  if (ending.is_pessimistic) {
    // It holds no value: it goes, whatever its transaction's fate.
    kvrpcpb::PessimisticRollbackRequest request;
    request.set_start_version(ending.start_ts.value);
    request.set_for_update_ts(Timestamp::max().value);
    for (const auto& key : ending.keys) request.add_keys(key);
    CO_TRY_ASSIGN(const auto reply,
                  co_await client::attempt<kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse>(
                      core, effort, std::move(route), std::move(request), &api::Tikv::kv_pessimistic_rollback));
    if (!reply) co_return std::move(ending.keys);
    if (!reply->errors().empty()) co_return Err(Error(client::Refused{reply->errors(0).ShortDebugString()}));
  } else {
    kvrpcpb::ResolveLockRequest request;
    request.set_start_version(ending.start_ts.value);
    request.set_commit_version(ending.commit_ts.value);
    for (const auto& key : ending.keys) request.add_keys(key);
    CO_TRY_ASSIGN(const auto reply,
                  co_await client::attempt<kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse>(
                      core, effort, std::move(route), std::move(request), &api::Tikv::kv_resolve_lock));
    if (!reply) co_return std::move(ending.keys);
    if (reply->has_error()) co_return Err(Error(client::Refused{reply->error().ShortDebugString()}));
  }
  co_return std::vector<Bytes>();
}

Task<Outcome<void>> end_locks(CorePtr core, Ending ending) {
  auto effort = new_effort(core, Effect::kRepeatable);
  while (!ending.keys.empty()) {
    CO_TRY_ASSIGN(auto batches, co_await client::divide(
                                    core, effort, std::exchange(ending.keys, {}),
                                    [](const Bytes& key) { return codec::encode_bytes(key); },
                                    [](const Bytes& key) { return key.size(); }));
    for (auto& batch : batches) {
      Ending part{ending.start_ts, ending.commit_ts, ending.is_pessimistic, std::move(batch.items)};
      CO_TRY_ASSIGN(auto again, co_await end_batch(core, effort, std::move(batch.route), std::move(part)));
      ending.keys.insert(ending.keys.end(), again.begin(), again.end());
    }
  }
  co_return Outcome<void>();
}

bool is_pessimistic(const kvrpcpb::LockInfo& lock) { return lock.lock_type() == kvrpcpb::Op::PessimisticLock; }

class Sweep {
 public:
  Sweep(CorePtr core, Options options, Timestamp no_mercy_to)
      : core_(std::move(core)), options_(options), no_mercy_to_(no_mercy_to) {}

  // Runs the tasks, a few at once, and stops at the first error.
  static Task<Outcome<void>> run_all(Sweep* sweep, std::vector<Task<Outcome<void>>> tasks) {
    for (size_t begin = 0; begin < tasks.size(); begin += sweep->options_.judged_at_once) {
      const size_t end = std::min(tasks.size(), begin + sweep->options_.judged_at_once);
      std::vector<Task<Outcome<void>>> some;
      for (size_t i = begin; i < end; ++i) some.push_back(std::move(tasks[i]));
      auto outcomes = co_await client::gather(sweep->core_->deps.executor, std::move(some));
      for (auto& outcome : outcomes) {
        if (!outcome.ok()) co_return Err(std::move(outcome).error());
      }
    }
    co_return Outcome<void>();
  }

  static Task<Outcome<void>> judge_one(Sweep* sweep, kvrpcpb::LockInfo lock) {
    const Timestamp start_ts(lock.lock_version());
    const bool has_mercy = start_ts > sweep->no_mercy_to_;
    if (!has_mercy) LOG_WARN("gc: transaction {} has been held alive for too long: it is ended", start_ts);
    CO_TRY_ASSIGN(const Fate fate,
                  co_await client::judge(sweep->core_, new_effort(sweep->core_, Effect::kRepeatable), lock,
                                         has_mercy ? client::Mercy::kForTheLiving : client::Mercy::kNone));
    sweep->known_[case_of(lock)] = fate;
    co_return Outcome<void>();
  }

  static Task<Outcome<void>> settle(Sweep* sweep, std::vector<kvrpcpb::LockInfo> locks) {
    if (sweep->known_.size() > kKnownMax) sweep->known_.clear();
    std::vector<Task<Outcome<void>>> questions;
    for (const auto& lock : locks) {
      const auto [it, is_new] = sweep->known_.try_emplace(case_of(lock));
      if (is_new) questions.push_back(judge_one(sweep, lock));
    }
    CO_TRY(co_await run_all(sweep, std::move(questions)));
    std::vector<Task<Outcome<void>>> endings;
    for (auto& ending : sweep->endings_of(locks)) endings.push_back(end_locks(sweep->core_, std::move(ending)));
    co_return co_await run_all(sweep, std::move(endings));
  }

  Swept swept;

 private:
  // Locks that are judged together. A transaction may have chosen another primary after its first locks, and what holds
  // for pessimistic locks binds no others.
  using Case = std::tuple<Timestamp, Bytes, bool>;
  static Case case_of(const kvrpcpb::LockInfo& lock) {
    return {Timestamp(lock.lock_version()), lock.primary_lock(), is_pessimistic(lock)};
  }

  // Decides lock by lock, and gathers those of a transaction.
  std::vector<Ending> endings_of(const std::vector<kvrpcpb::LockInfo>& locks) {
    std::map<std::pair<Timestamp, bool>, Ending> by_txn;
    for (const auto& lock : locks) {
      const Timestamp start_ts(lock.lock_version());
      const Fate& fate = known_.at(case_of(lock));
      // A pessimistic lock whose primary is none is a left-over of a transaction that went on without it.
      const bool is_over = fate.kind == Fate::Kind::kCommitted || fate.kind == Fate::Kind::kRolledBack ||
                           (fate.kind == Fate::Kind::kMisled && is_pessimistic(lock));
      if (!is_over) {
        ++swept.left;
        if (!swept.oldest_alive || start_ts < *swept.oldest_alive) swept.oldest_alive = start_ts;
        continue;
      }
      fate.kind == Fate::Kind::kCommitted ? ++swept.committed : ++swept.rolled_back;
      auto& ending = by_txn[{start_ts, is_pessimistic(lock)}];
      ending.start_ts = start_ts;
      ending.commit_ts = fate.commit_ts;
      ending.is_pessimistic = is_pessimistic(lock);
      ending.keys.push_back(lock.key());
    }
    std::vector<Ending> endings;
    for (auto& [txn, ending] : by_txn) endings.push_back(std::move(ending));
    return endings;
  }

  CorePtr core_;
  Options options_;
  Timestamp no_mercy_to_;
  std::map<Case, Fate> known_;
};

}  // namespace

Task<Outcome<Swept>> sweep(CorePtr core, Options options, Timestamp up_to, Timestamp no_mercy_to,
                           std::function<bool()> goes_on) {
  Sweep sweep(core, options, no_mercy_to);
  for (Bytes from;;) {
    if (!goes_on()) co_return Err(Error(client::GaveUp{"the collector stops"}));
    CO_TRY_ASSIGN(auto page, co_await read_page(core, from, up_to, options.locks_per_page));
    CO_TRY(co_await Sweep::settle(&sweep, std::move(page.locks)));
    if (page.is_last) co_return std::move(sweep.swept);
    from = std::move(page.next);
  }
}

}  // namespace cairn::gc
