// The thread that writes the log. Who logs leaves a line in a bounded queue and goes on, however slow the disk is;
// lines that find no room are dropped, counted, and the log says how many. A file that is full is moved aside under a
// name with the time in it, and those that are too many or too old are deleted.
//
//   write() ─▶ [queue] ─▶ thread ─▶ cairn.log, cairn-2026-01-31T10-20-30.123.log, ...
//
// Tests: log_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"

namespace cairn::log {

// Of files; 0: no bound.
struct FileLimits {
  uint64_t bytes_max = 0;
  uint64_t days_max = 0;
  uint64_t files_max = 0;  // full ones
};

class Writer {
 public:
  // Appends to a file, or to standard error if it has no name.
  explicit Writer(std::string path);
  // Writes what is left.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Opens the file, and lets the thread begin. Why it cannot be opened, or nothing.
  std::string start();
  // A whole line. Never waits for the disk.
  void write(std::string_view line);
  // Opens the file anew under its name; if that cannot be, the old one goes on. Why not, or nothing. Waits for it at
  // most some seconds: then it comes about once the disk answers.
  std::string reopen();
  // Soon.
  void limit(FileLimits limits);
  // Waits until all that was handed over so far is done, at most some seconds.
  void flush();
  // Lines that found no room in the queue or on the disk, ever.
  uint64_t dropped() const;

 private:
  // What else the thread is to do.
  struct Chores {
    bool reopens = false;
    std::optional<FileLimits> limits;
  };

  void run();
  void see_to(const Chores& chores);
  // How many of the lines are lost.
  uint64_t put(const std::string& lines);
  // Begins a new file if the present one is full, or would be with so many bytes more.
  void make_room(uint64_t bytes);
  void delete_old();
  std::string open_file();
  void close_file();

  const std::string path_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::string queue_ CAIRN_GUARDED_BY(mutex_);
  Chores chores_ CAIRN_GUARDED_BY(mutex_);
  uint64_t handed_over_ CAIRN_GUARDED_BY(mutex_) = 0;  // lines and chores, ever
  uint64_t done_ CAIRN_GUARDED_BY(mutex_) = 0;         // of them
  uint64_t dropped_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t dropped_unsaid_ CAIRN_GUARDED_BY(mutex_) = 0;
  std::string refused_ CAIRN_GUARDED_BY(mutex_);  // why the file could not be opened anew
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;

  // The thread's alone, once it runs: a disk that hangs holds up nobody else.
  int fd_;
  uint64_t file_bytes_ = 0;
  bool is_torn_ = false;  // the last line in the file is not whole
  FileLimits limits_;

  std::thread thread_;
};

}  // namespace cairn::log
