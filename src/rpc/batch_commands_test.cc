// BatchCommands without a network: which messages are read, and what leaves together. Over a real one:
// services_test.cc.
#include "rpc/batch_commands.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "rpc/testing/fakes.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

// A connection whose client has sent all that it will send, and that sends nothing until it is told to.
class HeldStream final : public ServerStream {
 public:
  void attach(std::shared_ptr<StreamEvents> events) override { events_ = std::move(events); }
  void read() override { is_read_asked_ = true; }
  bool write(Payload message) override {
    EXPECT_FALSE(is_writing_) << "one write may be outstanding";
    is_writing_ = true;
    EXPECT_TRUE(message.parse_into(written_.emplace_back()));
    return true;
  }
  void finish(api::Status) override { events_ = nullptr; }
  void write_and_finish(Payload) override {}
  void send_headers(Metadata) override {}
  void set_trailers(Metadata) override {}
  void begin_with_room(uint32_t, absl::AnyInvocable<void()> begin) override { begin(); }
  void compress(Compression) override {}
  std::string metadata(std::string_view) const override { return ""; }
  std::string peer() const override { return "client"; }
  bool is_over() const override { return events_ == nullptr; }

  // Brings messages of one request each for as long as they are asked for; says how many.
  int bring(int most) {
    int brought = 0;
    for (; brought < most && std::exchange(is_read_asked_, false); ++brought) {
      tikvpb::BatchCommandsRequest message;
      message.add_requests()->mutable_empty()->set_test_id(++last_id_);
      message.add_request_ids(last_id_);
      events_->on_message(Payload::serialize(message));
    }
    return brought;
  }
  // What was being sent has gone.
  void sent() {
    is_writing_ = false;
    events_->on_write_done();
  }
  const std::vector<tikvpb::BatchCommandsResponse>& written() const { return written_; }

 private:
  std::shared_ptr<StreamEvents> events_;
  bool is_read_asked_ = false;
  bool is_writing_ = false;
  uint64_t last_id_ = 0;
  std::vector<tikvpb::BatchCommandsResponse> written_;
};

struct Opened {
  testing::FakeTikv tikv;
  Router router;
  std::shared_ptr<HeldStream> stream = std::make_shared<HeldStream>();

  Opened() {
    serve_batch_commands(router, tikv, {});
    router.find("/tikvpb.Tikv/BatchCommands")->handler(stream);
  }
  ~Opened() { stream->finish({}); }
};

// Each answer by itself would cost a packet, and the client's next request another.
TEST(BatchCommandsReading, GoesOnWhileAnAnswerWaitsForTheNetworkAndTheRestLeavesTogether) {
  Opened opened;
  ASSERT_EQ(opened.stream->bring(8), 8);
  ASSERT_EQ(opened.stream->written().size(), 1u);
  EXPECT_EQ(opened.stream->written()[0].responses_size(), 1);
  opened.stream->sent();
  ASSERT_EQ(opened.stream->written().size(), 2u);
  EXPECT_EQ(opened.stream->written()[1].responses_size(), 7);
}

TEST(BatchCommandsReading, EndsSoonIfTheClientDoesNotReadAndGoesOnWhenItDoes) {
  Opened opened;
  const int taken = opened.stream->bring(10'000);
  EXPECT_GT(taken, 8);
  EXPECT_LT(taken, 100);
  opened.stream->sent();
  EXPECT_GT(opened.stream->bring(10'000), 8);
}

}  // namespace
}  // namespace cairn::rpc
