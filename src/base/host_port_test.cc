#include "base/host_port.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(HostPort, IsReadWithNamesAndAddressesOfBothKinds) {
  for (const char* good : {"127.0.0.1:2379", "[::1]:2379", "store-1.db_zone:20160", "[fe80::1%eth0]:0", "a:65535"}) {
    const auto read = parse_host_port(good);
    ASSERT_TRUE(read) << good;
    EXPECT_EQ(read->text(), good);
  }
  EXPECT_EQ(parse_host_port("[::1]:2379")->host, "::1");
}

TEST(HostPort, IsNothingElse) {
  for (const char* bad :
       {"", ":", "host", "host:", ":1", "host:port", "host:65536", "host:-1", "host:1 ", "::1:2379", "[]:1", "[::1]",
        "[host]:1", "[::1:1", "a b:1", "a\n:1", "[::1%]:1", "[::1%a\nb]:1", "http://a:1"}) {
    EXPECT_FALSE(parse_host_port(bad)) << bad;
  }
}

TEST(HostPort, AllAddressesOfAMachineAreNoneThatCanBeDialled) {
  for (const char* any : {"0.0.0.0:1", "[::]:1", "[0:0::0]:1", "0:1", "[::ffff:0.0.0.0]:1"}) {
    EXPECT_TRUE(parse_host_port(any)->is_unspecified()) << any;
  }
  for (const char* one : {"127.0.0.1:1", "[::1]:1", "host:1", "0.example:1", "[::ffff:10.0.0.1]:1"}) {
    EXPECT_FALSE(parse_host_port(one)->is_unspecified()) << one;
  }
}

}  // namespace
}  // namespace cairn
