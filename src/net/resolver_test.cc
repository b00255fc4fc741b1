#include "net/resolver.h"

#include <gtest/gtest.h>

#include <future>

namespace cairn::net {
namespace {

TEST(Resolver, ALookupThatTakesLongHoldsUpNoOther) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::promise<void> others;
  {
    Resolver resolver(2);
    resolver.post([released] { released.wait(); });
    int seen = 0;  // the second thread's
    for (int i = 0; i < 10; ++i) {
      resolver.post([&] {
        if (++seen == 10) others.set_value();
      });
    }
    others.get_future().wait();
    release.set_value();
  }
}

}  // namespace
}  // namespace cairn::net
