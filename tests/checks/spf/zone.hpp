// DNS as a table, for tests of the SPF core: answers questions at once, and evaluates against
// itself.
#ifndef GATEPOST_TESTS_CHECKS_SPF_ZONE_HPP
#define GATEPOST_TESTS_CHECKS_SPF_ZONE_HPP

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/spf/evaluate.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/domain.hpp"
#include "smtp/ip.hpp"
#include "tests/support/json.hpp"

namespace gatepost::checks::spf {

namespace dns = smtp::dns;

class zone {
 public:
  zone& txt(std::string_view name, std::string text) {
    at(name).txt.push_back(std::move(text));
    return *this;
  }
  zone& address(std::string_view name, std::string_view text) {
    const auto ip = smtp::parse_ip_address(text);
    if (!ip) throw std::invalid_argument(std::string(text));
    (ip->is_v4() ? at(name).a : at(name).aaaa).push_back(*ip);
    return *this;
  }
  zone& mx(std::string_view name, unsigned preference, std::string host) {
    dns::mx_record record;
    record.preference = static_cast<std::uint16_t>(preference);
    record.exchange = std::move(host);
    at(name).mx.push_back(std::move(record));
    return *this;
  }
  // `name`: in-addr.arpa or ip6.arpa.
  zone& ptr(std::string_view name, std::string host) {
    at(name).ptr.push_back(std::move(host));
    return *this;
  }
  zone& cname(std::string_view name, std::string_view target) {
    at(name).cname = smtp::to_lower_ascii(target);
    return *this;
  }
  // Questions for types of which there is no record so far find nobody.
  zone& times_out(std::string_view name) {
    node& n = at(name);
    n.timeouts = {record_type::txt, record_type::a, record_type::aaaa, record_type::mx,
                  record_type::ptr};
    if (!n.txt.empty()) n.timeouts.erase(record_type::txt);
    if (!n.a.empty()) n.timeouts.erase(record_type::a);
    if (!n.aaaa.empty()) n.timeouts.erase(record_type::aaaa);
    if (!n.mx.empty()) n.timeouts.erase(record_type::mx);
    if (!n.ptr.empty()) n.timeouts.erase(record_type::ptr);
    return *this;
  }

  // The format of rfc7208-tests.json.
  static zone from_json(const tests::json& source) {
    zone made;
    for (const auto& [name, records] : source.object())
      for (const tests::json& record : records.array()) made.add(name, record);
    return made;
  }

  // Answers all that `e` asks, until it is done.
  void run(evaluation& e) {
    while (!e.done()) {
      const std::size_t count = e.questions().size();
      if (count == 0) throw std::logic_error("an evaluation that is not done asks for nothing");
      // The last one first: the order may not matter.
      for (std::size_t i = count; i-- > 0;) answer(e, i, question(e.questions()[i]));
    }
  }

  outcome evaluate(query q, const evaluation_options& options = {}) {
    evaluation e(std::move(q), options);
    run(e);
    return std::move(e).outcome();
  }

  // "TXT example.com", in the order of asking.
  std::vector<std::string> asked;

 private:
  struct node {
    std::vector<std::string> txt;
    std::vector<smtp::ip_address> a;
    std::vector<smtp::ip_address> aaaa;
    std::vector<dns::mx_record> mx;
    std::vector<std::string> ptr;
    std::optional<std::string> cname;
    std::set<record_type> timeouts;
  };

  static constexpr std::chrono::seconds ttl{60};
  static constexpr int longest_cname_chain = 8;

  static std::string key(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return smtp::to_lower_ascii(name);
  }
  node& at(std::string_view name) { return nodes_[key(name)]; }

  void add(const std::string& name, const tests::json& record) {
    if (const auto* rcode = record.find("rcode"); rcode != nullptr) {
      times_out(name);
      return;
    }
    const std::string& type = record["type"].string();
    const tests::json& data = record["data"];
    if (type == "TXT") txt(name, joined(data));
    if (type == "A" || type == "AAAA") address(name, data.string());
    if (type == "MX") mx(name, static_cast<unsigned>(data[0].integer()), data[1].string());
    if (type == "PTR") ptr(name, data.string());
    if (type == "CNAME") cname(name, data.string());
  }

  static std::string joined(const tests::json& data) {
    if (data.is_string()) return data.string();
    std::string all;
    for (const tests::json& piece : data.array()) all += piece.string();
    return all;
  }

  // The node that answers, or nullptr; a chain of CNAMEs that does not end has a timeout.
  const node* find(std::string name, bool& loops) const {
    for (int steps = 0; steps < longest_cname_chain; ++steps) {
      const auto found = nodes_.find(key(name));
      if (found == nodes_.end()) return nullptr;
      if (!found->second.cname) return &found->second;
      name = *found->second.cname;
    }
    loops = true;
    return nullptr;
  }

  template <class Record>
  dns::answer<Record> look_up(const spf::question& q, std::vector<Record> node::* records) const {
    bool loops = false;
    const node* n = find(std::string(q.name), loops);
    if (loops) return dns::answer<Record>::temporary_failure("CNAME loop");
    if (n == nullptr) return dns::answer<Record>::no_such_name(ttl);
    if (n->timeouts.contains(q.type)) return dns::answer<Record>::temporary_failure("timeout");
    if ((n->*records).empty()) return dns::answer<Record>::no_data(ttl);
    return dns::answer<Record>::found(n->*records, ttl);
  }

  const spf::question& question(const spf::question& q) {
    asked.push_back(std::string(to_string(q.type)) + ' ' + std::string(q.name));
    return q;
  }

  void answer(evaluation& e, std::size_t i, const spf::question& q) const {
    switch (q.type) {
      case record_type::txt: return e.answer(i, look_up(q, &node::txt));
      case record_type::a: return e.answer(i, look_up(q, &node::a));
      case record_type::aaaa: return e.answer(i, look_up(q, &node::aaaa));
      case record_type::mx: return e.answer(i, look_up(q, &node::mx));
      case record_type::ptr: return e.answer(i, look_up(q, &node::ptr));
    }
  }

  std::map<std::string, node> nodes_;
};

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_TESTS_CHECKS_SPF_ZONE_HPP
