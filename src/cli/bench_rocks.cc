#include <cstdio>
#include <filesystem>

#include "base/log.h"
#include "cli/bench.h"
#include "cli/process.h"
#include "engine/rocks/rocks_engine.h"
#include "runtime/random.h"

namespace cairn::cli {
namespace {

constexpr uint64_t kKeys = 100'000;
constexpr size_t kValueBytes = 100;

Bytes key_of(uint64_t n) { return fmt::format("zbench/a-key-of-34-bytes/{:010}", n); }

// Runs `step`, which returns how many operations it did or 0 on failure, for the time that is asked.
template <class Step>
Yardstick measure(const BenchOptions& options, std::string name, std::string what, Step step) {
  Yardstick mark{.name = std::move(name), .what = std::move(what)};
  const double began = now_seconds();
  const double cpu = cpu_us_of(0);
  do {
    const int done = step();
    if (done == 0) break;
    mark.operations += done;
    mark.seconds = now_seconds() - began;
  } while (mark.seconds < options.seconds);
  mark.cpu_us = (cpu_us_of(0) - cpu) / mark.operations;
  return mark;
}

int measure_kv(engine::KvEngine& kv, const BenchOptions& options) {
  runtime::Random random(1);
  const Bytes value(kValueBytes, 'v');
  auto batch = kv.new_batch();
  // Writes `count` keys in one batch; 0 if that fails.
  const auto put = [&](int count, auto next_key) {
    for (int i = 0; i < count; ++i) batch->put(engine::Cf::kDefault, key_of(next_key()), value);
    const bool is_written = kv.write(*batch).ok();
    batch->clear();
    return is_written ? count : 0;
  };
  const auto some_key = [&] { return random.below(kKeys); };
  for (uint64_t n = 0; n < kKeys;) {
    if (put(100, [&] { return n++; }) == 0) return complain("the database cannot be written");
  }
  print(measure(options, "get", "RocksDB get, from the memtable",
                [&] { return kv.get(engine::Cf::kDefault, key_of(some_key())).ok() ? 1 : 0; }),
        options);
  if (!kv.flush().ok()) return complain("the database cannot be flushed");
  print(measure(options, "get-flushed", "RocksDB get, from the block cache",
                [&] { return kv.get(engine::Cf::kDefault, key_of(some_key())).ok() ? 1 : 0; }),
        options);
  for (const int count : {1, 16}) {
    print(measure(options, count == 1 ? "put" : "put-16",
                  fmt::format("RocksDB put without its log, {} a batch, for each put", count),
                  [&] { return put(count, some_key); }),
          options);
  }
  return 0;
}

int measure_log(engine::RaftLogEngine& log, const BenchOptions& options) {
  const Bytes entry(kValueBytes + 50, 'e');
  uint64_t index = 0;
  for (const int count : {1, 8}) {
    print(measure(options, count == 1 ? "log-sync" : "log-sync-8",
                  fmt::format("Raft log, {} entries a batch and fsync, for each entry", count),
                  [&] {
                    auto batch = log.new_batch();
                    for (int i = 0; i < count; ++i) batch->put_entry(RegionId(1), LogIndex(++index), entry);
                    batch->put_state(RegionId(1), "state");
                    return log.write(*batch, engine::Sync::kYes).ok() ? count : 0;
                  }),
          options);
  }
  return 0;
}

}  // namespace

int bench_rocks(const std::string& folder, const BenchOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return complain("the directory " + folder + " cannot be made: " + error.message());
  int code = 0;
  {
    auto kv = engine::open_rocks_kv(folder + "/db");
    auto log = engine::open_rocks_raft_log(folder + "/raft");
    if (!kv.ok()) {
      code = complain(kv.error().message);
    } else if (!log.ok()) {
      code = complain(log.error().message);
    } else {
      code = measure_kv(**kv, options);
      if (code == 0) code = measure_log(**log, options);
    }
  }
  std::filesystem::remove_all(folder, error);
  return code;
}

}  // namespace cairn::cli
