// ResourceService: resource groups are kept, listed and changed, and their tokens handed out. What clients have spent
// is not added up. Owned by NodeCore, on "pd". Tests: resource_service_test.cc.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "api/resource_manager.h"
#include "pd/member/leadership.h"
#include "pd/resource/resource_groups.h"

namespace cairn::pd {

class ResourceService {
 public:
  explicit ResourceService(Leadership& leadership) : leadership_(leadership), lane_(leadership.executor(), 1) {}

  // A leadership begins: nobody has been granted anything.
  void begin() { buckets_.clear(); }

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_RESOURCE_UNARY(CAIRN_DECLARE)
  CAIRN_RESOURCE_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  // A group and the place of its record.
  using Name = std::pair<uint32_t, std::string>;
  template <class Call>
  bool admit(Call& call);
  // Decides on the groups as they are when its turn comes: the writes, or why not.
  template <class Call, class Decide>
  runtime::Task<void> serve(Call call, Decide decide);
  // Null: there are too many.
  TokenBucket* find_bucket(const Name& name, const TokenBucket::Settings& settings);
  void grant(const resource_manager::TokenBucketRequest& asked, const resource_manager::TokenBucketsRequest& whole,
             resource_manager::TokenBucketsResponse& response);

  static constexpr size_t kBucketsMax = 16'384;  // in use; of all keyspaces
  Leadership& leadership_;
  runtime::Semaphore lane_;
  std::map<Name, TokenBucket> buckets_;
};

}  // namespace cairn::pd
