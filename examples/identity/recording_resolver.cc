#include "examples/identity/recording_resolver.hpp"

namespace identity {

namespace dns = gatepost::smtp::dns;

namespace {

std::string text_of(const gatepost::smtp::ip_address& r) { return r.text(); }
std::string text_of(const std::string& r) { return r; }
std::string text_of(const dns::mx_record& r) {
  return std::to_string(r.preference) + ' ' + (r.exchange.empty() ? "." : r.exchange);
}
std::string text_of(const dns::tlsa_record& r) {
  return std::to_string(r.usage) + ' ' + std::to_string(r.selector) + ' ' +
         std::to_string(r.matching);
}

template <class Record>
std::string rcode_of(const dns::answer<Record>& said) {
  switch (said.status()) {
    case dns::status::found:
    case dns::status::no_data: return "NOERROR";
    case dns::status::no_such_name: return "NXDOMAIN";
    case dns::status::temporary_failure: break;
  }
  return said.failure() == dns::failure::timeout ? "TIMEOUT" : said.reason();
}

using steps = std::shared_ptr<std::vector<dns_step>>;

template <class Record>
asio::awaitable<dns::answer<Record>> recorded(steps to, std::string name, std::string_view type,
                                              asio::awaitable<dns::answer<Record>> asked) {
  dns::answer<Record> said = co_await std::move(asked);
  dns_step step{std::move(name), type, rcode_of(said), {}};
  for (const Record& r : said.records()) step.records.push_back(text_of(r));
  to->push_back(std::move(step));
  co_return said;
}

}  // namespace

asio::awaitable<dns::answer<gatepost::smtp::ip_address>> recording_resolver::a(std::string name) {
  return recorded(steps_, name, "A", inner_.a(name));
}

asio::awaitable<dns::answer<gatepost::smtp::ip_address>> recording_resolver::aaaa(
    std::string name) {
  return recorded(steps_, name, "AAAA", inner_.aaaa(name));
}

asio::awaitable<dns::answer<dns::mx_record>> recording_resolver::mx(std::string name) {
  return recorded(steps_, name, "MX", inner_.mx(name));
}

asio::awaitable<dns::answer<std::string>> recording_resolver::txt(std::string name) {
  return recorded(steps_, name, "TXT", inner_.txt(name));
}

asio::awaitable<dns::answer<std::string>> recording_resolver::ptr(ip_address address) {
  return recorded(steps_, reverse_name(address), "PTR", inner_.ptr(address));
}

asio::awaitable<dns::answer<dns::tlsa_record>> recording_resolver::tlsa(std::string name) {
  return recorded(steps_, name, "TLSA", inner_.tlsa(name));
}

}  // namespace identity
