// The HTTP API: the forms that Go writes, each resource's JSON as PD shows it, and what is refused.
#include "pd/http/pages.h"

#include <gtest/gtest.h>

#include "pd/http/region_json.h"
#include "pd/http/region_labels.h"
#include "pd/http/region_stats.h"
#include "pd/http/store_json.h"
#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST(HttpForms, AreAsGoWritesThem) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::minutes;
  using std::chrono::seconds;
  EXPECT_EQ(go_duration(Duration{}), "0s");
  EXPECT_EQ(go_duration(milliseconds(500)), "500ms");
  EXPECT_EQ(go_duration(minutes(30)), "30m0s");
  EXPECT_EQ(go_duration(hours(1) + minutes(2) + seconds(3) + milliseconds(50)), "1h2m3.05s");
  EXPECT_EQ(go_duration(-seconds(1)), "-1s");
  EXPECT_EQ(byte_size(0), "0B");
  EXPECT_EQ(byte_size(1536), "1.5KiB");
  EXPECT_EQ(byte_size(uint64_t{100} << 30), "100GiB");
  EXPECT_EQ(byte_size(UINT64_MAX), "16EiB");
  EXPECT_EQ(rfc3339(1'700'000'000'500'000'000), "2023-11-14T22:13:20.5Z");
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(hex_key("a\xff"), "61FF");
  EXPECT_EQ(unhex_key("61fF"), "a\xff");
  EXPECT_FALSE(unhex_key("6"));
  EXPECT_FALSE(unhex_key("+1"));
  EXPECT_EQ(go_number("x").error(), "strconv.ParseUint: parsing \"x\": invalid syntax");
  EXPECT_EQ(go_number("99999999999999999999").error(),
            "strconv.ParseUint: parsing \"99999999999999999999\": value out of range");
}

RegionInfo region(uint64_t id, const Bytes& start, const Bytes& end) {
  RegionInfo out;
  out.meta.set_id(id);
  out.meta.set_start_key(start);
  out.meta.set_end_key(end);
  out.meta.mutable_region_epoch()->set_conf_ver(1);
  out.meta.mutable_region_epoch()->set_version(2);
  for (uint64_t store = 1; store <= 2; ++store) {
    auto& peer = *out.meta.add_peers();
    peer.set_id(id * 10 + store);
    peer.set_store_id(store);
  }
  out.meta.mutable_peers(1)->set_role(metapb::Learner);
  out.leader = out.meta.peers(0);
  out.approximate_mib = 96;
  out.approximate_keys = 1000;
  return out;
}

TEST(RegionJson, IsAsPdShowsIt) {
  auto shown = region(2, "a", "");
  EXPECT_EQ(
      region_json(shown).dump(),
      R"({"id":2,"start_key":"61","end_key":"","epoch":{"conf_ver":1,"version":2},)"
      R"("peers":[{"role_name":"Voter","id":21,"store_id":1},)"
      R"({"role_name":"Learner","is_learner":true,"id":22,"store_id":2,"role":1}],)"
      R"("leader":{"role_name":"Voter","id":21,"store_id":1},)"
      R"("cpu_usage":0,"written_bytes":0,"read_bytes":0,"written_keys":0,"read_keys":0,)"
      R"("approximate_size":96,"approximate_keys":1000,"approximate_kv_size":0,"approximate_columnar_kv_size":0})");
  auto& down = shown.down_peers.emplace_back();
  *down.mutable_peer() = shown.meta.peers(0);
  down.set_down_seconds(7);
  shown.pending_peers.push_back(shown.meta.peers(1));
  const auto json = region_json(shown);
  EXPECT_EQ(json["down_peers"].dump(), R"([{"peer":{"role_name":"Voter","id":21,"store_id":1},"down_seconds":7}])");
  EXPECT_EQ(json["pending_peers"][0]["id"], 22);
  EXPECT_EQ(regions_json({}), R"({"count":0,"regions":[]})");
}

TEST(RegionStats, AddUpWhatStoresHold) {
  const auto stats = region_stats_json(
      {std::make_shared<const RegionInfo>(region(1, "", "a")), std::make_shared<const RegionInfo>(region(2, "a", ""))});
  EXPECT_EQ(stats.dump(),
            R"({"count":2,"empty_count":0,"storage_size":192,"user_storage_size":192,"user_columnar_storage_size":0,)"
            R"("storage_keys":2000,"store_leader_count":{"1":2},"store_peer_count":{"1":2,"2":2},)"
            R"("store_leader_size":{"1":192},"store_leader_keys":{"1":2000},"store_peer_size":{"1":192,"2":192},)"
            R"("store_peer_keys":{"1":2000,"2":2000}})");
}

TEST(StoreJson, IsAsPdShowsIt) {
  StoreInfo store;
  store.meta.set_id(1);
  store.meta.set_address("127.0.0.1:20160");
  store.meta.set_version("8.5.0");
  auto& label = *store.meta.add_labels();
  label.set_key("zone");
  label.set_value("z1");
  store.stats.set_capacity(uint64_t{100} << 30);
  store.stats.set_available(uint64_t{50} << 30);
  store.stats.set_start_time(1'700'000'000);
  const auto json = store_json({.store = store,
                                .health = StoreHealth::kUp,
                                .count = {.peers = 3, .leaders = 2, .mib = 10},
                                .last_heartbeat_ns = 1'700'003'723'000'000'000});
  EXPECT_EQ(json["store"].dump(),
            R"({"id":1,"address":"127.0.0.1:20160","labels":[{"key":"zone","value":"z1"}],"version":"8.5.0",)"
            R"("last_heartbeat":1700003723000000000,"state_name":"Up"})");
  EXPECT_EQ(json["status"].dump(),
            R"({"capacity":"100GiB","available":"50GiB","used_size":"0B","leader_count":2,"leader_weight":1,)"
            R"("leader_score":2,"leader_size":0,"region_count":3,"region_weight":1,"region_score":10,"region_size":10,)"
            R"("start_ts":"2023-11-14T22:13:20Z","last_heartbeat_ts":"2023-11-14T23:15:23Z","uptime":"1h2m3s"})");
}

TEST(RegionLabels, AreKeptIfNothingHasToObeyThem) {
  OwnRecords records;
  const Keys keys(7);
  const auto rule = [](const std::string& id, const std::string& key, const std::string& value, int index) {
    return Json{{"id", id},
                {"index", index},
                {"labels", Json::array({{{"key", key}, {"value", value}}})},
                {"rule_type", "key-range"},
                {"data", Json::array({{{"start_key", "61"}, {"end_key", "63"}}})}};
  };
  const auto apply = [&](const MetaTxn& writes) {
    for (const auto& write : writes.writes()) {
      write.kind == MetaTxn::Write::Kind::kPut ? records.put(write.key, write.value) : records.del(write.key);
    }
  };
  auto writes = change_label_rules(records, keys, {}, {rule("a", "merge_option", "deny", 0), rule("b", "x", "y", 1)});
  ASSERT_TRUE(writes.ok());
  apply(*writes);
  EXPECT_EQ(list_label_rules(records, keys).size(), 2u);
  EXPECT_EQ(find_label_rule(records, keys, "a"), rule("a", "merge_option", "deny", 0));
  EXPECT_EQ(labels_of(records, keys, "a", "b"),
            (std::vector<std::pair<std::string, std::string>>{{"merge_option", "deny"}, {"x", "y"}}));
  EXPECT_TRUE(labels_of(records, keys, "b", "d").empty()) << "it reaches beyond the range";
  EXPECT_EQ(change_label_rules(records, keys, {}, {rule("c", "schedule", "deny", 0)}).error(),
            "invalid region rule content, schedule=deny is not supported: nothing would go by it");
  auto no_labels = rule("d", "x", "y", 0);
  no_labels["labels"] = Json::array();
  EXPECT_EQ(change_label_rules(records, keys, {}, {no_labels}).error(),
            "invalid region rule content, no region labels");
  EXPECT_FALSE(change_label_rules(records, keys, {}, {Json("text")}).ok());
  apply(*change_label_rules(records, keys, {"a", "unknown"}, {}));
  EXPECT_EQ(list_label_rules(records, keys).size(), 1u);
}

class HttpTest : public NodeTest {
 protected:
  void start_with_pages() {
    start();
    node_->add_pages(router_,
                     {.json = [] { return std::string(R"({"name":"pd1","schedule":{"x":1}})"); },
                      .change =
                          [this](const HttpSettings::Changes& changes, const HttpSettings::Done& done) {
                            changed_ = changes;
                            done({});
                          },
                      .has = [](const std::string& name) { return name == "replication.max-replicas"; }},
                     1'700'000'000);
  }
  http::Response ask(const std::string& method, const std::string& target, const std::string& body = "") {
    http::Request request;
    request.method = method;
    request.path = target.substr(0, target.find('?'));
    request.body = body;
    if (target.find('?') != std::string::npos) request.query = target.substr(target.find('?') + 1);
    std::optional<http::Response> answer;
    router_.serve(std::move(request), http::Responder([&](http::Response told) { answer = std::move(told); }));
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, std::chrono::seconds(30)));
    return answer.value_or(http::Response());
  }
  Json get(const std::string& target) {
    const auto answer = ask("GET", target);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return Json::parse(answer.body, nullptr, false);
  }
  // Status and JSON string.
  std::pair<int, std::string> refusal(const http::Response& answer) {
    const auto words = Json::parse(answer.body, nullptr, false);
    return {answer.status, words.is_string() ? words.get<std::string>() : answer.body};
  }

  http::Router router_;
  HttpSettings::Changes changed_;
};

TEST_F(HttpTest, TellsWhoItIsBeforeThereIsACluster) {
  start_with_pages();
  EXPECT_EQ(ask("GET", "/pd/api/v1/status").body,
            "{\n  \"build_ts\": \"None\",\n  \"version\": \"v9.0.0\",\n  \"git_hash\": \"None\",\n"
            "  \"start_timestamp\": 1700000000,\n  \"kernel_type\": \"Classic\"\n}\n");
  EXPECT_EQ(get("/pd/api/v1/version")["version"], "v9.0.0");
  const auto members = get("/pd/api/v1/members");
  EXPECT_EQ(members["header"]["cluster_id"], cluster_id_);
  EXPECT_EQ(members["members"][0].dump(), R"({"name":"pd1","member_id":1,"peer_urls":["http://127.0.0.1:2380"],)"
                                          R"("client_urls":["http://127.0.0.1:2379"],"binary_version":"v9.0.0"})");
  EXPECT_EQ(members["leader"], members["members"][0]);
  EXPECT_EQ(get("/pd/api/v1/health")[0]["health"], true);
  EXPECT_EQ(ask("GET", "/pd/api/v1/ping").body, "");
  EXPECT_EQ(ask("GET", "/ready").status, 200);
  EXPECT_EQ(get("/pd/api/v1/cluster/status")["is_initialized"], false);
  EXPECT_EQ(
      refusal(ask("GET", "/pd/api/v1/stores")),
      std::pair(500, std::string("[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV "
                                 "first")));
  EXPECT_EQ(ask("GET", "/pd/api/v1/nothing").status, 404);
  EXPECT_EQ(ask("POST", "/pd/api/v1/version").status, 405);
}

TEST_F(HttpTest, StoresAndRegionsAreFoundInEveryWay) {
  start_with_pages();
  bootstrap();
  open_stream();
  report(first_region());
  loop_.run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(get("/pd/api/v1/stores")["count"], 1);
  EXPECT_EQ(get("/pd/api/v1/store/1")["store"]["address"], "store-1:20160");
  EXPECT_EQ(refusal(ask("GET", "/pd/api/v1/store/9")),
            std::pair(404, std::string("[PD:core:ErrStoreNotFound]store 9 not found")));
  EXPECT_EQ(get("/pd/api/v1/region/id/100")["id"], 100);
  EXPECT_EQ(get("/pd/api/v1/region/key/a%2Fb%00")["id"], 100);
  EXPECT_EQ(get("/pd/api/v1/region/key/6162?format=hex")["id"], 100);
  EXPECT_EQ(refusal(ask("GET", "/pd/api/v1/region/id/9")),
            std::pair(404, std::string("[PD:region:ErrRegionNotFound]region 9 not found")));
  for (const char* target : {"/pd/api/v1/regions", "/pd/api/v1/regions/key?key=a&limit=5", "/pd/api/v1/regions/store/1",
                             "/pd/api/v1/regions/store/1?type=leader", "/pd/api/v1/regions/check/miss-peer",
                             "/pd/api/v1/regions/check/empty-region", "/pd/api/v1/regions/size",
                             "/pd/api/v1/regions/count", "/pd/api/v1/stats/region?start_key=&end_key="}) {
    EXPECT_EQ(get(target)["count"], 1) << target;
  }
  for (const char* target : {"/pd/api/v1/regions/sibling/100", "/pd/api/v1/regions/check/down-peer",
                             "/pd/api/v1/regions/check/extra-peer", "/pd/api/v1/regions/key?limit=0"}) {
    EXPECT_EQ(get(target)["count"], 0) << target;
  }
  EXPECT_EQ(get("/pd/api/v1/regions/replicated?startKey=&endKey="), "INPROGRESS");
  EXPECT_EQ(get("/pd/api/v1/regions/range-holes").size(), 0u);
  EXPECT_EQ(ask("GET", "/pd/api/v1/regions/key?limit=x").status, 400);
  EXPECT_EQ(get("/pd/api/v1/min-resolved-ts").dump(),
            R"({"is_real_time":true,"min_resolved_ts":0,"persist_interval":"1s","stores_min_resolved_ts":null})");
  pdpb::ReportMinResolvedTsRequest resolved;
  resolved.set_store_id(1);
  resolved.set_min_resolved_ts(77);
  call<pdpb::ReportMinResolvedTsResponse>(resolved, &Node::report_min_resolved_ts);
  EXPECT_EQ(get("/pd/api/v1/min-resolved-ts?scope=1")["stores_min_resolved_ts"].dump(), R"({"1":77})");
  EXPECT_EQ(get("/pd/api/v1/min-resolved-ts?scope=cluster")["min_resolved_ts"], 77);
}

// Whatever a page looks for in all regions, others have their turn meanwhile, and few such pages are made at once.
TEST_F(HttpTest, ALookAtAllRegionsGoesInSlicesAndStopsNobody) {
  start_with_pages();
  bootstrap();
  open_stream();
  constexpr uint64_t kRegions = 20'000;
  const auto key_of = [](uint64_t i) { return i == 0 || i == kRegions ? Bytes() : fmt::format("{:08}", i); };
  for (uint64_t i = 0; i < kRegions; ++i) {
    auto reported = first_region();
    reported.set_id(1000 + i);
    reported.set_start_key(key_of(i));
    reported.set_end_key(key_of(i + 1));
    reported.mutable_region_epoch()->set_version(2);
    report(reported);
  }
  next_id();  // from now on there are ids that need no disk
  std::vector<std::optional<http::Response>> answers(8);
  const auto ask_all = [&] {
    for (auto& answer : answers) {
      answer.reset();
      http::Request request;
      request.method = "GET";
      request.path = "/pd/api/v1/regions/check/miss-peer";
      router_.serve(std::move(request), http::Responder([&answer](http::Response told) { answer = std::move(told); }));
    }
  };
  const auto is_answered = [&] {
    return std::all_of(answers.begin(), answers.end(), [](const auto& answer) { return answer.has_value(); });
  };
  ask_all();
  // Another client that asks again as soon as it is answered.
  auto other = executors_->make("client");
  int answered = 0;
  bool asks = true;
  std::function<void()> ask_again = [&] {
    pdpb::AllocIDRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    node_->alloc_id(api::make_call<pdpb::AllocIDRequest, pdpb::AllocIDResponse>(
        request, [&](const api::Reply<pdpb::AllocIDResponse>&) {
          asks = !is_answered() && ++answered < 1000;
          if (asks) other->post(ask_again);
        }));
  };
  other->post(ask_again);
  ASSERT_TRUE(loop_.run_until([&] { return is_answered() && !asks; }, std::chrono::seconds(5)));
  EXPECT_GT(answered, 2) << "others had their turn";
  int refused = 0;
  for (const auto& answer : answers) {
    refused += answer->status == 503 ? 1 : 0;
    if (answer->status == 200) EXPECT_EQ(Json::parse(answer->body, nullptr, false)["count"], kRegions);
  }
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(get("/pd/api/v1/regions/check/miss-peer")["count"], kRegions) << "there is room again";
  ask_all();
  bool is_stopped = false;
  node_->stop([&] { is_stopped = true; });
  ASSERT_TRUE(loop_.run_until([&] { return is_answered() && is_stopped; }, std::chrono::seconds(30)));
  for (const auto& answer : answers) EXPECT_EQ(answer->status, 503);
}

TEST_F(HttpTest, OnlyTheDefaultRuleIsThereAndItsCountMayChange) {
  start_with_pages();
  bootstrap();
  const auto rule = get("/pd/api/v1/config/rule/pd/default");
  EXPECT_EQ(
      rule.dump(),
      R"({"group_id":"pd","id":"default","start_key":"","end_key":"","role":"voter","is_witness":false,"count":3})");
  EXPECT_EQ(get("/pd/api/v1/config/rules"), Json::array({rule}));
  EXPECT_EQ(get("/pd/api/v1/config/placement-rule")[0]["rules"], Json::array({rule}));
  EXPECT_EQ(get("/pd/api/v1/config/placement-rule/TiDB_DDL_1")["rules"], nullptr);
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/rule", rule.dump()).status, 200);
  EXPECT_TRUE(changed_.empty());
  auto five = rule;
  five["count"] = 5;
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/rules", Json::array({five}).dump()).status, 200);
  EXPECT_EQ(changed_, (HttpSettings::Changes{{"replication.max-replicas", "5"}}));
  auto other = rule;
  other["group_id"] = "TiDB_DDL_1";
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/rule", other.dump()).status, 400);
  const Json bundles = Json::array({{{"group_id", "TiDB_DDL_1"}, {"rules", Json::array({other})}}});
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/placement-rule?partial=true", bundles.dump()).status, 400);
  const Json empty = Json::array({{{"group_id", "TiDB_DDL_1"}, {"rules", Json::array()}}});
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/placement-rule?partial=true", empty.dump()).status, 200);
  EXPECT_EQ(ask("DELETE", "/pd/api/v1/config/rule/pd/default").status, 400);
  EXPECT_EQ(ask("DELETE", "/pd/api/v1/config/rule/TiDB_DDL_1/x").status, 200);
  for (const char* garbage : {"", "[", "7", "[7]", "{}", "[{}]", "null"}) {
    for (const char* path : {"rule", "rules", "rules/batch", "rule_group", "placement-rule", "placement-rule/x"}) {
      const auto status = ask("POST", std::string("/pd/api/v1/config/") + path, garbage).status;
      EXPECT_TRUE(status == 400 || std::string(path) == "placement-rule/x") << path << " " << garbage;
    }
  }
}

// To copy or to show what is as deep would end the process.
TEST_F(HttpTest, ABodyOfGarbageIsRefused) {
  start_with_pages();
  bootstrap();
  const size_t depth = size_t{1} << 20;
  std::string deep;
  for (size_t i = 0; i < depth / 8; ++i) deep += "{\"sets\":[";
  for (const std::string& body : {std::string(depth, '['), deep, std::string("\"\\"), std::string(1000, '\0')}) {
    for (const char* path :
         {"/pd/api/v1/config", "/pd/api/v1/config/rule", "/pd/api/v1/config/rules", "/pd/api/v1/config/placement-rule",
          "/pd/api/v1/config/region-label/rule", "/pd/api/v2/keyspaces"}) {
      EXPECT_EQ(ask("POST", path, body).status, 400) << path;
    }
    EXPECT_EQ(ask("PATCH", "/pd/api/v1/config/region-label/rules", body).status, 400);
  }
  EXPECT_TRUE(parse_body(std::string(100, '[') + std::string(100, ']')).is_array());
  EXPECT_TRUE(parse_body(std::string(101, '[') + std::string(101, ']')).is_discarded());
  EXPECT_EQ(parse_body(R"(["[[\"[["])")[0], "[[\"[[");
}

TEST_F(HttpTest, SettingsAreShownAndChangedByTheirNames) {
  start_with_pages();
  EXPECT_EQ(get("/pd/api/v1/config")["name"], "pd1");
  EXPECT_EQ(get("/pd/api/v1/config")["replication"]["max-replicas"], 3);
  EXPECT_EQ(get("/pd/api/v1/config/schedule")["max-store-down-time"], "30m0s");
  EXPECT_EQ(refusal(ask("POST", "/pd/api/v1/config", R"({"max-replicas":5})")),
            std::pair(200, std::string("The config is updated.")));
  EXPECT_EQ(changed_, (HttpSettings::Changes{{"replication.max-replicas", "5"}}));
  EXPECT_EQ(refusal(ask("POST", "/pd/api/v1/config", R"({"foo":5})")),
            std::pair(400, std::string("config item foo not found")));
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/schedule", R"({"max-replicas":5})").status, 400);
  EXPECT_EQ(ask("POST", "/pd/api/v1/config?ttlSecond=5", R"({"max-replicas":5})").status, 400);
}

TEST_F(HttpTest, KeyspacesAreMadeAndChanged) {
  start_with_pages();
  bootstrap();
  const auto made =
      Json::parse(ask("POST", "/pd/api/v2/keyspaces", R"({"name":"one","config":{"a":"1","b":"2"}})").body);
  EXPECT_EQ(made["id"], 1);
  EXPECT_EQ(made["state"], "ENABLED");
  EXPECT_EQ(made["config"].dump(), R"({"a":"1","b":"2"})");
  EXPECT_EQ(get("/pd/api/v2/keyspaces/one"), made);
  EXPECT_EQ(get("/pd/api/v2/keyspaces/id/1"), made);
  EXPECT_EQ(ask("POST", "/pd/api/v2/keyspaces", R"({"name":"one"})").status, 500);
  EXPECT_EQ(ask("PATCH", "/pd/api/v2/keyspaces/one/config", R"({"config":{"a":null,"c":"3"}})").status, 200);
  EXPECT_EQ(get("/pd/api/v2/keyspaces/one")["config"].dump(), R"({"b":"2","c":"3"})");
  EXPECT_EQ(ask("PUT", "/pd/api/v2/keyspaces/one/state", R"({"state":"disabled"})").status, 200);
  EXPECT_EQ(get("/pd/api/v2/keyspaces?limit=1")["next_page_token"], "1");
  EXPECT_EQ(get("/pd/api/v2/keyspaces?page_token=1")["keyspaces"][0]["state"], "DISABLED");
}

TEST_F(HttpTest, LabelRulesOutliveARestart) {
  start_with_pages();
  bootstrap();
  const char* rule = R"({"id":"schema/db/t","labels":[{"key":"merge_option","value":"deny"}],)"
                     R"("rule_type":"key-range","data":[{"start_key":"","end_key":""}]})";
  EXPECT_EQ(ask("POST", "/pd/api/v1/config/region-label/rule", rule).status, 200);
  EXPECT_EQ(ask("GET", "/pd/api/v1/config/region-label/rules/ids", R"(["schema/db/t","x"])").status, 200);
  EXPECT_EQ(get("/pd/api/v1/config/region-label/rule/schema%2Fdb%2Ft")["index"], 0);
  stop();
  router_ = {};
  start_with_pages();
  EXPECT_EQ(get("/pd/api/v1/config/region-label/rules").size(), 1u);
  EXPECT_EQ(ask("PATCH", "/pd/api/v1/config/region-label/rules", R"({"sets":[],"deletes":["schema/db/t"]})").status,
            200);
  EXPECT_EQ(get("/pd/api/v1/config/region-label/rules").size(), 0u);
  EXPECT_EQ(ask("DELETE", "/pd/api/v1/config/region-label/rule/x").status, 404);
}

TEST_F(HttpTest, SchedulersAreListedAddedPausedAndRemoved) {
  start_with_pages();
  bootstrap();
  const std::string path = "/pd/api/v1/schedulers";
  EXPECT_EQ(get(path).dump(), R"(["balance-leader-scheduler","balance-region-scheduler"])");
  const auto post = [&](const std::string& body) { return refusal(ask("POST", path, body)); };
  EXPECT_EQ(post(R"({"name":"evict-leader-scheduler","store_id":1})"),
            std::pair(200, std::string("The scheduler is created.")));
  EXPECT_EQ(get("/pd/api/v1/scheduler-config/evict-leader-scheduler/list").dump(),
            R"({"store-id-ranges":{"1":[{"start-key":"","end-key":""}]},"batch":3})");
  EXPECT_EQ(post(R"({"name":"evict-leader-scheduler","store_id":1})").second,
            "The scheduler has been applied to the store.");
  EXPECT_EQ(post(R"({"name":"balance-leader-scheduler"})"),
            std::pair(400, std::string("[PD:scheduler:ErrSchedulerExisted]scheduler existed")));
  EXPECT_EQ(post(R"({"name":"evict-leader-scheduler"})"), std::pair(400, std::string("missing store id")));
  EXPECT_EQ(post(R"({"name":"evict-leader-scheduler","store_id":9})").first, 400);
  EXPECT_EQ(post(R"({"name":"nonsense"})"), std::pair(400, std::string("unknown scheduler")));
  EXPECT_EQ(post(R"({"name":"random-merge-scheduler"})").first, 400) << "known, and not there";
  for (const char* garbage : {"", "[", "7", "[7]", "{}", "null", R"({"name":7})"}) EXPECT_EQ(post(garbage).first, 400);
  EXPECT_EQ(ask("POST", path + "/balance-leader-scheduler", R"({"delay":100})").status, 200);
  EXPECT_EQ(get(path + "?status=paused").dump(), R"(["balance-leader-scheduler"])");
  EXPECT_EQ(ask("POST", path + "/all", R"({"delay":0})").status, 200);
  EXPECT_EQ(get(path + "?status=paused").size(), 0u);
  EXPECT_EQ(ask("DELETE", path + "/balance-region-scheduler").status, 200);
  EXPECT_EQ(refusal(ask("DELETE", path + "/balance-region-scheduler")),
            std::pair(404, std::string("[PD:scheduler:ErrSchedulerNotFound]scheduler not found")));
  stop();
  router_ = {};
  start_with_pages();
  EXPECT_EQ(get(path).dump(), R"(["balance-leader-scheduler","evict-leader-scheduler"])") << "it outlives a restart";
  EXPECT_EQ(ask("DELETE", path + "/evict-leader-scheduler-1").status, 200);
  EXPECT_EQ(get(path).dump(), R"(["balance-leader-scheduler"])") << "without a store it goes";
}

TEST_F(HttpTest, OperatorsAreAskedForShownAndCancelled) {
  start_with_pages();
  bootstrap();
  put_store(store(2));
  open_stream();
  ASSERT_EQ(ask("POST", "/pd/api/v1/checker/replica", R"({"delay":1000})").status, 200);
  next_id();  // there are some
  EXPECT_EQ(get("/pd/api/v1/checker/replica").dump(), R"({"paused":true})");
  EXPECT_EQ(ask("GET", "/pd/api/v1/checker/nonsense").status, 500);
  report(first_region());
  loop_.run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(get("/pd/api/v1/operators").size(), 0u);
  const std::string path = "/pd/api/v1/operators";
  const auto post = [&](const std::string& body) { return refusal(ask("POST", path, body)); };
  EXPECT_EQ(post(R"({"name":"add-peer","region_id":100,"store_id":2})"),
            std::pair(200, std::string("The operator is created.")));
  EXPECT_EQ(post(R"({"name":"add-peer","region_id":100,"store_id":2})").second,
            "[PD:operator:ErrAddOperator]failed to add operator, maybe already have one");
  EXPECT_EQ(post(R"({"name":"add-peer","region_id":9,"store_id":2})").second,
            "[PD:region:ErrRegionNotFound]region 9 not found");
  EXPECT_EQ(post(R"({"name":"transfer-leader","region_id":100,"to_store_id":2})").second,
            "region has no voter in store 2");
  for (const char* garbage : {"", "[", "7", "[7]", "{}", "null", R"({"name":7})", R"({"name":"x","region_id":100})"}) {
    EXPECT_EQ(post(garbage).first, 400) << garbage;
  }
  EXPECT_EQ(get(path + "?object")[0]["desc"], "admin-add-peer");
  EXPECT_EQ(get(path + "?kind=admin").size(), 1u);
  EXPECT_EQ(get(path + "?kind=leader").size(), 0u);
  EXPECT_TRUE(get(path + "/100").get<std::string>().starts_with("status: RUNNING, operator: admin-add-peer"));
  EXPECT_EQ(ask("DELETE", path + "/100").status, 200);
  EXPECT_EQ(refusal(ask("DELETE", path + "/100")),
            std::pair(500, std::string("[PD:operator:ErrOperatorNotFound]operator not found")));
  EXPECT_TRUE(get(path + "/100").get<std::string>().starts_with("status: CANCEL"));
  EXPECT_EQ(get(path + "/records").size(), 1u);
}

TEST_F(HttpTest, StoresHaveLimitsAndWeights) {
  start_with_pages();
  bootstrap();
  EXPECT_EQ(get("/pd/api/v1/stores/limit").dump(), R"({"1":{"add-peer":15.0,"remove-peer":15.0}})");
  EXPECT_EQ(ask("POST", "/pd/api/v1/store/1/limit", R"({"rate":20,"type":"add-peer"})").status, 200);
  EXPECT_EQ(ask("POST", "/pd/api/v1/store/1/limit", R"({"rate":0})").status, 400);
  EXPECT_EQ(ask("POST", "/pd/api/v1/store/9/limit", R"({"rate":20})").status, 500);
  EXPECT_EQ(ask("POST", "/pd/api/v1/store/1/weight", R"({"leader":2,"region":0.5})").status, 200);
  EXPECT_EQ(ask("POST", "/pd/api/v1/store/1/weight", R"({"leader":2})").status, 400);
  stop();
  router_ = {};
  start_with_pages();
  EXPECT_EQ(get("/pd/api/v1/stores/limit").dump(), R"({"1":{"add-peer":20.0,"remove-peer":15.0}})");
  EXPECT_EQ(ask("POST", "/pd/api/v1/stores/limit", R"({"rate":30})").status, 200);
  EXPECT_EQ(changed_, (HttpSettings::Changes{{"schedule.default-store-limit.add-peer", "30"},
                                             {"schedule.default-store-limit.remove-peer", "30"}}));
}

TEST_F(HttpTest, GcSafePointsAreInTermsOfServices) {
  start_with_pages();
  bootstrap();
  pdpb::UpdateServiceGCSafePointRequest service;
  service.set_service_id("br");
  service.set_safe_point(50);
  service.set_ttl(1000);
  call<pdpb::UpdateServiceGCSafePointResponse>(service, &Node::update_service_gc_safe_point);
  auto shown = get("/pd/api/v1/gc/safepoint");
  EXPECT_EQ(shown["service_gc_safe_points"].size(), 2u);
  EXPECT_EQ(shown["service_gc_safe_points"][0]["service_id"], "br");
  EXPECT_EQ(shown["gc_safe_point"], 0);
  EXPECT_EQ(ask("DELETE", "/pd/api/v1/gc/safepoint/br").status, 200);
  EXPECT_EQ(get("/pd/api/v1/gc/safepoint")["service_gc_safe_points"].size(), 1u);
}

}  // namespace
}  // namespace cairn::pd
