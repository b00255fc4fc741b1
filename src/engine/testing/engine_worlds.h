// Where contract tests run: an engine with a disk below it, that can be closed in order or lose its node. One kind over
// memory/, one over rocks/.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp

#include <filesystem>
#include <memory>
#include <string>

#include "engine/memory/memory_engine.h"
#include "engine/rocks/rocks_engine.h"

namespace cairn::engine::testing {

enum class Twin { kMemory, kRocks };

inline std::string twin_name(const ::testing::TestParamInfo<Twin>& info) {
  return info.param == Twin::kMemory ? "memory" : "rocks";
}

// A directory of its own, gone at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "cairn-engine-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A node's disk with both engines on it.
class World {
 public:
  explicit World(Twin twin) : twin_(twin), dice_(20) {
    disk_->set_cold([this] { return is_cold_ && warm_reads_-- <= 0; });
  }

  void open_kv() {
    if (twin_ == Twin::kMemory) {
      kv_ = open_memory_kv(disk_);
      return;
    }
    auto opened = open_rocks_kv(directory("kv"));
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    kv_ = std::move(opened).value();
  }
  Result<void> try_open_log() {
    if (twin_ == Twin::kMemory) {
      log_ = open_memory_raft_log(disk_);
      return {};
    }
    TRY_ASSIGN(log_, open_rocks_raft_log(directory("log")));
    return {};
  }
  void open_log() {
    auto opened = try_open_log();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
  }
  void close() {
    kv_.reset();
    log_.reset();
  }
  // The node goes down: what is not durable may be lost. For RocksDB, the directory is copied as it stands behind the
  // back of the open engine, and the copy is what is opened next.
  void crash() {
    if (twin_ == Twin::kMemory) {
      disk_->crash(dice_);
      return close();
    }
    namespace fs = std::filesystem;
    std::string before = scratch_.path() + "/" + std::to_string(generation_++);
    std::string after = scratch_.path() + "/" + std::to_string(generation_);
    // RocksDB removes obsolete files in the background: where one vanishes under the copy, it is made again.
    std::error_code vanished;
    do {
      fs::remove_all(after);
      if (fs::exists(before)) fs::copy(before, after, fs::copy_options::recursive, vanished);
    } while (vanished == std::errc::no_such_file_or_directory);
    if (vanished) throw fs::filesystem_error("copy", before, after, vanished);
    close();
  }

  // Nothing of the ordered store is cached from now on, but what is not flushed: a new process, whose cache fills by
  // reading. In memory: until warm_up(), or but for so many reads.
  void cool_down() {
    if (twin_ == Twin::kMemory) {
      is_cold_ = true;
      warm_reads_ = 0;
      return;
    }
    kv_.reset();
    open_kv();
  }
  void stay_warm_for(int reads) { warm_reads_ = reads; }
  void warm_up() { is_cold_ = false; }

  KvEngine& kv() { return *kv_; }
  RaftLogEngine& log() { return *log_; }
  MemoryDisk& disk() { return *disk_; }
  std::string directory(const std::string& name) {
    std::string parent = scratch_.path() + "/" + std::to_string(generation_);
    std::filesystem::create_directories(parent);
    return parent + "/" + name;
  }

 private:
  Twin twin_;
  runtime::Random dice_;
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  ScratchDirectory scratch_;
  int generation_ = 0;
  bool is_cold_ = false;
  int warm_reads_ = 0;
  std::unique_ptr<KvEngine> kv_;
  std::unique_ptr<RaftLogEngine> log_;
};

// The value of a result that must be good.
template <class T>
T must(Result<T> result) {
  CHECK(result.ok(), "{}", result.error().message);
  return std::move(result).value();
}
inline void must(Result<void> result) { CHECK(result.ok(), "{}", result.error().message); }

}  // namespace cairn::engine::testing
