// Settings that change while a process runs: all or nothing, the file in step, their owners told.
#include "config/live.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/server_config.h"

namespace cairn::config {
namespace {

namespace fs = std::filesystem;

class Live : public ::testing::Test {
 protected:
  Live() : path_(fs::path(::testing::TempDir()) / "cairn-live.toml") {
    std::ofstream(path_) << "# mine\n[raftstore]\nraft-log-gc-threshold = 60\n";
  }
  ~Live() override { fs::remove(path_); }
  static ServerConfig whole(const std::string& toml = "") {
    ServerConfig config;
    EXPECT_TRUE(settings_of(config).read_toml(toml).ok());
    EXPECT_TRUE(complete(config).ok());
    return config;
  }
  std::string file() const {
    std::ifstream in(path_);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static std::string outcome(LiveSettings<ServerConfig>& live, const std::string& name, const std::string& value,
                             Persist persist = Persist::kYes) {
    const auto changed = live.change({{name, value}}, persist);
    return changed.ok() ? "" : changed.error();
  }
  const fs::path path_;
};

TEST_F(Live, AChangeReachesItsOwnerAndTheFile) {
  LiveSettings<ServerConfig> live(whole("raftstore.raft-log-gc-threshold = 60"), path_.string());
  uint64_t threshold = 0;
  int others = 0;
  live.subscribe({"raftstore.raft-log-gc-threshold"},
                 [&](const ServerConfig& c) { threshold = c.store.log_gc_threshold; });
  live.subscribe({"log.level"}, [&](const ServerConfig&) { ++others; });
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshold", "70"), "");
  EXPECT_EQ(threshold, 70u);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(file(), "# mine\n[raftstore]\nraft-log-gc-threshold = 70\n");
  EXPECT_EQ(outcome(live, "log-level", "WARN"), "") << "under its old name, in any case";
  EXPECT_EQ(others, 1);
  EXPECT_EQ(file(), "# mine\n[raftstore]\nraft-log-gc-threshold = 70\n\n[log]\nlevel = \"warn\"\n");
  EXPECT_NE(live.json().find("\"raft-log-gc-threshold\":70"), std::string::npos) << live.json();
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshold", "80", Persist::kNo), "");
  EXPECT_EQ(threshold, 80u);
  EXPECT_NE(file().find("threshold = 70"), std::string::npos);
}

TEST_F(Live, WhatMayNotChangeIsRefusedInTikvsWords) {
  LiveSettings<ServerConfig> live(whole(), path_.string());
  const std::string before = file();
  EXPECT_EQ(outcome(live, "server.addr", "a:1"), "config server.addr can not be changed");
  EXPECT_EQ(outcome(live, "raft-engine.dir", "x"), "config raft-engine.dir can not be changed: it is not used");
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshhold", "5"),
            "unexpect fields: raftstore.raft-log-gc-threshhold; did you mean raftstore.raft-log-gc-threshold?");
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshold", "0"),
            "raftstore.raft-log-gc-threshold: \"0\" is out of range: 1 to 1000000000");
  EXPECT_NE(outcome(live, "raftstore.raft-log-gc-count-limit", "5"), "") << "below the threshold";
  EXPECT_EQ(file(), before);
}

TEST_F(Live, OfSeveralChangesAllComeAboutOrNone) {
  LiveSettings<ServerConfig> live(whole(), path_.string());
  int calls = 0;
  live.subscribe({"log.level"}, [&](const ServerConfig&) { ++calls; });
  EXPECT_FALSE(live.change({{"log.level", "debug"}, {"server.addr", "a:1"}}, Persist::kYes).ok());
  EXPECT_EQ(calls, 0);
  EXPECT_NE(live.json().find("\"level\":\"info\""), std::string::npos);
}

TEST_F(Live, AFileThatCannotBeChangedLineByLineIsLeftAlone) {
  std::ofstream(path_) << "raftstore = { raft-log-gc-threshold = 60 }\n";
  LiveSettings<ServerConfig> live(whole(), path_.string());
  EXPECT_NE(outcome(live, "raftstore.raft-log-gc-threshold", "70").find("by hand"), std::string::npos);
  EXPECT_EQ(file(), "raftstore = { raft-log-gc-threshold = 60 }\n");
  EXPECT_NE(live.json().find("\"raft-log-gc-threshold\":50"), std::string::npos) << "and nothing has changed";
}

TEST_F(Live, WhatTheFileHasUnderAnotherNameIsChangedThere) {
  std::ofstream(path_) << "log-level = \"info\"\n[raftstore]\nraft_log_gc_threshold = 60\n";
  LiveSettings<ServerConfig> live(whole(), path_.string());
  EXPECT_EQ(outcome(live, "log.level", "debug"), "");
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshold", "70"), "");
  EXPECT_EQ(file(), "log-level = \"debug\"\n[raftstore]\nraft-log-gc-threshold = 70\n");
}

TEST_F(Live, TheNextStartFindsTheValueOrTheChangeIsRefused) {
  const std::string twice = "[raftstore]\nraft-log-gc-threshold = 60\nraft_log_gc_threshold = 61\n";
  std::ofstream(path_) << twice;
  LiveSettings<ServerConfig> live(whole(), path_.string());
  EXPECT_NE(outcome(live, "raftstore.raft-log-gc-threshold", "70").find("by hand"), std::string::npos);
  EXPECT_EQ(file(), twice);
  EXPECT_EQ(outcome(live, "gc.ratio-threshold", "1.123456789"), "") << "with all its digits";
}

// The running process has the other half of it, the file has not.
TEST_F(Live, AFileThatTheNextStartWouldRefuseIsNotWritten) {
  LiveSettings<ServerConfig> live(whole(), path_.string());
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-count-limit", "900000000", Persist::kNo), "");
  EXPECT_NE(outcome(live, "raftstore.raft-log-gc-threshold", "800000000").find("by hand"), std::string::npos);
  EXPECT_EQ(file(), "# mine\n[raftstore]\nraft-log-gc-threshold = 60\n");
  std::ofstream(path_) << "[server]\nadvertise-addr = \"https://h:1\"\n";  // with --cacert and so on, all is well
  EXPECT_EQ(outcome(live, "log.level", "debug"), "")
      << "a file that does not stand on its own is not the change's fault";
}

TEST_F(Live, ALinkStaysALinkAndRightsStay) {
  const fs::path link = path_.string() + ".link";
  fs::remove(link);
  fs::create_symlink(path_.filename(), link);
  fs::permissions(path_, fs::perms(0666));
  LiveSettings<ServerConfig> live(whole(), link.string());
  EXPECT_EQ(outcome(live, "raftstore.raft-log-gc-threshold", "70"), "");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_NE(file().find("threshold = 70"), std::string::npos);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0666));
  fs::remove(link);
}

TEST_F(Live, WhatIsNoTextIsShownAllTheSame) {
  auto config = whole();
  config.data_dir = "/data/\xff";
  LiveSettings<ServerConfig> live(config, "");
  EXPECT_NE(live.json().find("/data/"), std::string::npos);
}

TEST(ChangesOfJson, AreTextNumbersAndFlags) {
  const auto changes = changes_of_json(R"({"a":"1MiB","b.c":7,"d":true,"e":1.5})");
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(*changes, (std::map<std::string, std::string>{{"a", "1MiB"}, {"b.c", "7"}, {"d", "true"}, {"e", "1.5"}}));
  for (const char* bad : {"", "7", "[1]", "{\"a\":{}}", "{\"a\":null}", "{"}) EXPECT_FALSE(changes_of_json(bad).ok());
  EXPECT_FALSE(changes_of_json("{\"a\":" + std::string(4'000'000, '[')).ok()) << "however deep it goes";
}

}  // namespace
}  // namespace cairn::config
