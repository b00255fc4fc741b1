#include "rpc/message_frame.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <vector>

namespace cairn::rpc {
namespace {

net::Slice slice_of(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const char* data = owner->data();
  const size_t size = owner->size();
  return {std::move(owner), data, size};
}

std::string framed(const std::string& message, bool is_compressed = false) {
  const auto frame = frame_message(Payload(slice_of(message)));
  std::string out(frame.prefix.data(), frame.prefix.size());
  out[0] = static_cast<char>(is_compressed);
  return out + message;
}

// As gzip writes it, or zlib.
std::string deflated(const std::string& text, bool as_gzip) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + (as_gzip ? 16 : 0), 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Fed {
  std::vector<std::string> messages;
  api::Status status;
};

Fed feed(MessageReader& reader, const net::Slice& bytes) {
  Fed out;
  api::Status unpacking;
  out.status = reader.feed(bytes, [&](Payload message) {
    auto unpacked = reader.unpack(std::move(message));
    if (unpacked.ok()) {
      out.messages.emplace_back(unpacked->bytes());
    } else {
      unpacking = unpacked.error();
    }
  });
  if (out.status.ok()) out.status = unpacking;
  return out;
}

TEST(MessageReader, MessagesComeWholeWhereverTheStreamIsCut) {
  std::mt19937 random(5);
  std::vector<std::string> sent;
  std::string stream;
  for (int i = 0; i < 200; ++i) {
    sent.emplace_back(random() % (i % 10 == 0 ? 5000 : 20), static_cast<char>('a' + i % 26));
    stream += framed(sent.back());
  }
  for (int round = 0; round < 50; ++round) {
    MessageReader reader(1 << 20);
    std::vector<std::string> seen;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = std::min<size_t>(random() % (round % 2 == 0 ? 12 : 3000) + 1, stream.size() - at);
      auto fed = feed(reader, slice_of(stream.substr(at, size)));
      ASSERT_TRUE(fed.status.ok());
      for (auto& message : fed.messages) seen.push_back(std::move(message));
      at += size;
    }
    EXPECT_EQ(seen, sent);
    EXPECT_TRUE(reader.is_between_messages());
  }
}

TEST(MessageReader, AMessageThatCameInOnePartIsNotCopied) {
  MessageReader reader(1 << 20);
  const auto bytes = slice_of(framed("hello") + "x");
  const char* seen = nullptr;
  ASSERT_TRUE(reader.feed(bytes, [&](Payload message) { seen = message.bytes().data(); }).ok());
  EXPECT_EQ(seen, bytes.data + kMessagePrefix);
  EXPECT_FALSE(reader.is_between_messages());
}

TEST(MessageReader, AMessageOverTheLimitIsRefusedByItsPrefix) {
  MessageReader reader(1000);
  EXPECT_EQ(feed(reader, slice_of(framed(std::string(1001, 'x')).substr(0, kMessagePrefix))).status.code,
            api::Code::kResourceExhausted);
}

TEST(MessageReader, CompressedMessagesAreInflatedUpToTheLimit) {
  for (const bool as_gzip : {true, false}) {
    MessageReader reader(100'000);
    reader.set_compression(as_gzip ? Compression::kGzip : Compression::kDeflate);
    const std::string text(50'000, 'x');
    auto fed = feed(reader, slice_of(framed(deflated(text, as_gzip), true) + framed("plain")));
    ASSERT_TRUE(fed.status.ok()) << fed.status.message;
    EXPECT_EQ(fed.messages, (std::vector<std::string>{text, "plain"}));
    EXPECT_EQ(feed(reader, slice_of(framed(deflated(std::string(1'000'000, 'x'), as_gzip), true))).status.code,
              api::Code::kResourceExhausted);
  }
}

TEST(MessageFrame, WhatIsCompressedComesBackAndWhatWouldGrowIsNot) {
  for (const auto compression : {Compression::kGzip, Compression::kDeflate}) {
    MessageReader reader(100'000);
    reader.set_compression(compression);
    const std::string text(50'000, 'x');
    Payload plain(slice_of(text));
    plain.keep_plain();
    std::string stream;
    for (const auto& frame :
         {frame_message(Payload(slice_of(text)), compression), frame_message(plain, compression),
          frame_message(Payload(slice_of("x")), compression), frame_message(Payload(), compression)})
      stream += std::string(frame.prefix.data(), frame.prefix.size()) + std::string(frame.message.view());
    EXPECT_LT(stream.size(), text.size() + 1000);
    std::vector<std::string> messages;
    std::vector<bool> compressed;
    ASSERT_TRUE(reader
                    .feed(slice_of(stream),
                          [&](Payload message) {
                            auto unpacked = reader.unpack(std::move(message));
                            ASSERT_TRUE(unpacked.ok()) << unpacked.error().message;
                            messages.emplace_back(unpacked->bytes());
                            compressed.push_back(unpacked->came_compressed());
                          })
                    .ok());
    EXPECT_EQ(messages, (std::vector<std::string>{text, text, "x", ""}));
    EXPECT_EQ(compressed, (std::vector<bool>{true, false, false, false}));
  }
}

TEST(MessageReader, WhatIsNotTakenStaysAsSmallAsItCame) {
  MessageReader reader(1 << 20);
  reader.set_compression(Compression::kGzip);
  const std::string packed = deflated(std::string(1'000'000, 'x'), true);
  size_t size = 0;
  ASSERT_TRUE(reader.feed(slice_of(framed(packed, true)), [&](Payload message) { size = message.size(); }).ok());
  EXPECT_EQ(size, packed.size());
}

TEST(MessageFrame, WhatTheOtherSideAcceptsIsAListOfNames) {
  EXPECT_TRUE(accepts("identity, gzip", Compression::kGzip));
  EXPECT_TRUE(accepts("deflate,gzip", Compression::kDeflate));
  EXPECT_FALSE(accepts("", Compression::kGzip));
  EXPECT_FALSE(accepts("xgzip,gzi", Compression::kGzip));
}

TEST(MessageReader, DamageIsAnError) {
  for (const auto& bytes : {framed("no gzip", true), std::string("\x07\0\0\0\0", 5),
                            framed(deflated("cut", true).substr(0, 12), true), framed("", true)}) {
    MessageReader reader(1000);
    reader.set_compression(Compression::kGzip);
    EXPECT_EQ(feed(reader, slice_of(bytes)).status.code, api::Code::kInternal);
  }
  MessageReader reader(1000);
  EXPECT_EQ(feed(reader, slice_of(framed("which?", true))).status.code, api::Code::kInternal);
}

}  // namespace
}  // namespace cairn::rpc
