// A resolver for tests: answers from a table, at once or when the test says so, and counts what it
// was asked.
//
//     testing::fake_resolver dns;
//     dns.add_a("mx.example.test", {"192.0.2.1"}).add_txt("example.test", {"v=spf1 -all"});
//     dns.fails("slow.example.test", "timeout");
//
// A name that no record mentions does not exist; one that has records of another type has no data.
// One thread.
#ifndef GATEPOST_SMTP_TESTING_FAKE_RESOLVER_HPP
#define GATEPOST_SMTP_TESTING_FAKE_RESOLVER_HPP

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/domain.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp::testing {

class fake_resolver final : public dns::resolver {
 public:
  // --- The table. Names in any case; the functions can be chained.
  // ---------------------------------
  fake_resolver& add_a(std::string_view name, const std::vector<std::string>& addresses) {
    return add_addresses(a_, name, addresses);
  }
  fake_resolver& add_aaaa(std::string_view name, const std::vector<std::string>& addresses) {
    return add_addresses(aaaa_, name, addresses);
  }
  fake_resolver& add_mx(std::string_view name, std::vector<dns::mx_record> records) {
    return add(mx_, name, std::move(records));
  }
  fake_resolver& add_txt(std::string_view name, std::vector<std::string> records) {
    return add(txt_, name, std::move(records));
  }
  fake_resolver& add_ptr(std::string_view address, std::vector<std::string> names) {
    return add(ptr_, reverse_name(ip(address)), std::move(names));
  }
  fake_resolver& add_tlsa(std::string_view name, std::vector<dns::tlsa_record> records) {
    return add(tlsa_, name, std::move(records));
  }
  // Every question about this name fails for now.
  fake_resolver& fails(std::string_view name, std::string reason) {
    failures_[to_lower_ascii(name)] = std::move(reason);
    return *this;
  }
  // Each answer takes this long.
  fake_resolver& delay(std::chrono::milliseconds how_long) {
    delay_ = how_long;
    return *this;
  }

  // Or is known(), as if from a cache; `yes`: from now on.
  fake_resolver& at_hand(bool yes = true) {
    at_hand_ = yes;
    return *this;
  }

  // "TXT example.test", in the order of asking; what was known(), too.
  const std::vector<std::string>& asked() const { return asked_; }
  // Questions that were asked and not answered yet.
  std::size_t open() const { return open_; }

  // --- dns::resolver -----------------------------------------------------------------------------
  asio::awaitable<dns::answer<ip_address>> a(std::string name) override {
    return look_up(a_, "A", std::move(name));
  }
  asio::awaitable<dns::answer<ip_address>> aaaa(std::string name) override {
    return look_up(aaaa_, "AAAA", std::move(name));
  }
  asio::awaitable<dns::answer<dns::mx_record>> mx(std::string name) override {
    return look_up(mx_, "MX", std::move(name));
  }
  asio::awaitable<dns::answer<std::string>> txt(std::string name) override {
    return look_up(txt_, "TXT", std::move(name));
  }
  asio::awaitable<dns::answer<std::string>> ptr(ip_address address) override {
    return look_up(ptr_, "PTR", reverse_name(address));
  }
  asio::awaitable<dns::answer<dns::tlsa_record>> tlsa(std::string name) override {
    return look_up(tlsa_, "TLSA", std::move(name));
  }
  std::optional<dns::any_answer> known(const dns::question& q) override {
    if (!at_hand_) return std::nullopt;
    const std::string name = note(to_string(q.type), q.name);
    switch (q.type) {
      case dns::record_type::a: return tell(a_, name);
      case dns::record_type::aaaa: return tell(aaaa_, name);
      case dns::record_type::mx: return tell(mx_, name);
      case dns::record_type::txt: return tell(txt_, name);
      case dns::record_type::ptr: return tell(ptr_, name);
      case dns::record_type::tlsa: return tell(tlsa_, name);
      case dns::record_type::cname: break;
    }
    return std::nullopt;
  }

 private:
  template <class Record>
  using table = std::map<std::string, std::vector<Record>>;

  static constexpr std::chrono::seconds ttl{300};

  struct counted {
    explicit counted(std::size_t& n) : n(n) { ++n; }
    ~counted() { --n; }
    std::size_t& n;
  };

  static ip_address ip(std::string_view text) {
    const auto address = parse_ip_address(text);
    if (!address) throw std::invalid_argument("not an IP address: " + std::string(text));
    return *address;
  }

  template <class Record>
  fake_resolver& add(table<Record>& to, std::string_view name, std::vector<Record> records) {
    auto& all = to[to_lower_ascii(name)];
    for (Record& r : records) all.push_back(std::move(r));
    ++names_[to_lower_ascii(name)];
    return *this;
  }

  fake_resolver& add_addresses(table<ip_address>& to, std::string_view name,
                               const std::vector<std::string>& addresses) {
    std::vector<ip_address> parsed;
    for (const std::string& text : addresses) parsed.push_back(ip(text));
    return add(to, name, std::move(parsed));
  }

  std::string note(std::string_view type, std::string_view name) {
    std::string lower = to_lower_ascii(name);
    asked_.push_back(std::string(type) + " " + lower);
    return lower;
  }

  template <class Record>
  asio::awaitable<dns::answer<Record>> look_up(const table<Record>& from, const char* type,
                                               std::string name) {
    name = note(type, name);
    const counted one(open_);
    if (delay_.count() > 0) {
      const auto executor = co_await asio::this_coro::executor;
      asio::steady_timer timer(executor, delay_);
      co_await timer.async_wait(asio::use_awaitable);
    }
    co_return tell(from, name);
  }

  template <class Record>
  dns::answer<Record> tell(const table<Record>& from, const std::string& name) const {
    if (const auto why = failures_.find(name); why != failures_.end())
      return dns::answer<Record>::temporary_failure(why->second);
    const auto records = from.find(name);
    if (records != from.end()) return dns::answer<Record>::found(records->second, ttl);
    if (names_.contains(name)) return dns::answer<Record>::no_data(ttl);
    return dns::answer<Record>::no_such_name(ttl);
  }

  table<ip_address> a_;
  table<ip_address> aaaa_;
  table<dns::mx_record> mx_;
  table<std::string> txt_;
  table<std::string> ptr_;
  table<dns::tlsa_record> tlsa_;
  std::map<std::string, int> names_;
  std::map<std::string, std::string> failures_;
  std::chrono::milliseconds delay_{0};
  bool at_hand_ = false;
  std::vector<std::string> asked_;
  std::size_t open_ = 0;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_FAKE_RESOLVER_HPP
