// The one place where what the store refuses becomes protobuf: engine::RegionError -> errorpb.Error, mvcc::KeyError ->
// kvrpcpb.KeyError. Each is one exhaustive visit: a new alternative does not compile until it is translated.
//
// An errorpb.Error has a message and exactly one sub-message (none for what is only words); keys in it are engine keys.
// Tests: errors_test.cc.
#pragma once

#include "base/ids.h"
#include "engine/error.h"
#include "engine/region_request.h"
#include "kvrpcpb.pb.h"
#include "metapb.pb.h"
#include "mvcc/key_error.h"
#include "rawkv/rawkv.h"
#include "txn/failure.h"

namespace cairn::server {

errorpb::Error to_proto(const engine::RegionError& error);
// A broken engine serves nobody: the client tries another replica.
errorpb::Error to_proto(const engine::Error& error);
errorpb::Error to_proto(const txn::Failure& failure);
kvrpcpb::KeyError to_proto(const mvcc::KeyError& error);
kvrpcpb::LockInfo to_proto(const mvcc::LockInfo& lock);
metapb::Region to_proto(const engine::RegionDescription& region);

// The answer to a request whose time is over.
errorpb::Error deadline_exceeded();

// Puts the error of a request as a whole into each field where clients look for it. The messages that have both `error`
// and `pairs` got the former later: clients from before it (and the Java client) look at the pairs alone.
template <class Resp>
void put_key_error(Resp& response, const kvrpcpb::KeyError& error) {
  if constexpr (requires { *response.add_errors() = error; }) {
    *response.add_errors() = error;
  } else if constexpr (requires { *response.mutable_error() = error; }) {
    *response.mutable_error() = error;
  }
  if constexpr (requires { *response.add_pairs()->mutable_error() = error; }) {
    *response.add_pairs()->mutable_error() = error;
  }
}

// Puts a refusal in words into whichever field the response has for it: a text, a key error's `abort`, or else the
// message of a region error. (Pairs alone are no such field: clients of the raw API do not look for errors in them, and
// would take one for a pair with an empty key.)
template <class Resp>
void put_refusal(Resp& response, const std::string& text) {
  if constexpr (requires { response.set_other_error(text); }) {
    response.set_other_error(text);
  } else if constexpr (requires { response.set_error(text); }) {
    response.set_error(text);
  } else if constexpr (requires { response.mutable_error(); } || requires { response.add_errors(); }) {
    kvrpcpb::KeyError error;
    error.set_abort(text);
    put_key_error(response, error);
  } else {
    response.mutable_region_error()->set_message(text);
  }
}

// Puts the reason why a request has no answer into the response.
template <class Resp>
void put_failure(Resp& response, const txn::Failure& failure) {
  *response.mutable_region_error() = to_proto(failure);
}
template <class Resp>
void put_failure(Resp& response, const rawkv::Failure& failure) {
  if (const auto* invalid = std::get_if<rawkv::InvalidRequest>(&failure)) {
    put_refusal(response, invalid->text);
  } else if (const auto* region = std::get_if<engine::RegionError>(&failure)) {
    *response.mutable_region_error() = to_proto(*region);
  } else {
    *response.mutable_region_error() = to_proto(std::get<engine::Error>(failure));
  }
}

}  // namespace cairn::server
