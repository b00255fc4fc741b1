// What reaches the log stays one line; the file can be moved away.
#include "base/log.h"
#include "base/log_output.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

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
  EXPECT_NE(text.find("[info] PD: gone\\n[2026/01/01 00:00:00.000 +00:00] [error] forged\\r\\x1b[2J\n"),
            std::string::npos)
      << text;
}

TEST_F(Log, IsOpenedAnewUnderItsName) {
  LOG_INFO("before");
  fs::rename(path_, moved());
  LOG_INFO("still there");
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
  fs::remove(path_);
  EXPECT_NE(text_of(moved()).find("still heard"), std::string::npos);
}

TEST_F(Log, AFileThatCannotBeOpenedIsAnErrorWithItsName) {
  const std::string refused = init({.file = "/no/such/folder/log"});
  EXPECT_NE(refused.find("/no/such/folder/log"), std::string::npos) << refused;
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

}  // namespace
}  // namespace cairn::log
