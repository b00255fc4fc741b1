// A RegionStore without Raft: one region over a plain KvEngine, always leader, term 1. For the tests of those who rest
// on the replicated store (txn/, rawkv/), and for one-process uses where nothing is replicated.
//
// As in the real store, engine key k lies at data key 'z' + k. A write is applied at once, inside write(); it counts
// the log index from 1. Used on one executor, like every RegionStore.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/kv_engine.h"
#include "engine/region_store.h"
#include "runtime/executor.h"

namespace cairn::engine {

class LocalRegionStore final : public RegionStore {
 public:
  // `region`'s bounds limit keys; its first peer (if any) is the one that serves. The default: region 1 over all keys,
  // epoch 1/1, peer 1 on store 1.
  LocalRegionStore(std::shared_ptr<KvEngine> engine, runtime::Executor& executor,
                   RegionDescription region = whole_key_space());
  ~LocalRegionStore() override;

  static RegionDescription whole_key_space();
  // A request that the region answers.
  RegionRequest request() const;

  runtime::Task<cairn::Result<RegionSnapshotPtr, RegionError>> snapshot(RegionRequest request) override;
  runtime::Task<cairn::Result<LogIndex, RegionError>> write(RegionRequest request, WriteBasis basis,
                                                            WriteData data) override;
  bool is_busy(RegionId region) const override;
  runtime::Executor& executor() override { return executor_; }
  runtime::Executor& read_executor() override { return *read_executor_; }

  // The same without a task, for tests that look from outside.
  RegionSnapshotPtr snapshot_now() const;
  cairn::Result<LogIndex, RegionError> write_now(const WriteData& data);

  // What a test may change. The term: writes that follow from an older one are StaleCommand.
  void set_term(Term term) { term_ = term; }
  // By default the store's own; it outlives the store.
  void set_read_executor(runtime::Executor& executor) { read_executor_ = &executor; }
  void set_busy(bool busy) { busy_ = busy; }
  // Answers each snapshot and write with the error that the hook returns, before anything happens.
  void set_error_hook(std::function<std::optional<RegionError>(const RegionRequest&)> hook) { hook_ = std::move(hook); }
  const RegionDescription& region() const { return region_; }
  KvEngine& engine() { return *engine_; }

 private:
  std::optional<RegionError> check(const RegionRequest& request) const;

  std::shared_ptr<KvEngine> engine_;
  runtime::Executor& executor_;
  runtime::Executor* read_executor_ = &executor_;
  RegionDescription region_;
  Term term_{1};
  LogIndex applied_{0};
  bool busy_ = false;
  std::function<std::optional<RegionError>(const RegionRequest&)> hook_;
};

}  // namespace cairn::engine
