// The thread that writes the log. Who logs leaves a line in a bounded queue and goes on, however slow the disk is;
// lines that find no room are dropped, counted, and the log says how many. A file that is full is moved aside under a
// name with the time in it, and those that are too many or too old are deleted.
//
//   write() ─▶ [queue] ─▶ thread ─▶ cairn.log, cairn-2026-01-31T10-20-30.123.log, ...
//
// Tests: log_test.cc.
#pragma once

#include <cstdint>
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
  // Opens the file anew under its name; if that cannot be, the old one goes on. Why not, or nothing.
  std::string reopen();
  void limit(FileLimits limits);
  // Waits until what was handed over so far is written, at most some seconds.
  void flush();
  // Lines that found no room, ever.
  uint64_t dropped() const;

 private:
  void run();
  void put(const std::string& lines);
  // Begins a new file if the present one is full, or would be with so many bytes more.
  void make_room(uint64_t bytes) CAIRN_REQUIRES(file_mutex_);
  void delete_old() CAIRN_REQUIRES(file_mutex_);
  std::string open_file() CAIRN_REQUIRES(file_mutex_);
  void close_file() CAIRN_REQUIRES(file_mutex_);

  const std::string path_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::string queue_ CAIRN_GUARDED_BY(mutex_);
  uint64_t handed_over_ CAIRN_GUARDED_BY(mutex_) = 0;  // bytes, ever
  uint64_t written_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t dropped_ CAIRN_GUARDED_BY(mutex_) = 0;
  uint64_t dropped_unsaid_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;

  // Held while a line is written: only by the thread, reopen() and limit(), never by who logs.
  Mutex file_mutex_;
  int fd_ CAIRN_GUARDED_BY(file_mutex_);
  uint64_t file_bytes_ CAIRN_GUARDED_BY(file_mutex_) = 0;
  FileLimits limits_ CAIRN_GUARDED_BY(file_mutex_);

  std::thread thread_;
};

}  // namespace cairn::log
