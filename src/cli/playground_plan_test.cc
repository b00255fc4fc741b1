// Which processes a playground consists of.
#include "cli/playground_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace cairn::cli {
namespace {

TEST(Playground, PortsAreConsecutive) {
  const auto plan = plan_playground({.stores = 3, .data_dir = "/d"});
  ASSERT_TRUE(plan.ok()) << plan.error();
  ASSERT_EQ(plan->size(), 4u);
  EXPECT_EQ(plan->at(0).address, "127.0.0.1:2379");
  EXPECT_EQ(plan->at(0).status_address, "127.0.0.1:2381");
  EXPECT_EQ(plan->at(3).address, "127.0.0.1:20162");
  EXPECT_EQ(plan->at(3).status_address, "127.0.0.1:20182");
}

TEST(Playground, SeveralMembersOfPdKnowOneAnother) {
  const auto plan = plan_playground({.stores = 1, .pds = 3, .data_dir = "/d"});
  ASSERT_TRUE(plan.ok()) << plan.error();
  ASSERT_EQ(plan->size(), 4u);
  EXPECT_EQ(plan->at(2).address, "127.0.0.1:2399");
  EXPECT_EQ(plan->at(2).status_address, "127.0.0.1:2401");
  const std::string all = "pd-1=http://127.0.0.1:2380,pd-2=http://127.0.0.1:2390,pd-3=http://127.0.0.1:2400";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(plan->at(i).arguments.back(), all);
  const auto& store = plan->at(3).arguments;
  EXPECT_NE(std::find(store.begin(), store.end(), "127.0.0.1:2379,127.0.0.1:2389,127.0.0.1:2399"), store.end());
}

TEST(Playground, ConfigurationFilesAreHandedOn) {
  const auto plan = plan_playground({.stores = 1, .data_dir = "/d", .pd_config = "pd.toml", .store_config = "kv.toml"});
  ASSERT_TRUE(plan.ok()) << plan.error();
  EXPECT_EQ(plan->at(0).arguments.back(), "pd.toml");
  EXPECT_EQ(plan->at(1).arguments.back(), "kv.toml");
}

TEST(Playground, CertificatesAreHandedOnToEveryNode) {
  const auto plan = plan_playground(
      {.stores = 1, .data_dir = "/d", .security = {.ca_path = "ca", .cert_path = "cert", .key_path = "key"}});
  ASSERT_TRUE(plan.ok()) << plan.error();
  const std::vector<std::string> flags = {"--cacert", "ca", "--cert", "cert", "--key", "key"};
  for (const auto& process : *plan) {
    EXPECT_TRUE(std::equal(flags.rbegin(), flags.rend(), process.arguments.rbegin())) << process.name;
  }
}

TEST(Playground, PortsThatMeetAreRefused) {
  EXPECT_FALSE(plan_playground({.stores = 21, .data_dir = "/d"}).ok());
  EXPECT_FALSE(plan_playground({.stores = 2, .store_port = 65535, .data_dir = "/d"}).ok());
  EXPECT_FALSE(plan_playground({.pds = 8, .data_dir = "/d"}).ok());
}

TEST(Playground, DataOfMoreStoresThanAreToRunIsRefused) {
  EXPECT_TRUE(check_data({"pd-1", "store-1", "store-2"}, {.stores = 3}).ok());
  EXPECT_TRUE(check_data({"store-x", "store-", "stores-9"}, {.stores = 1}).ok());
  const auto refused = check_data({"store-1", "store-5", "pd-1"}, {.stores = 3, .data_dir = "/d"});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("/d holds the data of 5 stores"), std::string::npos) << refused.error();
}

TEST(Playground, TheCauseOfADeathIsTheErrorNotWhatWasLoggedAfterIt) {
  const auto cause_in = [](const std::string& text) {
    std::istringstream log(text);
    return find_cause(log);
  };
  EXPECT_EQ(cause_in("[t] [INFO] begins\nerror: the port is taken\n[t] [INFO] store 0 has stopped\n"),
            "the port is taken");
  EXPECT_EQ(cause_in("[t] [INFO] begins\nCHECK failed: x\n[t] [ERROR] CHECK failed: x\n[t] [INFO] more\n"),
            "CHECK failed: x");
  EXPECT_EQ(cause_in("[t] [ERROR] bad\n[t] [INFO] more\n"), "[t] [ERROR] bad");
  EXPECT_EQ(cause_in("[t] [INFO] only this\n\n"), "[t] [INFO] only this");
  EXPECT_EQ(cause_in(""), "its log is empty");
}

}  // namespace
}  // namespace cairn::cli
