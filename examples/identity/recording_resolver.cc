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

}  // namespace

template <class Record>
void recording_resolver::note(std::string name, std::string_view type, const answer<Record>& said) {
  dns_step step{std::move(name), type, rcode_of(said), {}};
  for (const Record& r : said.records()) step.records.push_back(text_of(r));
  steps_.push_back(std::move(step));
}

asio::awaitable<dns::answer<gatepost::smtp::ip_address>> recording_resolver::a(std::string name) {
  auto said = co_await inner_.a(name);
  note(std::move(name), "A", said);
  co_return said;
}

asio::awaitable<dns::answer<gatepost::smtp::ip_address>> recording_resolver::aaaa(
    std::string name) {
  auto said = co_await inner_.aaaa(name);
  note(std::move(name), "AAAA", said);
  co_return said;
}

asio::awaitable<dns::answer<dns::mx_record>> recording_resolver::mx(std::string name) {
  auto said = co_await inner_.mx(name);
  note(std::move(name), "MX", said);
  co_return said;
}

asio::awaitable<dns::answer<std::string>> recording_resolver::txt(std::string name) {
  auto said = co_await inner_.txt(name);
  note(std::move(name), "TXT", said);
  co_return said;
}

asio::awaitable<dns::answer<std::string>> recording_resolver::ptr(ip_address address) {
  auto said = co_await inner_.ptr(address);
  note(reverse_name(address), "PTR", said);
  co_return said;
}

asio::awaitable<dns::answer<dns::tlsa_record>> recording_resolver::tlsa(std::string name) {
  auto said = co_await inner_.tlsa(name);
  note(std::move(name), "TLSA", said);
  co_return said;
}

}  // namespace identity
