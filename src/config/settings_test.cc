// Values, and the table of settings over files.
#include "config/settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/show.h"

namespace cairn::config {
namespace {

TEST(Values, SizesAreReadWithEachUnit) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("256MiB"), 256u << 20);
  EXPECT_EQ(*parse_size("64KB"), 64u << 10);
  EXPECT_EQ(*parse_size("1.5 GiB"), 3u << 29);
  for (const char* bad : {"", "MiB", "12XB", "-1", "99999999999TiB"}) EXPECT_FALSE(parse_size(bad).ok()) << bad;
}

TEST(Values, DurationsAreReadWithEachUnitAndInSums) {
  EXPECT_EQ(*parse_duration("10s"), std::chrono::seconds(10));
  EXPECT_EQ(*parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("1h30m"), std::chrono::minutes(90));
  for (const char* bad : {"", "10", "s", "10 years"}) EXPECT_FALSE(parse_duration(bad).ok()) << bad;
}

TEST(Values, AddressesMayBeUrlsButNotOfTls) {
  EXPECT_EQ(*parse_address("http://10.0.0.1:2379/", Tls::kOff), "10.0.0.1:2379");
  EXPECT_EQ(*parse_address("store-1:20160", Tls::kOff), "store-1:20160");
  EXPECT_EQ(*parse_address("https://10.0.0.1:2379", Tls::kOn), "10.0.0.1:2379");
  EXPECT_EQ(*parse_address("http://10.0.0.1:2379", Tls::kOn), "10.0.0.1:2379");
  for (const char* bad : {"https://a:1", "nowhere", ":1", "a:port", "a:70000", "a\nb:1", "::1:1"})
    EXPECT_FALSE(parse_address(bad, Tls::kOff).ok()) << bad;
}

TEST(Values, LabelsAreKeysWithValues) {
  const std::map<std::string, std::string> expected = {{"host", "h1"}, {"zone", "east"}};
  EXPECT_EQ(*parse_labels("zone=east, host=h1"), expected);
  EXPECT_FALSE(parse_labels("zone").ok());
  EXPECT_FALSE(parse_labels("zone=a,zone=b").ok());
}

TEST(Values, AdvertisedAddressesAreOfOneMachine) {
  EXPECT_EQ(*parse_advertised_address("http://[fd00::1]:2379", Tls::kOff), "[fd00::1]:2379");
  for (const char* bad : {"0.0.0.0:1", "[::]:1", "http://[::]:2379/"}) {
    const auto refused = parse_advertised_address(bad, Tls::kOff);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_NE(refused.error().find("cannot be dialled"), std::string::npos) << refused.error();
  }
}

TEST(Values, AreShownAsTheyAreRead) {
  for (const char* text : {"0B", "1KiB", "3MiB", "1025B", "8GiB"}) EXPECT_EQ(size_text(*parse_size(text)), text);
  for (const char* text : {"1ms", "90s", "2h", "7d", "570ms"}) EXPECT_EQ(duration_text(*parse_duration(text)), text);
}

struct Places {
  uint64_t bytes = 1;
  int count = 1;
  Duration pause = 1s;
  Duration lease = 1s;
  double ratio = 1;
  std::string word = "a";
  std::string name;
  std::map<std::string, std::string> labels;
  std::vector<std::string> friends;
  Settings table;

  Places() {
    table.size("a.bytes", bytes, {1 << 20, 1 << 30, Zero::kMeansOff}, live("so many"));
    table.number("a.count", count, {2, 64}, {.sentence = "a `count`, see [there](x.md)", .flag = "--count"});
    table.duration("a.pause", pause, {5ms, 1min}, {"how long"});
    table.seconds("a.lease", lease, {1s, 1h}, {"how long"});
    table.ratio("a.ratio", ratio, {0.5, 2}, {"how much"});
    table.choice("a.word", word, {"a", "b"}, {"one of two"});
    table.text("a.name", name, {"what it is called"});
    table.labels("a.labels", labels, {"where it is"});
    table.list("friends", friends, {"who else"});
    table.alias("old-count", "a.count");
    static constexpr UnusedNames kUnused[] = {{"a b", "colour", "all is grey"}, {"c", "*", "there is no c"}};
    table.accept(kUnused);
  }
  std::string outcome(const std::string& toml) {
    const auto read = table.read_toml(toml);
    return read.ok() ? "" : read.error();
  }
};

TEST(Settings, WhatIsOutOfItsRangeIsRefusedWithNameValueAndRange) {
  Places places;
  EXPECT_EQ(places.outcome("a.count = 1"), "a.count: \"1\" is out of range: 2 to 64");
  EXPECT_EQ(places.outcome("a.count = -3"), "a.count: \"-3\" is out of range: 2 to 64");
  EXPECT_EQ(places.outcome("a.count = \"4294967298\""), "a.count: \"4294967298\" is out of range: 2 to 64");
  EXPECT_EQ(places.outcome("a.bytes = \"512KiB\""), "a.bytes: \"512KiB\" is out of range: 0 or 1MiB to 1GiB");
  EXPECT_EQ(places.outcome("a.pause = \"0s\""), "a.pause: \"0s\" is out of range: 5ms to 1m");
  EXPECT_EQ(places.outcome("a.lease = 0"), "a.lease: \"0\" is out of range: 1 to 3600");
  EXPECT_EQ(places.outcome("a.ratio = 2.5"), "a.ratio: \"2.5\" is out of range: 0.5 to 2");
  EXPECT_EQ(places.outcome("a.word = \"c\""), "a.word: \"c\" is none of a, b");
  EXPECT_EQ(places.outcome("a.word = \"B\""), "");
  EXPECT_EQ(places.word, "b") << "words are taken in any case";
  EXPECT_EQ(places.count, 1);
  EXPECT_EQ(places.bytes, 1u);
  EXPECT_EQ(places.pause, 1s);
}

TEST(Settings, BoundsAreInTheRangeAndZeroIsWhereItTurnsSomethingOff) {
  Places places;
  EXPECT_EQ(places.outcome("a = { count = 64, bytes = 0, pause = \"5ms\", lease = 3600, ratio = 0.5 }"), "");
  EXPECT_EQ(places.count, 64);
  EXPECT_EQ(places.bytes, 0u);
  EXPECT_EQ(places.pause, 5ms);
  EXPECT_EQ(places.lease, 1h);
}

TEST(Settings, TextHoldsNoControlCharacters) {
  Places places;
  EXPECT_NE(places.outcome("a.name = \"x\\n[error] forged\""), "");
  EXPECT_NE(places.outcome("[a.labels]\nzone = \"x\\ny\""), "");
  EXPECT_NE(places.outcome("[a.labels]\nzone = \"\""), "");
  EXPECT_EQ(places.outcome("[a.labels]\nzone = \"east\""), "");
}

TEST(Settings, AnUnknownNameComesWithTheNearestKnownOne) {
  Places places;
  EXPECT_EQ(places.outcome("a.cuont = 3"), "a.cuont: no such setting; did you mean a.count?");
  EXPECT_EQ(places.outcome("b.color = 3"), "b.color: no such setting; did you mean b.colour?");
  EXPECT_EQ(places.outcome("pause = \"1s\""), "pause: no such setting; did you mean a.pause?")
      << "in the wrong section";
  EXPECT_EQ(places.outcome("something-else = 1"), "something-else: no such setting");
  EXPECT_EQ(places.outcome("[d]"), "d: no such setting") << "a section without keys";
  EXPECT_EQ(places.outcome("[b]"), "");
}

TEST(Settings, ANameMayBeWrittenWithUnderscoresOrAsOfOld) {
  Places places;
  EXPECT_EQ(places.outcome("old_count = 5"), "");
  EXPECT_EQ(places.count, 5);
}

TEST(Settings, WhatIsNotUsedIsTakenAndNoted) {
  Places places;
  EXPECT_EQ(places.outcome("a.colour = \"red\"\nc = { x = 1, y = [{ z = 2 }] }"), "");
  EXPECT_EQ(places.table.notes(),
            (std::vector<std::string>{"a.colour is not used: all is grey", "c.x is not used: there is no c",
                                      "c.y is not used: there is no c"}));
}

TEST(Settings, TheSampleIsAFileThatSetsWhatIsSet) {
  Places places;
  places.bytes = 1 << 20;
  places.count = 7;
  places.name = "with \"quotes\"";
  places.labels = {{"zone", "a"}};
  places.friends = {"x", "y"};
  const std::string sample = sample_of(places.table);
  EXPECT_NE(sample.find("# a count, see there (2 to 64)\ncount = 7\n"), std::string::npos) << sample;
  Places others;
  EXPECT_EQ(others.outcome(sample), "") << sample;
  EXPECT_EQ(others.count, 7);
  EXPECT_EQ(others.name, places.name);
  EXPECT_EQ(others.labels, places.labels);
  EXPECT_EQ(others.friends, places.friends);
}

TEST(Settings, JsonIsNestedBySection) {
  Places places;
  places.bytes = uint64_t{3} << 20;
  places.friends = {"x"};
  EXPECT_EQ(json_of(places.table),
            R"({"a":{"bytes":"3MiB","count":1,"labels":{},"lease":1,"name":"","pause":"1s","ratio":1.0,"word":"a"},)"
            R"("friends":["x"]})");
}

TEST(Settings, HelpAndTheManualSayWhatASettingIs) {
  Places places;
  EXPECT_NE(help_of(places.table).find("a.count (1), --count\n    a count, see there\n    2 to 64\n"),
            std::string::npos);
  const std::string manual = manual_of(places.table);
  EXPECT_NE(manual.find("| `a.bytes` |  | `1B` | 0 or 1MiB to 1GiB | yes | so many |"), std::string::npos) << manual;
  EXPECT_NE(manual.find("| `a.count` | `--count` | `1` | 2 to 64 |  | a `count`, see [there](x.md) |"),
            std::string::npos);
  EXPECT_NE(manual.find("| `old-count` | | | | | another name of `a.count` |"), std::string::npos);
}

TEST(Settings, AConfigurationFileIsAFileOfReasonableLength) {
  Places places;
  const std::string folder = ::testing::TempDir();
  const auto directory = places.table.read_file(folder);
  ASSERT_FALSE(directory.ok());
  EXPECT_NE(directory.error().find("is a directory"), std::string::npos) << directory.error();
  EXPECT_FALSE(places.table.read_file(folder + "/no-such-file").ok());

  const std::string path = folder + "/cairn-settings-test.toml";
  std::ofstream(path) << "a.count = 7\n";
  EXPECT_TRUE(places.table.read_file(path).ok());
  EXPECT_EQ(places.count, 7);
  std::ofstream(path) << "";
  EXPECT_TRUE(places.table.read_file(path).ok());
  std::ofstream(path) << std::string(size_t{2} << 20, '#');
  EXPECT_FALSE(places.table.read_file(path).ok());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace cairn::config
