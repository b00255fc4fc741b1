#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "base/testing/damaged_bytes.h"
#include "metapb.pb.h"
#include "pd/testing/check_decoders.h"

namespace cairn::pd {
namespace {

TEST(PdDecoders, TakeAnyBytes) {
  google::protobuf::LogSilencer silencer;  // it complains of each string that is not UTF-8
  etcdserverpb::TxnRequest txn;
  txn.add_compare()->set_key("a");
  txn.add_success()->mutable_request_put()->set_key("a");
  txn.mutable_success(0)->mutable_request_put()->set_lease(1);
  txn.add_success()->mutable_request_delete_range()->set_key("b");
  *txn.add_failure()->mutable_request_txn() = txn;
  metapb::Store store;
  store.set_id(1);
  store.set_version("8.5.0");
  const raft::Entry entry{raft::EntryType::kNormal, Term(1), LogIndex(2), SharedBytes(Bytes("data")), {}};
  raft::Message message;
  message.type = raft::MessageType::kAppend;
  message.from = PeerId(1);
  message.index = LogIndex(1);
  message.entries = {entry};
  Bytes image;
  append_pair(image, MetaStore::image_own_key("/pd/7/raft"), "x");
  append_pair(image, MetaStore::image_key("k"), MetaStore::image_value({"v", 2, 2, 1, 1}));
  append_pair(image, MetaStore::image_lease_key(1), MetaStore::image_lease_value({60, {}}));
  append_pair(image, MetaStore::image_history_key(2, 1),
              History::encode({2, "k", MetaRecord{"v", 2, 2, 1, 1}, MetaRecord{"u", 2, 2, 1, 0}}));
  append_pair(image, MetaStore::image_revision_key(), MetaStore().image_revision_value());
  ::cairn::testing::DamagedBytes damaged(
      {MetaStore::encode_txn(txn),
       MetaStore::encode_own(MetaTxn().if_absent("a").if_value("b", "1").put("a", "2").del("b")),
       MetaStore::encode_lease_grant(2, 60), MetaStore::encode_lease_revoke(1), MetaStore::encode_compact(1),
       MetaStore::encode_adopt(), store.SerializeAsString(), encode_entry(entry), encode_message(message), image,
       encode_local_state({Term(1), PeerId(1), LogIndex(2)}, LogIndex(3)), encode_position({LogIndex(1), Term(1)}),
       R"({"service_id":"a","expired_at":9,"safe_point":7})"});
  for (int i = 0; i < 50'000; ++i) {
    const Bytes bytes = damaged.next();
    testing::check_raft_bytes(bytes);
    testing::check_command_bytes(bytes);
    testing::check_image_bytes(bytes);
  }
}

}  // namespace
}  // namespace cairn::pd
