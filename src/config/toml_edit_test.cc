// A file that is changed keeps what it holds besides.
#include "config/toml_edit.h"

#include <gtest/gtest.h>

namespace cairn::config {
namespace {

TEST(TomlEdit, ALineThatSetsItIsChangedAndKeepsItsComment) {
  const std::string before =
      "# mine\nname = \"a\"\n[raftstore]\n# raft-log-gc-threshold = 1\nraft-log-gc-threshold=50 # so\n\n[x]\n";
  EXPECT_EQ(with_value(before, "raftstore.raft-log-gc-threshold", "7"),
            "# mine\nname = \"a\"\n[raftstore]\n# raft-log-gc-threshold = 1\nraft-log-gc-threshold = 7  # so\n\n[x]\n");
}

TEST(TomlEdit, WhatIsNotThereIsPutAtTheEndOfItsSection) {
  EXPECT_EQ(with_value("[a]\nx = 1\n\n[b]\ny = 2\n", "a.z", "3"), "[a]\nx = 1\nz = 3\n\n[b]\ny = 2\n");
  EXPECT_EQ(with_value("[a]\nx = 1\n", "a.b.z", "\"3s\""), "[a]\nx = 1\n\n[a.b]\nz = \"3s\"\n");
  EXPECT_EQ(with_value("", "a.z", "3"), "[a]\nz = 3\n");
  EXPECT_EQ(with_value("", "lease", "3"), "lease = 3\n");
  EXPECT_EQ(with_value("name = \"a\"\n[a]\nlease = 1\n", "lease", "3"), "name = \"a\"\nlease = 3\n[a]\nlease = 1\n");
}

TEST(TomlEdit, KeysOfOtherSectionsAndLongerNamesStay) {
  EXPECT_EQ(with_value("[a]\nx-max = 1\n[b]\nx = 1\n", "a.x", "3"), "[a]\nx-max = 1\nx = 3\n[b]\nx = 1\n");
  EXPECT_EQ(with_value("[ a ] # first\n\"x\" = \"#1\" # one\n", "a.x", "\"#2\""), "[ a ] # first\nx = \"#2\"  # one\n");
}

}  // namespace
}  // namespace cairn::config
