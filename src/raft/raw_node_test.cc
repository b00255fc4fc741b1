// Runs the transcripts of testdata/: each file is a sentence about Raft, and its story. CAIRN_REWRITE=1 writes what
// happens now into the files; read the difference before keeping it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "raft/testing/transcript.h"

namespace cairn::raft {
namespace {

std::vector<std::string> transcripts() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(CAIRN_TESTDATA)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class RaftTranscript : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftTranscript, HappensAsWritten) {
  std::string path = std::string(CAIRN_TESTDATA) + "/" + GetParam() + ".txt";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::string now = Transcript().run(text.str());
  if (std::getenv("CAIRN_REWRITE") != nullptr) {
    std::ofstream(path) << now;
    return;
  }
  EXPECT_EQ(text.str(), now);
}

INSTANTIATE_TEST_SUITE_P(Testdata, RaftTranscript, ::testing::ValuesIn(transcripts()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace cairn::raft
