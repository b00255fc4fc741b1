// The end of a process, part by part, which nothing can hold up. Tests: ending_test.cc.
#pragma once

#include <functional>
#include <string>

#include "base/time.h"

namespace cairn::cli {

class Ending {
 public:
  // Runs `stop`, which may block, on a thread of its own. A part that takes longer than `limit` is named in the log and
  // left behind: the next part's turn comes all the same. What `stop` refers to must then live as long as the process.
  void step(const std::string& part, Duration limit, std::function<void()> stop);
  // Likewise of a part that waits with a limit of its own, and has not ended.
  void leave_behind(const std::string& part, const std::string& what_is_left);
  // Whether every part has ended so far.
  bool is_clean() const { return is_clean_; }
  // The last act. If a part was left behind, the log is written out and the process ends here and now: the data on disk
  // is sound at each moment. Else `code` comes back, and the process may take itself apart, for `limit` at most.
  int finish(int code, Duration limit);

 private:
  bool is_clean_ = true;
};

}  // namespace cairn::cli
