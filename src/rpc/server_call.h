// One call on the server, over one stream of HTTP/2. Its own state lives on the loop's thread; what other threads ask
// of it is posted there. Tests: server_test.cc.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/router.h"
#include "net/http2.h"
#include "rpc/connection_answers.h"
#include "rpc/message_frame.h"
#include "rpc/receive_budget.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

class ServerCall;

// What a call tells the server that it belongs to.
class ServerCalls {
 public:
  virtual ~ServerCalls() = default;
  virtual const Router& router() const = 0;
  virtual const http::Router& http() const = 0;
  // Requests of plain HTTP whose streams are open, of all connections.
  virtual std::atomic<size_t>& plain_requests() = 0;
  virtual ReceiveBudget& receive_budget() = 0;
  virtual const AnswerCompression& answer_compression() const = 0;
  virtual void on_call_begun(const std::shared_ptr<ServerCall>& call, const Router::Route* route) = 0;
  virtual void on_call_ended(ServerCall* call, const Router::Route* route) = 0;
};

class ServerCall final : public net::Http2Stream, public ServerStream {
 public:
  // `answers`: of the connection.
  ServerCall(std::shared_ptr<ServerCalls> calls, std::shared_ptr<net::Loop> loop, std::string peer,
             size_t message_bytes_max, std::shared_ptr<ConnectionAnswers> answers);

  // Any thread, see ServerStream.
  void attach(std::shared_ptr<StreamEvents> events) override;
  void read() override;
  bool write(Payload message) override;
  void finish(api::Status status) override;
  void write_and_finish(Payload message) override;
  void send_headers(Metadata metadata) override;
  void set_trailers(Metadata metadata) override;
  void begin_with_room(uint32_t values, absl::AnyInvocable<void()> begin) override;
  void compress(Compression compression) override;
  std::string metadata(std::string_view key) const override;
  std::string peer() const override { return peer_; }
  bool is_over() const override { return is_over_; }

  // Any thread.
  void tell_stopping();

 private:
  void on_header(std::string_view name, std::string_view value) override;
  void on_headers_end() override;
  void on_data(net::Slice data) override;
  void on_end() override;
  void on_sent() override;
  void on_deadline() override;
  void on_closed(net::Http2Error error, std::string_view why) override;

  // Runs it on the loop's thread: now, if this is it.
  template <class What>
  void on_loop(What what);
  std::shared_ptr<ServerCall> self() { return std::static_pointer_cast<ServerCall>(shared_from_this()); }
  void begin_call();
  // Keeps account of the bytes that are here, and of those that a message which is being taken has grown to. False if
  // the server holds too many.
  bool account(size_t unpacked = 0);
  // Drops what came and was not taken: nobody will take it.
  void let_go();
  // What is no gRPC at all goes to the router of plain HTTP, once the request has ended.
  void begin_plain();
  void on_plain_data(const net::Slice& data);
  void serve_plain();
  void answer_plain(const http::Response& response);
  void read_now();
  void write_now(Payload message);
  void finish_now(api::Status status, std::optional<Payload> message);
  // Takes the first of the messages. Nothing: it cannot be unpacked, and the call has ended.
  std::optional<Payload> take_message();
  void answer_begins(const Metadata& metadata = {});
  void send_message(const Payload& message);
  // Hands on messages as far as they are asked for, then the end.
  void deliver();

  const std::shared_ptr<ServerCalls> calls_;
  const std::shared_ptr<net::Loop> loop_;
  const std::string peer_;
  const std::shared_ptr<ConnectionAnswers> answers_;
  std::atomic<bool> is_over_{false};  // or ending: nothing is sent any more
  std::atomic<int> posted_{0};        // requests of other threads that wait for the loop

  // The request's headers, fixed once the handler is called.
  std::string method_;
  std::string content_type_;
  std::string http_method_;
  std::string encoding_;
  std::string accepted_encodings_;
  std::optional<std::string> timeout_;
  Metadata metadata_;
  const Router::Route* route_ = nullptr;

  std::shared_ptr<StreamEvents> events_;
  std::shared_ptr<ConnectionAnswers::Place> place_;  // of a unary call that answers with values
  MessageReader reader_;
  std::deque<Payload> messages_;  // complete, and not asked for yet
  size_t messages_bytes_ = 0;     // of those, with what it costs to keep them
  size_t held_ = 0;               // bytes that the server's budget knows of
  size_t owed_ = 0;               // bytes to consume once messages_ is empty
  bool is_begun_ = false;         // the server counts it
  bool wants_message_ = false;
  bool is_delivering_ = false;
  bool has_ended_ = false;  // no more messages come
  bool is_writing_ = false;
  bool has_answered_ = false;  // the answer's headers are out
  bool is_finishing_ = false;
  Compression compression_ = Compression::kIdentity;  // of the answer
  size_t compress_from_ = 0;                          // bytes of a message; smaller ones are not
  Metadata trailers_;
  std::optional<http::Request> plain_;  // it is no gRPC
  bool is_plain_counted_ = false;
};

}  // namespace cairn::rpc
