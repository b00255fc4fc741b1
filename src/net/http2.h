// HTTP/2 over one connection, server's or client's side, on nghttp2: frames, header compression, flow control and the
// defences against floods are the library's; sockets, memory and order are ours.
//
//   socket ─ read ─▶ nghttp2 ─ callbacks ─▶ Http2Stream's events    as it comes, at most 64 KiB a turn
//   Http2Stream::send ─▶ its own queue ─ nghttp2 asks ─▶ OutQueue ─▶ socket     once at the end of the turn
//
// Back-pressure. What is sent stays with its stream until the other side's windows and our own queue have room. What
// comes in is given back to the stream's window by consume(): a stream that consumes nothing stops its sender, and no
// other. While a client does not read what the server has to say, the server does not read what it says.
//
// All of it is confined to the loop's thread. Tests: http2_test.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "net/deadlines.h"
#include "net/frame_heads.h"
#include "net/greeting.h"
#include "net/loop.h"
#include "net/out_queue.h"
#include "net/slice.h"
#include "net/transport.h"
#include "net/wire.h"

struct nghttp2_session;

namespace cairn::net {

// Names in lower case. The bytes are copied when they are sent.
struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// Codes of RST_STREAM and GOAWAY (RFC 9113, section 7), those that we use.
enum class Http2Error : uint32_t {
  kNone = 0,
  kProtocol = 1,
  kInternal = 2,
  kRefused = 7,
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

struct Http2Options {
  uint32_t streams_max = 1024;                 // at once, that the other side may open
  size_t header_bytes_max = size_t{16} << 10;  // of one message's headers
  int32_t stream_window = 2 << 20;             // unconsumed bytes of a stream
  int32_t connection_window = 16 << 20;        // unconsumed bytes of all its streams
  size_t out_bytes_max = size_t{1} << 20;      // that wait for the socket
  Duration ping_after{};                       // of silence; zero: never
  Duration ping_timeout = 3s;                  // then the connection is given up
  bool pings_without_streams = false;
  Duration idle_max{};       // without a stream; zero: for ever
  Duration hello_max = 10s;  // until the other side's preface is here
};

class Http2Connection;

// One request and its answer. The user derives from it, gets the events and calls the rest. A stream lives at least
// until on_closed has returned. Sending on a stream that is over does nothing.
class Http2Stream : public std::enable_shared_from_this<Http2Stream> {
 public:
  virtual ~Http2Stream();
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

 protected:
  Http2Stream();

  // A header, one after the other; then the end of the block (the request's, the answer's, or the trailers').
  virtual void on_header(std::string_view name, std::string_view value) = 0;
  virtual void on_headers_end() = 0;
  // Bytes of the body; consume() them at once or later.
  virtual void on_data(Slice data) = 0;
  // The other side sends no more.
  virtual void on_end() = 0;
  // All that was to be sent has gone into the connection's queue.
  virtual void on_sent() {}
  // The deadline has passed. The stream is not over by that.
  virtual void on_deadline() {}
  // It is over: at both ends, or reset by either, or its connection is (then why is not empty). The last event.
  virtual void on_closed(Http2Error error, std::string_view why) = 0;

  // A server's answer begins. With `is_all`, that is the whole of it.
  void respond(const std::vector<HeaderView>& headers, bool is_all = false);
  void send(std::string_view bytes);  // a copy
  void send(Slice slice);
  // No more will be sent; a server's last word may be trailers.
  void end();
  void end_with(const std::vector<HeaderView>& trailers);
  void reset(Http2Error error);
  // Gives bytes back to the stream's window.
  void consume(size_t bytes);
  void set_deadline(std::chrono::steady_clock::time_point when);

  bool is_open() const { return connection_ != nullptr; }
  size_t unsent() const { return out_.size(); }
  // A client's, in on_closed: whether the other side has certainly done nothing about it, as it says so or has not even
  // been sent its headers. It may be requested again, on any connection.
  bool is_unprocessed() const { return is_unprocessed_; }
  // Only while it is open.
  Http2Connection& connection() const { return *connection_; }

 private:
  friend class Http2Connection;
  void wake();

  Http2Connection* connection_ = nullptr;  // nullptr before and after
  std::shared_ptr<Http2Stream> self_;      // while it is open
  Http2Stream* previous_ = nullptr;        // in the connection's list
  Http2Stream* next_ = nullptr;
  int32_t id_ = 0;
  OutQueue out_;
  std::vector<std::pair<std::string, std::string>> trailers_;
  bool is_ended_ = false;     // by us: nothing more comes into out_
  bool is_deferred_ = false;  // nghttp2 waits to be told that out_ has bytes
  bool has_data_source_ = false;
  bool is_asked_ = false;  // a client's headers have gone into the connection's queue
  bool is_unprocessed_ = false;
  size_t header_bytes_ = 0;
  size_t unconsumed_ = 0;
  std::chrono::steady_clock::time_point deadline_ = Deadlines::kNone;
};

class Http2Connection final : public Loop::TurnEnd,
                              public Wire::User,
                              public std::enable_shared_from_this<Http2Connection> {
 public:
  // What the connection's owner is told. It must outlive the connection or let go of it.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Server: a stream begins; the one who is to serve it. nullptr: it is refused.
    virtual std::shared_ptr<Http2Stream> on_stream(Http2Connection&) { return nullptr; }
    // The other side goes away: streams under way go on, no new ones may be opened.
    virtual void on_going_away(Http2Connection&) {}
    // The connection is over, and all its streams are. The last event. `why` is for people.
    virtual void on_connection_closed(Http2Connection&, const std::string& why) = 0;
  };
  enum class Role { kServer, kClient };

  static std::shared_ptr<Http2Connection> open(Role role, Loop& loop, std::unique_ptr<Transport> transport,
                                               const Http2Options& options, Owner* owner);
  // A server's, which has said something already. Events come when the turn ends, not from within this call.
  static std::shared_ptr<Http2Connection> open(Loop& loop, Greeted greeted, const Http2Options& options, Owner* owner);
  Http2Connection(Role role, Loop& loop, std::unique_ptr<Transport> transport, const Http2Options& options,
                  Owner* owner);
  ~Http2Connection() override;

  // Client: opens a stream with these headers. False if the connection takes none any more.
  bool request(const std::shared_ptr<Http2Stream>& stream, const std::vector<HeaderView>& headers);
  // No new streams; those under way may end, then the connection does.
  void drain();
  // Says goodbye, as far as the socket takes it, and ends it now.
  void end(const std::string& why, Http2Error error = Http2Error::kNone);
  // Ends it now. on_connection_closed follows before this returns.
  void close(const std::string& why, Http2Error error = Http2Error::kNone);

  const std::string& peer() const { return peer_; }
  size_t streams() const { return stream_count_; }
  Loop& loop() { return loop_; }
  // Bytes that came and are not consumed yet.
  size_t unconsumed() const { return unconsumed_; }
  // Whether the other side has shown that it speaks HTTP/2.
  bool has_hello() const { return has_hello_; }
  // Whether it was the other side that ended the connection, in good order.
  bool is_left() const { return is_left_; }

  void on_turn_end() override;

 private:
  friend class Http2Stream;
  struct Callbacks;

  void start();
  void on_bytes(Slice bytes) override;
  void on_end() override;
  void on_broken(const std::string& why) override;
  void on_taken() override;
  // Client: whether the answer is of another protocol; then the connection is over, with its words.
  bool refuse_other(std::string_view first);
  void feed(std::string_view bytes, const std::shared_ptr<const void>& owner);
  // Server: what is said to frames of streams that are over.
  void look_at_frames(std::string_view bytes);
  void answer_late_frames();
  void remember_gone(int32_t id, bool is_reset);
  void need_flush();
  void flush();
  bool fill();
  void close_if_done();
  void adopt(Http2Stream& stream, int32_t id);
  void release(Http2Stream& stream, Http2Error error, std::string_view why);
  void consumed(Http2Stream& stream, size_t bytes);
  void give_back_connection_window();
  Deadlines::TimePoint look_at_deadlines(Deadlines::TimePoint now);
  void watch_silence();
  void on_silence_tick();
  void end_drain_notice();
  // After our last word: the other side may still be sending.
  void say_goodbye(const std::string& why, Http2Error error);
  // All but the socket ends, which is returned. Null: it has ended already, or will as soon as nghttp2 is not at work.
  std::unique_ptr<Transport> finish(const std::string& why, Http2Error error);
  bool has_room_to_fill() const { return wire_->unsent() < options_.out_bytes_max; }

  const Role role_;
  Loop& loop_;
  std::unique_ptr<Transport> transport_;  // until the wire has it
  const std::string peer_;
  const Http2Options options_;
  Owner* owner_;
  nghttp2_session* session_ = nullptr;
  std::shared_ptr<Wire> wire_;                // from the start on
  Slice first_bytes_;                         // that came before it was opened, not looked at yet
  bool has_more_at_first_ = false;            // behind those
  std::shared_ptr<const void> reading_from_;  // owner of the bytes that nghttp2 is being fed
  // Streams that the other side has ended or reset and that are over: the last few.
  struct Gone {
    int32_t id = 0;
    bool is_reset = false;
  };
  FrameHeads heads_;
  std::array<Gone, 8> gone_{};
  size_t gone_count_ = 0;         // ever
  std::vector<Gone> late_;        // of those there have come more frames
  Http2Stream* first_ = nullptr;  // of the open streams
  size_t stream_count_ = 0;
  size_t unconsumed_ = 0;       // of all streams
  size_t untaken_ = 0;          // of what we sent, when last looked at
  size_t connection_owed_ = 0;  // of the connection's window, not given back yet
  Deadlines deadlines_;
  runtime::TimerId silence_timer_;
  runtime::TimerId drain_timer_;
  const std::chrono::steady_clock::time_point begun_at_;
  std::chrono::steady_clock::time_point heard_at_;             // the last bytes came
  std::chrono::steady_clock::time_point used_at_ = heard_at_;  // seen with a stream
  std::chrono::steady_clock::time_point pinged_at_;
  bool has_hello_ = false;  // the other side's settings are here
  bool is_ping_out_ = false;
  bool is_flush_asked_ = false;
  bool is_flushing_ = false;
  bool may_read_ = true;  // false: the client does not read what we say
  bool is_left_ = false;
  bool is_draining_ = false;
  bool is_told_ = false;        // the other side knows from which stream on nothing is served
  bool is_going_away_ = false;  // the other side
  bool is_in_session_ = false;  // nghttp2 is at work, and calls back: the session must not be ended
  std::string failure_;         // end it as soon as nghttp2 allows
  bool is_closed_ = false;
};

}  // namespace cairn::net
