#include "server/key_mode.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

using kvrpcpb::APIVersion;
using rawkv::ApiVersion;

template <class Req>
std::string refusal(Req request, Family family, APIVersion asked = APIVersion::V2) {
  request.mutable_context()->set_api_version(asked);
  return check_keys(request, family, ApiVersion::kV2).value_or("");
}

TEST(KeyMode, RawRequestsNameRawKeys) {
  kvrpcpb::RawPutRequest put;
  put.set_key("ra");
  EXPECT_EQ(refusal(put, Family::kRaw), "");
  put.set_key("xa");
  EXPECT_EQ(refusal(put, Family::kRaw), "InvalidKeyMode: raw requests take keys that begin with 'r', not 7861");
  kvrpcpb::RawBatchPutRequest batch;
  batch.add_pairs()->set_key("ra");
  batch.add_pairs()->set_key("");
  EXPECT_EQ(refusal(batch, Family::kRaw), "InvalidKeyMode: raw requests take keys that begin with 'r', not ");
}

TEST(KeyMode, TransactionsNameKeysOfTheirVersion) {
  kvrpcpb::PrewriteRequest prewrite;
  prewrite.add_mutations()->set_key("xa");
  EXPECT_EQ(refusal(prewrite, Family::kTransaction), "");
  EXPECT_NE(refusal(prewrite, Family::kTransaction, APIVersion::V1), "");
  prewrite.mutable_mutations(0)->set_key("t_1");
  EXPECT_NE(refusal(prewrite, Family::kTransaction), "");
  EXPECT_EQ(refusal(prewrite, Family::kTransaction, APIVersion::V1), "");
  prewrite.add_mutations()->set_key("ra");
  EXPECT_NE(refusal(prewrite, Family::kTransaction, APIVersion::V1), "");
}

TEST(KeyMode, RangesStayWithinOneKind) {
  kvrpcpb::RawScanRequest scan;
  scan.set_start_key("ra");
  scan.set_end_key("s");
  EXPECT_EQ(refusal(scan, Family::kRaw), "");
  scan.set_reverse(true);
  EXPECT_EQ(refusal(scan, Family::kRaw),
            "InvalidKeyRangeMode: raw requests take keys that begin with 'r', not those of [73, 7261)")
      << "the upper bound comes first";
  scan.set_start_key("s");
  scan.set_end_key("ra");
  EXPECT_EQ(refusal(scan, Family::kRaw), "");
  kvrpcpb::RawDeleteRangeRequest all;
  EXPECT_NE(refusal(all, Family::kRaw), "");
  kvrpcpb::ScanRequest meta;
  meta.set_start_key("m");
  meta.set_end_key("n");
  EXPECT_EQ(refusal(meta, Family::kTransaction, APIVersion::V1), "");
  EXPECT_NE(refusal(meta, Family::kTransaction), "");
}

TEST(KeyMode, OtherStoresAndWhatWasNamedBeforeAreNotLookedAt) {
  kvrpcpb::RawPutRequest put;
  put.set_key("anything");
  EXPECT_FALSE(check_keys(put, Family::kRaw, ApiVersion::kV1));
  EXPECT_FALSE(check_keys(put, Family::kRaw, ApiVersion::kV1Ttl));
  kvrpcpb::CommitRequest commit;
  commit.add_keys("anything");
  EXPECT_EQ(refusal(commit, Family::kTransaction), "");
}

}  // namespace
}  // namespace cairn::server
