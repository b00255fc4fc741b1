#include "cli/process_metrics.h"

#include "cli/config_metrics.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(ProcessMetrics, TellOfTheProcessAndItsThreads) {
  const ProcessMetrics metrics(Part::kStore);
  (void)metrics::render();
  const std::string page = metrics::render();
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ",
                           "tikv_server_cpu_cores_quota ",
                           "tikv_thread_cpu_seconds_total{name=", "tikv_thread_voluntary_context_switches{name=",
                           "tikv_threads_state{state=", "tikv_io_bytes{op=\"write\",type=\"all\"} "}) {
    EXPECT_NE(page.find(std::string("\n") + name), std::string::npos) << name;
  }
}

TEST(ProcessMetrics, ThreadsHaveTheNamesOfTheBoards) {
  EXPECT_EQ(tikv_thread_name("shard-1"), "raftstore_1");
  EXPECT_EQ(tikv_thread_name("apply-0"), "apply_0");
  EXPECT_EQ(tikv_thread_name("raft-log"), "store_write");
  EXPECT_EQ(tikv_thread_name("read-3"), "unified_read_po-3");
  EXPECT_EQ(tikv_thread_name("rocksdb:low"), "rocksdb:low");
}

TEST(ProcessMetrics, ShowSettingsThatAreNumbers) {
  uint64_t threshold = 50;
  Duration interval = 1500ms;
  uint64_t buffer = 1 << 20;
  std::string text = "words";
  config::Settings table;
  table.number("raftstore.raft-log-gc-threshold", threshold, {1, 100}, {.sentence = "Of a test."});
  table.duration("raftstore.raft-log-gc-tick-interval", interval, {1ms, 1h}, {.sentence = "Of a test."});
  table.size("rocksdb.lockcf.write-buffer-size", buffer, {1, 1 << 30}, {.sentence = "Of a test."});
  table.number("rocksdb.max-background-jobs", threshold, {1, 100}, {.sentence = "Of a test."});
  table.text("raftstore.words", text, {.sentence = "Of a test."});
  show_settings(table);
  const std::string page = metrics::render();
  EXPECT_NE(page.find("tikv_config_raftstore{name=\"raft_log_gc_threshold\"} 50\n"), std::string::npos);
  EXPECT_NE(page.find("tikv_config_raftstore{name=\"raft_log_gc_tick_interval\"} 1.5\n"), std::string::npos);
  EXPECT_NE(page.find("tikv_config_rocksdb_cf{cf=\"lock\",db=\"kv\",name=\"write_buffer_size\"} 1048576\n"),
            std::string::npos);
  EXPECT_NE(page.find("tikv_config_rocksdb_db{db=\"kv\",name=\"max_background_jobs\"} 50\n"), std::string::npos);
  EXPECT_EQ(page.find("words"), std::string::npos);
}

}  // namespace
}  // namespace cairn::cli
