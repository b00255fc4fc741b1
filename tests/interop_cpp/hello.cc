// What gRPC's C++ library makes of a Cairn playground: there is no official client on it, so this speaks the protocol
// from proto/ itself. Usage: hello PD_ADDRESS [CA CERT KEY]; with the three files it speaks TLS. Prints `hello` and
// exits 0 if all is well.
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/sync_stream.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "kvrpcpb.pb.h"
#include "pdpb.pb.h"
#include "tikvpb.pb.h"

namespace {

using google::protobuf::MessageLite;
using grpc::internal::RpcMethod;

#define DEMAND(condition)                                                          \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::_Exit(1);                                                               \
    }                                                                              \
  } while (false)

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// One server; calls go by name, so that no code of the services has to be generated.
class Server {
 public:
  Server(const std::string& address, const std::vector<std::string>& files) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(64 << 20);
    arguments.SetMaxSendMessageSize(64 << 20);
    auto credentials = grpc::InsecureChannelCredentials();
    if (!files.empty()) {
      credentials = grpc::SslCredentials({contents(files.at(0)), contents(files.at(2)), contents(files.at(1))});
    }
    channel_ = grpc::CreateCustomChannel(address, credentials, arguments);
  }

  template <class Response>
  grpc::Status call(const char* method, const MessageLite& request, Response& response,
                    grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    grpc::ClientContext context;
    patient(context);
    context.set_compression_algorithm(compression);
    return grpc::internal::BlockingUnaryCall<MessageLite, Response, MessageLite, MessageLite>(
        channel_.get(), RpcMethod(method, RpcMethod::NORMAL_RPC), &context, request, &response);
  }
  template <class Response>
  Response ask(const char* method, const MessageLite& request,
               grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    Response response;
    const auto status = call(method, request, response, compression);
    if (!status.ok()) std::fprintf(stderr, "%s: %s\n", method, status.error_message().c_str());
    DEMAND(status.ok());
    return response;
  }
  template <class Request, class Response>
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> converse(const char* method,
                                                                        grpc::ClientContext& context) {
    patient(context);
    return std::unique_ptr<grpc::ClientReaderWriter<Request, Response>>(
        grpc::internal::ClientReaderWriterFactory<Request, Response>::Create(
            channel_.get(), RpcMethod(method, RpcMethod::BIDI_STREAMING), &context));
  }

 private:
  static void patient(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  std::shared_ptr<grpc::Channel> channel_;
};

void raw(Server& tikv, const kvrpcpb::Context& context) {
  for (const auto compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    kvrpcpb::RawPutRequest put;
    *put.mutable_context() = context;
    put.set_key("cpp/raw");
    put.set_value(std::string(3 << 20, 'x'));
    tikv.ask<kvrpcpb::RawPutResponse>("/tikvpb.Tikv/RawPut", put, compression);
    kvrpcpb::RawGetRequest get;
    *get.mutable_context() = context;
    get.set_key(put.key());
    DEMAND(tikv.ask<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", get).value() == put.value());
    kvrpcpb::RawDeleteRequest gone;
    *gone.mutable_context() = context;
    gone.set_key(put.key());
    tikv.ask<kvrpcpb::RawDeleteResponse>("/tikvpb.Tikv/RawDelete", gone);
    DEMAND(tikv.ask<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", get).not_found());
  }
}

void batches(Server& tikv, const kvrpcpb::Context& context) {
  grpc::ClientContext call;
  auto stream =
      tikv.converse<tikvpb::BatchCommandsRequest, tikvpb::BatchCommandsResponse>("/tikvpb.Tikv/BatchCommands", call);
  std::set<uint64_t> wanted;
  for (uint64_t i = 0; i < 100; ++i) {
    tikvpb::BatchCommandsRequest message;
    message.add_request_ids(i);
    auto* get = message.add_requests()->mutable_rawget();
    *get->mutable_context() = context;
    get->set_key("cpp/none/" + std::to_string(i));
    DEMAND(stream->Write(message));
    wanted.insert(i);
  }
  while (!wanted.empty()) {
    tikvpb::BatchCommandsResponse answer;
    DEMAND(stream->Read(&answer));
    for (const auto& response : answer.responses()) DEMAND(response.rawget().not_found());
    for (const uint64_t id : answer.request_ids()) wanted.erase(id);
  }
  DEMAND(stream->WritesDone());
  tikvpb::BatchCommandsResponse none;
  DEMAND(!stream->Read(&none));
  DEMAND(stream->Finish().ok());
}

uint64_t timestamp(Server& pd, const pdpb::RequestHeader& header) {
  grpc::ClientContext call;
  auto stream = pd.converse<pdpb::TsoRequest, pdpb::TsoResponse>("/pdpb.PD/Tso", call);
  pdpb::TsoRequest request;
  *request.mutable_header() = header;
  request.set_count(1);
  pdpb::TsoResponse answer;
  DEMAND(stream->Write(request) && stream->Read(&answer) && stream->WritesDone());
  DEMAND(stream->Finish().ok());
  return static_cast<uint64_t>(answer.timestamp().physical() << 18 | answer.timestamp().logical());
}

void transaction(Server& pd, const pdpb::RequestHeader& header, Server& tikv, const kvrpcpb::Context& context) {
  kvrpcpb::PrewriteRequest prewrite;
  *prewrite.mutable_context() = context;
  auto* mutation = prewrite.add_mutations();
  mutation->set_key("cpp/txn");
  mutation->set_value("hello");
  prewrite.set_primary_lock("cpp/txn");
  prewrite.set_start_version(timestamp(pd, header));
  prewrite.set_lock_ttl(3000);
  prewrite.set_txn_size(1);
  const auto prewritten = tikv.ask<kvrpcpb::PrewriteResponse>("/tikvpb.Tikv/KvPrewrite", prewrite);
  DEMAND(prewritten.errors().empty() && !prewritten.has_region_error());
  kvrpcpb::CommitRequest commit;
  *commit.mutable_context() = context;
  commit.add_keys("cpp/txn");
  commit.set_start_version(prewrite.start_version());
  commit.set_commit_version(timestamp(pd, header));
  const auto committed = tikv.ask<kvrpcpb::CommitResponse>("/tikvpb.Tikv/KvCommit", commit);
  DEMAND(!committed.has_error() && !committed.has_region_error());
  kvrpcpb::GetRequest get;
  *get.mutable_context() = context;
  get.set_key("cpp/txn");
  get.set_version(timestamp(pd, header));
  DEMAND(tikv.ask<kvrpcpb::GetResponse>("/tikvpb.Tikv/KvGet", get).value() == "hello");
}

void refusals(Server& tikv, kvrpcpb::Context context) {
  kvrpcpb::RawGetResponse response;
  const auto status = tikv.call("/tikvpb.Tikv/NoSuchCall", kvrpcpb::RawGetRequest(), response);
  DEMAND(status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
  kvrpcpb::RawGetRequest get;
  context.set_region_id(4711);
  *get.mutable_context() = context;
  get.set_key("k");
  response = tikv.ask<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", get);
  DEMAND(response.region_error().region_not_found().region_id() == 4711);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  DEMAND(arguments.size() == 1 || arguments.size() == 4);
  const std::vector<std::string> files(arguments.begin() + 1, arguments.end());
  Server pd(arguments[0], files);
  const auto members = pd.ask<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest());
  DEMAND(members.leader().client_urls(0).rfind(files.empty() ? "http:" : "https:", 0) == 0);
  pdpb::GetRegionRequest where;
  where.mutable_header()->set_cluster_id(members.header().cluster_id());
  where.set_region_key("cpp");
  const auto found = pd.ask<pdpb::GetRegionResponse>("/pdpb.PD/GetRegion", where);
  pdpb::GetStoreRequest who;
  *who.mutable_header() = where.header();
  who.set_store_id(found.leader().store_id());
  Server tikv(pd.ask<pdpb::GetStoreResponse>("/pdpb.PD/GetStore", who).store().address(), files);
  kvrpcpb::Context context;
  context.set_region_id(found.region().id());
  *context.mutable_region_epoch() = found.region().region_epoch();
  *context.mutable_peer() = found.leader();
  raw(tikv, context);
  batches(tikv, context);
  transaction(pd, where.header(), tikv, context);
  refusals(tikv, context);
  std::printf("hello\n");
}
