#include "base/log_writer.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace cairn::log {
namespace {

namespace fs = std::filesystem;

constexpr size_t kQueueBytesMax = size_t{4} << 20;
constexpr std::chrono::seconds kFlushPatience{5};

// The hour of the machine, for names of files and the line about dropped ones: the log is no part of what a simulation
// repeats.
std::chrono::system_clock::time_point wall_now() { return std::chrono::system_clock::now(); }

std::tm local_time(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return parts;
}

int millis_of(std::chrono::system_clock::time_point now) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000);
}

// The name of a full file: that of the log with the time before its extension, as TiKV has it.
fs::path full_name(const fs::path& path) {
  const auto now = wall_now();
  const auto stamp = fmt::format("{:%Y-%m-%dT%H-%M-%S}.{:03}", local_time(now), millis_of(now));
  return path.parent_path() / (path.stem().string() + "-" + stamp + path.extension().string());
}

// Whether the name is one that full_name() makes.
bool is_full_name(const std::string& name, const fs::path& path) {
  const std::string prefix = path.stem().string() + "-";
  const std::string suffix = path.extension().string();
  constexpr std::string_view kStamp = "dddd-dd-ddTdd-dd-dd.ddd";
  if (name.size() != prefix.size() + kStamp.size() + suffix.size()) return false;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return false;
  for (size_t i = 0; i < kStamp.size(); ++i) {
    const char c = name[prefix.size() + i];
    if (kStamp[i] == 'd' ? c < '0' || c > '9' : c != kStamp[i]) return false;
  }
  return true;
}

// How many bytes; less than all: there is no room on the disk, or it fails, and the process goes on without the rest.
size_t write_all(int fd, std::string_view data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t written = ::write(fd, data.data() + done, data.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  return done;
}

std::string line_about_dropped(uint64_t dropped) {
  const auto now = wall_now();
  const std::tm local = local_time(now);
  const long minutes = local.tm_gmtoff / 60;
  return fmt::format(
      "[{:%Y/%m/%d %H:%M:%S}.{:03} {}{:02}:{:02}] [WARN] [log_writer.cc:{}] [\"{} lines were dropped: the log is "
      "written "
      "too slowly, or there is no room for it\"]\n",
      local, millis_of(now), minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60, __LINE__,
      dropped);
}

}  // namespace

Writer::Writer(std::string path) : path_(std::move(path)), fd_(STDERR_FILENO) {}

Writer::~Writer() {
  {
    MutexLock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  close_file();
}

std::string Writer::start() {
  if (std::string refused = open_file(); !refused.empty()) return refused;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "log");
    run();
  });
  return "";
}

void Writer::write(std::string_view line) {
  MutexLock lock(mutex_);
  if (queue_.size() + line.size() > kQueueBytesMax) {
    ++dropped_;
    ++dropped_unsaid_;
    return;
  }
  const bool was_empty = queue_.empty();
  queue_ += line;
  ++handed_over_;
  if (was_empty) changed_.notify_all();
}

std::string Writer::reopen() {
  MutexLock lock(mutex_);
  chores_.reopens = true;
  const uint64_t target = ++handed_over_;
  changed_.notify_all();
  const bool is_done =
      changed_.wait_for(mutex_, kFlushPatience, [&]() CAIRN_REQUIRES(mutex_) { return done_ >= target; });
  return is_done ? refused_ : "the log file is opened anew once its disk answers";
}

void Writer::limit(FileLimits limits) {
  MutexLock lock(mutex_);
  chores_.limits = limits;
  ++handed_over_;
  changed_.notify_all();
}

void Writer::flush() {
  MutexLock lock(mutex_);
  const uint64_t target = handed_over_;
  changed_.wait_for(mutex_, kFlushPatience, [&]() CAIRN_REQUIRES(mutex_) { return done_ >= target; });
}

uint64_t Writer::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

void Writer::run() {
  std::string lines;
  while (true) {
    uint64_t dropped = 0;
    uint64_t target = 0;
    Chores chores;
    lines.clear();
    {
      MutexLock lock(mutex_);
      changed_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return is_over_ || done_ < handed_over_; });
      if (done_ == handed_over_) return;
      std::swap(lines, queue_);
      std::swap(chores, chores_);
      std::swap(dropped, dropped_unsaid_);
      target = handed_over_;
    }
    const uint64_t lost = put(lines);
    // Said once there is room again.
    const bool is_said = dropped == 0 || (lost == 0 && put(line_about_dropped(dropped)) == 0);
    see_to(chores);
    MutexLock lock(mutex_);
    dropped_ += lost;
    dropped_unsaid_ += lost + (is_said ? 0 : dropped);
    done_ = target;
    changed_.notify_all();
  }
}

void Writer::see_to(const Chores& chores) {
  if (chores.reopens) {
    std::string refused = open_file();
    MutexLock lock(mutex_);
    refused_ = std::move(refused);
  }
  if (!chores.limits) return;
  limits_ = *chores.limits;
  make_room(0);
  delete_old();
}

// File by file: no line is torn apart, as long as there is room on the disk.
uint64_t Writer::put(const std::string& lines) {
  uint64_t lost = 0;
  size_t at = 0;
  while (at < lines.size()) {
    const size_t first_end = lines.find('\n', at);
    make_room(first_end == std::string::npos ? lines.size() - at : first_end + 1 - at);
    const uint64_t room =
        limits_.bytes_max == 0 ? UINT64_MAX : limits_.bytes_max - std::min(limits_.bytes_max, file_bytes_);
    size_t end = lines.size();
    if (end - at > room) {
      // At least one line, be it longer than a file may be.
      const size_t last = lines.rfind('\n', at + room - 1);
      end = last == std::string::npos || last < at || room == 0
                ? (first_end == std::string::npos ? lines.size() : first_end + 1)
                : last + 1;
    }
    const std::string_view part = std::string_view(lines).substr(at, end - at);
    if (is_torn_ && write_all(fd_, "\n") == 1) is_torn_ = false;
    const size_t written = is_torn_ ? 0 : write_all(fd_, part);
    file_bytes_ += written;
    if (written > 0) is_torn_ = part[written - 1] != '\n';
    lost += static_cast<uint64_t>(std::count(part.begin() + static_cast<ptrdiff_t>(written), part.end(), '\n'));
    at = end;
  }
  return lost;
}

void Writer::make_room(uint64_t bytes) {
  if (path_.empty() || limits_.bytes_max == 0 || file_bytes_ == 0) return;
  if (file_bytes_ < limits_.bytes_max && file_bytes_ + bytes <= limits_.bytes_max) return;
  std::error_code error;
  const fs::path full = full_name(path_);
  // Two in one millisecond, or no right to rename: the present file grows a little longer.
  if (fs::exists(full, error)) return;
  fs::rename(path_, full, error);
  // If it is gone already, by another's hand or because no new one could be opened then, a new one is due all the more.
  if (error && error != std::errc::no_such_file_or_directory) return;
  if (!open_file().empty()) return;
  delete_old();
}

void Writer::delete_old() {
  if (path_.empty() || (limits_.days_max == 0 && limits_.files_max == 0)) return;
  const fs::path path(path_);
  std::error_code error;
  std::vector<fs::path> full;  // names sort by time
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (is_full_name(at->path().filename().string(), path)) full.push_back(at->path());
  }
  std::sort(full.begin(), full.end());
  if (limits_.files_max > 0 && full.size() > limits_.files_max) {
    const auto kept = full.end() - static_cast<ptrdiff_t>(limits_.files_max);
    for (auto old = full.begin(); old != kept; ++old) fs::remove(*old, error);
    full.erase(full.begin(), kept);
  }
  if (limits_.days_max == 0) return;
  const auto oldest =
      fs::file_time_type::clock::now() - std::chrono::hours(24) * static_cast<int64_t>(limits_.days_max);
  for (const auto& file : full) {
    if (const auto written = fs::last_write_time(file, error); !error && written < oldest) fs::remove(file, error);
  }
}

std::string Writer::open_file() {
  if (path_.empty()) return "";
  const int opened = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (opened < 0) return "cannot open the log file " + path_ + ": " + std::generic_category().message(errno);
  struct stat status{};
  file_bytes_ = fstat(opened, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  close_file();
  fd_ = opened;
  is_torn_ = false;
  return "";
}

void Writer::close_file() {
  if (fd_ != STDERR_FILENO) ::close(fd_);
  fd_ = STDERR_FILENO;
}

}  // namespace cairn::log
