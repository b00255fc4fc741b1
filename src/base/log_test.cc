// What reaches the log stays one line; the file can be moved away.
#include "base/log.h"
#include "base/log_output.h"
#include "base/log_writer.h"
#include "base/redact.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <vector>

namespace cairn::log {
namespace {

namespace fs = std::filesystem;

class Log : public ::testing::Test {
 protected:
  Log() : path_(fs::path(::testing::TempDir()) / "cairn-log-test.log") {
    fs::remove(path_);
    fs::remove(moved());
    EXPECT_EQ(init({.level = "info", .file = path_.string()}), "");
  }
  ~Log() override { EXPECT_EQ(init({}), ""); }
  fs::path moved() const { return path_.string() + ".1"; }
  static std::string text_of(const fs::path& path) {
    flush();
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  const fs::path path_;
};

TEST_F(Log, LevelsAreTakenInAnyCase) {
  EXPECT_EQ(init({.level = "INFO", .file = path_.string()}), "");
  EXPECT_EQ(init({.level = "Warning", .file = path_.string()}), "");
  EXPECT_NE(init({.level = "loud", .file = path_.string()}), "");
}

TEST_F(Log, ForeignTextCannotForgeALine) {
  LOG_INFO("PD: {}", "gone\n[2026/01/01 00:00:00.000 +00:00] [error] forged\r\x1b[2J");
  const std::string text = text_of(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_NE(text.find("] [INFO] [log_test.cc:"), std::string::npos) << text;
  EXPECT_NE(text.find("] [\"PD: gone\\n[2026/01/01 00:00:00.000 +00:00] [error] forged\\r\\u001b[2J\"] [thread_id="),
            std::string::npos)
      << text;
}

TEST_F(Log, IsOpenedAnewUnderItsName) {
  LOG_INFO("before");
  fs::rename(path_, moved());
  LOG_INFO("still there");
  flush();
  EXPECT_EQ(reopen(), "");
  LOG_INFO("after");
  EXPECT_NE(text_of(moved()).find("before"), std::string::npos);
  EXPECT_NE(text_of(moved()).find("still there"), std::string::npos);
  EXPECT_EQ(text_of(moved()).find("after"), std::string::npos);
  EXPECT_NE(text_of(path_).find("after"), std::string::npos);
}

TEST_F(Log, GoesOnInTheOldFileIfTheNewOneCannotBeOpened) {
  fs::rename(path_, moved());
  fs::create_directory(path_);
  EXPECT_NE(reopen(), "");
  LOG_INFO("still heard");
  flush();
  fs::remove(path_);
  EXPECT_NE(text_of(moved()).find("still heard"), std::string::npos);
}

TEST_F(Log, AFileThatCannotBeOpenedIsAnErrorWithItsName) {
  const std::string refused = init({.file = "/no/such/folder/log"});
  EXPECT_NE(refused.find("/no/such/folder/log"), std::string::npos) << refused;
}

TEST_F(Log, ALineHasTheUnifiedFormat) {
  LOG_WARN("region {} is slow", 7);
  LOG_ERROR("ready");
  const std::string text = text_of(path_);
  const std::regex line(R"re(\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[WARN\] \[log_test\.cc:\d+\] )re"
                        R"re(\["region 7 is slow"\] \[thread_id=\d+\]\n)re");
  EXPECT_TRUE(std::regex_search(text, line)) << text;
  EXPECT_NE(text.find("] [ready] [thread_id="), std::string::npos) << text;
}

TEST_F(Log, TheLevelCanChange) {
  LOG_DEBUG("before");
  EXPECT_EQ(set_level("debug"), "");
  LOG_DEBUG("during");
  EXPECT_NE(set_level("loud"), "");
  EXPECT_EQ(set_level("warn"), "");
  LOG_INFO("after");
  const std::string text = text_of(path_);
  EXPECT_EQ(text.find("before"), std::string::npos);
  EXPECT_NE(text.find("during"), std::string::npos);
  EXPECT_EQ(text.find("after"), std::string::npos);
}

class LogWriter : public ::testing::Test {
 protected:
  LogWriter() : folder_(fs::path(::testing::TempDir()) / "cairn-log-writer"), path_(folder_ / "a.log") {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~LogWriter() override { fs::remove_all(folder_); }
  // Of all files but the present one.
  std::vector<fs::path> full() const {
    std::vector<fs::path> out;
    for (const auto& file : fs::directory_iterator(folder_)) {
      if (file.path() != path_) out.push_back(file.path());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  const fs::path folder_;
  const fs::path path_;
};

TEST_F(LogWriter, AFullFileIsMovedAsideAndNoLineIsTorn) {
  Writer writer(path_.string());
  ASSERT_EQ(writer.start(), "");
  writer.limit({.bytes_max = 1000});
  const std::string line = std::string(99, 'x') + "\n";
  for (int i = 0; i < 55; ++i) {
    writer.write(line);
    if (i % 5 == 4) writer.flush();
  }
  writer.flush();
  uint64_t all = fs::file_size(path_);
  for (const auto& file : full()) {
    EXPECT_EQ(fs::file_size(file) % 100, 0u) << file;
    all += fs::file_size(file);
  }
  EXPECT_GE(full().size(), 1u);
  EXPECT_EQ(all, 5500u);
}

TEST_F(LogWriter, FilesThatAreTooManyOrTooOldAreDeletedAndNoOthers) {
  const std::vector<std::string> names = {"a-2020-01-01T00-00-00.000.log", "a-2021-01-01T00-00-00.000.log",
                                          "a-2022-01-01T00-00-00.000.log", "a-important.log",
                                          "b-2020-01-01T00-00-00.000.log"};
  for (const auto& name : names) std::ofstream(folder_ / name) << "x";
  Writer writer(path_.string());
  ASSERT_EQ(writer.start(), "");
  writer.limit({.files_max = 2});
  writer.flush();
  EXPECT_FALSE(fs::exists(folder_ / names[0]));
  EXPECT_TRUE(fs::exists(folder_ / names[1]));
  EXPECT_TRUE(fs::exists(folder_ / names[2]));
  fs::last_write_time(folder_ / names[1], fs::file_time_type::clock::now() - std::chrono::hours(24 * 9));
  writer.limit({.days_max = 8});
  writer.flush();
  EXPECT_FALSE(fs::exists(folder_ / names[1]));
  EXPECT_TRUE(fs::exists(folder_ / names[2]));
  EXPECT_TRUE(fs::exists(folder_ / names[3]));
  EXPECT_TRUE(fs::exists(folder_ / names[4]));
}

// A pipe that nobody reads stands for a disk that hangs.
TEST_F(LogWriter, WhoLogsNeverWaitsAndWhatIsDroppedIsSaid) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  uint64_t dropped = 0;
  uint64_t said = 0;  // by one line or by several: the thread may look at the queue while lines are being dropped
  {
    Writer writer(path_.string());
    ASSERT_EQ(writer.start(), "");
    const std::string line = std::string(9999, 'x') + "\n";
    for (int i = 0; i < 2000; ++i) writer.write(line);  // 20 MB
    dropped = writer.dropped();
    EXPECT_GT(dropped, 0u);
    std::string read_back;
    std::string buffer(1 << 16, '\0');
    while (said < dropped) {
      const ssize_t got = read(reader, buffer.data(), buffer.size());
      ASSERT_GT(got, 0);
      read_back.append(buffer, 0, static_cast<size_t>(got));
      for (size_t end = read_back.find('\n'); end != std::string::npos; end = read_back.find('\n')) {
        const std::string whole = read_back.substr(0, end);
        if (const size_t number = whole.find("] [\""); whole.find(" lines were dropped") != std::string::npos) {
          said += std::stoull(whole.substr(number + 4));
        }
        read_back.erase(0, end + 1);
      }
    }
  }
  EXPECT_EQ(said, dropped);
  close(reader);
}

// Who asks for more than a line does not wait for ever either: it may be the thread that hears the signals.
TEST_F(LogWriter, ADiskThatHangsHoldsUpNobody) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  const auto writer = std::make_unique<Writer>(path_.string());
  ASSERT_EQ(writer->start(), "");
  writer->write(std::string(1'000'000, 'x') + "\n");  // more than a pipe takes
  writer->limit({.bytes_max = 100});
  EXPECT_NE(writer->reopen(), "") << "it says that this is not done yet";
  std::string buffer(1 << 16, '\0');
  for (size_t got = 0; got < 1'000'001;) {
    const ssize_t some = read(reader, buffer.data(), buffer.size());
    ASSERT_GT(some, 0);
    got += static_cast<size_t>(some);
  }
  EXPECT_EQ(writer->reopen(), "");
  close(reader);
}

TEST_F(LogWriter, LinesForWhichTheDiskHasNoRoomAreCounted) {
  Writer writer("/dev/full");
  ASSERT_EQ(writer.start(), "");
  writer.write("one\ntwo\n");
  writer.flush();
  EXPECT_EQ(writer.dropped(), 2u);
}

TEST_F(LogWriter, GoesOnInANewLineOnceThereIsRoomAgain) {
  const auto before = signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  Writer writer(path_.string());
  ASSERT_EQ(writer.start(), "");
  const rlimit small{.rlim_cur = 1000, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 4; ++i) writer.write(std::string(299, 'x') + "\n");
  writer.flush();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  signal(SIGXFSZ, before);
  EXPECT_EQ(writer.dropped(), 1u);
  writer.write("after\n");
  writer.flush();
  std::ifstream in(path_);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[3].size(), 100u) << "what there was room for";
  EXPECT_EQ(lines[4], "after");
  EXPECT_NE(lines[5].find("1 lines were dropped"), std::string::npos) << lines[5];
}

// As when a full file could be renamed and no new one opened, or when somebody moves files and sends no signal.
TEST_F(LogWriter, AFileThatIsGoneIsBegunAnew) {
  Writer writer(path_.string());
  ASSERT_EQ(writer.start(), "");
  writer.limit({.bytes_max = 100});
  writer.write(std::string(59, 'x') + "\n");
  writer.flush();
  fs::rename(path_, folder_ / "elsewhere");
  writer.write(std::string(59, 'y') + "\n");
  writer.flush();
  ASSERT_TRUE(fs::exists(path_));
  EXPECT_EQ(fs::file_size(path_), 60u);
}

TEST(JsonText, IsAStringOfJson) {
  EXPECT_EQ(json_text("plain, with \"quotes\" and \\"), R"("plain, with \"quotes\" and \\")");
  EXPECT_EQ(json_text("Käse und 酒"), "\"Käse und 酒\"");
  EXPECT_EQ(json_text(std::string("\0\x7f", 2)), R"("\u0000\u007f")");
  EXPECT_EQ(json_text("\xff"), R"("\\xff")");
  EXPECT_EQ(json_text("a\xc2\x85\xe2\x80\xa8z"), R"("a\u0085\u2028z")");
}

TEST(Escaped, LeavesTextAloneAndShowsWhatIsNone) {
  EXPECT_EQ(escaped("plain, with \"quotes\" and \\"), "plain, with \"quotes\" and \\");
  EXPECT_EQ(escaped("Käse und 酒"), "Käse und 酒");
  EXPECT_EQ(escaped(std::string("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(escaped("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(escaped("a\xc2\x85z"), "a\\xc2\\x85z");           // U+0085, next line
  EXPECT_EQ(escaped("a\xe2\x80\xa8z"), "a\\xe2\\x80\\xa8z");  // U+2028, line separator
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");      // half a surrogate pair
}

TEST(Redact, KeysOfUsersAreShownAsTheSettingSays) {
  EXPECT_EQ(user_text("k1"), "6B31");
  set_redact(Redact::kYes);
  EXPECT_EQ(user_text("k1"), "?");
  set_redact(Redact::kMarker);
  EXPECT_EQ(user_text("k1"), "‹6B31›");
  set_redact(Redact::kNo);
  EXPECT_EQ(user_text("k1"), "6B31");
}

}  // namespace
}  // namespace cairn::log
