#include "rpc/batch_errors.h"

#include "base/check.h"
#include "errorpb.pb.h"
#include "kvrpcpb.pb.h"

namespace cairn::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The message of the command that is set in either oneof; nullptr if none is.
Message* command_of(Message& holder) {
  const auto* reflection = holder.GetReflection();
  const auto* oneof = holder.GetDescriptor()->oneof_decl(0);
  const auto* field = reflection->GetOneofFieldDescriptor(holder, oneof);
  return field == nullptr ? nullptr : reflection->MutableMessage(&holder, field);
}

const FieldDescriptor* field_of(const Message& message, const char* name, const std::string& type) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return nullptr;
  if (type == "string") return field->cpp_type() == FieldDescriptor::CPPTYPE_STRING ? field : nullptr;
  return field->message_type() != nullptr && field->message_type()->full_name() == type ? field : nullptr;
}

bool put_text(Message& message, const std::string& text) {
  const auto* reflection = message.GetReflection();
  for (const char* name : {"error", "other_error"}) {
    if (const auto* field = field_of(message, name, "string")) {
      reflection->SetString(&message, field, text);
      return true;
    }
  }
  if (const auto* field = field_of(message, "error", "kvrpcpb.KeyError"); field != nullptr && !field->is_repeated()) {
    static_cast<kvrpcpb::KeyError*>(reflection->MutableMessage(&message, field))->set_abort(text);
    return true;
  }
  if (const auto* field = field_of(message, "errors", "kvrpcpb.KeyError"); field != nullptr && field->is_repeated()) {
    static_cast<kvrpcpb::KeyError*>(reflection->AddMessage(&message, field))->set_abort(text);
    return true;
  }
  return false;
}

}  // namespace

bool make_matching_response(const tikvpb::BatchCommandsRequest::Request& request,
                            tikvpb::BatchCommandsResponse::Response& response) {
  const auto* field = response.GetDescriptor()->FindFieldByNumber(static_cast<int>(request.cmd_case()));
  if (request.cmd_case() == 0 || field == nullptr) return false;
  response.GetReflection()->MutableMessage(&response, field);
  return true;
}

void put_error(const api::Status& status, tikvpb::BatchCommandsResponse::Response& response) {
  Message* command = command_of(response);
  CHECK(command != nullptr, "an error for a response without a command: {}", status.message);
  command->Clear();
  const bool is_busy = status.code == api::Code::kResourceExhausted || status.code == api::Code::kDeadlineExceeded;
  if (!is_busy && put_text(*command, status.message)) return;
  const auto* field = field_of(*command, "region_error", "errorpb.Error");
  if (field == nullptr) return;  // a message without any error: an empty one has to do
  auto& error = *static_cast<errorpb::Error*>(command->GetReflection()->MutableMessage(command, field));
  error.set_message(status.message.empty() ? "the request failed" : status.message);
  if (is_busy) {
    error.mutable_server_is_busy()->set_reason(status.code == api::Code::kDeadlineExceeded ? "deadline is exceeded"
                                                                                           : status.message);
  }
}

}  // namespace cairn::rpc
