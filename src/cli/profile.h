// Profiles of this process: where its CPU time goes, by samples of the stacks that run; and what holds memory, by
// jemalloc's samples. Both are texts of pprof's legacy formats: `go tool pprof` and `pprof` read them.
// Tests: profile_test.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/router.h"
#include "runtime/executor.h"

namespace cairn::cli {

// Samples the stacks of all threads while they use the CPU, by a timer of the CPU time that the whole process has used.
// One at a time in a process.
class CpuProfile {
 public:
  // Begins; the error says why it cannot.
  static Result<std::unique_ptr<CpuProfile>, std::string> start(int samples_a_second);
  // Ends it.
  ~CpuProfile();
  CpuProfile(const CpuProfile&) = delete;
  CpuProfile& operator=(const CpuProfile&) = delete;

  // Ends it, and returns what was seen.
  std::string finish();

 private:
  explicit CpuProfile(int samples_a_second) : samples_a_second_(samples_a_second) {}
  const int samples_a_second_;
};

// What holds memory now; the error says how the process must be started for that.
Result<std::string, std::string> heap_profile();
// jemalloc's dump in the format that pprof knows.
std::string pprof_of_jemalloc(std::string_view dump);

// GET /debug/pprof/profile?seconds=10&frequency=99, GET /debug/pprof/heap. Waits on `executor`.
void serve_profiles(http::Router& router, std::shared_ptr<runtime::Executor> executor);

}  // namespace cairn::cli
