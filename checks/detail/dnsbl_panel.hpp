// The lists of one dnsbl check, and the questions to them.
//
// Every coroutine here keeps the panel, so that a question may outlive the check that asked it.
#ifndef GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP
#define GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP

#include <algorithm>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checks/detail/errand.hpp"
#include "checks/dnsbl.hpp"
#include "checks/iprev.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::detail {

// RFC 1035 §2.3.4, as text without the final dot.
inline constexpr std::size_t max_dns_name = 253;

struct dnsbl_entry {
  dnsbl_entry(const dnsbl_options& o, dnsbl_list l)
      : list(std::move(l)), reader(list, o.blocked), breaker(o.breaker) {}

  const dnsbl_list list;
  const dnsbl_reader reader;
  circuit_breaker breaker;
  std::atomic<bool> complained = false;  // trouble was reported, and no good answer came since
  std::atomic<std::uint64_t> asked = 0;
  std::atomic<std::uint64_t> listed = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> blocked = 0;
  std::atomic<std::uint64_t> odd = 0;
  std::atomic<std::uint64_t> skipped = 0;
};

inline dnsbl_stats stats_of(const dnsbl_entry& e) {
  return {e.list.shown_name(), e.asked, e.listed,  e.failed,
          e.blocked,           e.odd,   e.skipped, e.breaker.resting()};
}

inline std::string counts_of(const dnsbl_stats& s) {
  return std::to_string(s.asked) + " asked, " + std::to_string(s.listed) + " listed, " +
         std::to_string(s.failed) + " failed, " + std::to_string(s.blocked) + " blocked, " +
         std::to_string(s.odd) + " odd, " + std::to_string(s.skipped) + " skipped";
}

class dnsbl_panel {
 public:
  dnsbl_panel(smtp::dns::resolver& dns, dnsbl_options options)
      : dns_(dns), options_(std::move(options)) {
    for (const dnsbl_list& list : options_.lists) entries_.emplace_back(options_, list);
  }

  smtp::dns::resolver& dns() const { return dns_; }
  const dnsbl_options& options() const { return options_; }
  std::deque<dnsbl_entry>& entries() { return entries_; }

  static bool asks(const dnsbl_entry& e, dnsbl_subject about) {
    const auto& all = e.list.subjects;
    return std::find(all.begin(), all.end(), about) != all.end();
  }
  bool asks(dnsbl_subject about) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [about](const dnsbl_entry& e) { return asks(e, about); });
  }

  bool may_ask(dnsbl_entry& e) const {
    const bool yes = e.breaker.may_try(options_.now());
    ++(yes ? e.asked : e.skipped);
    return yes;
  }

  void no_answer(dnsbl_entry& e, const std::string& why) const {
    ++e.failed;
    count_failure(e, why);
  }

  // Whether it is an answer.
  bool take(dnsbl_entry& e, const dnsbl_reading& r) const {
    const bool blocked = r.meaning == dnsbl_meaning::blocked;
    if (blocked || r.meaning == dnsbl_meaning::odd) {
      ++(blocked ? e.blocked : e.odd);
      if (!e.complained.exchange(true))
        say(e, "answers " + r.code.text() +
                   (blocked ? ": we may not ask it; ask by a resolver of your own, or less"
                            : ": no answer of a list; it may be gone, or the resolver lies"));
      count_failure(e, "it answers " + r.code.text());
      return false;
    }
    if (r.meaning == dnsbl_meaning::listed) ++e.listed;
    e.breaker.succeeded();
    if (e.complained.load(std::memory_order_relaxed) && e.complained.exchange(false))
      say(e, "answers again");
    return true;
  }

 private:
  void count_failure(dnsbl_entry& e, const std::string& why) const {
    if (e.breaker.failed(options_.now()) != circuit_breaker::change::rests) return;
    e.complained = true;
    say(e, std::to_string(options_.breaker.failures) + " questions in a row failed (" + why +
               "); not asked for " + std::to_string(options_.breaker.rest.count()) + " ms");
  }

  void say(const dnsbl_entry& e, const std::string& what) const {
    if (options_.observer == nullptr) return;
    const std::string text =
        e.list.shown_name() + ": " + what + " (" + counts_of(stats_of(e)) + ')';
    options_.observer->on_trouble({"check dnsbl", text, {}});
  }

  smtp::dns::resolver& dns_;
  const dnsbl_options options_;
  std::deque<dnsbl_entry> entries_;  // they cannot be moved
};

// What is asked: `labels` before the zone.
class dnsbl_question {
 public:
  explicit dnsbl_question(const smtp::ip_address& address)
      : subject(address.is_v4() ? dnsbl_subject::ipv4 : dnsbl_subject::ipv6),
        what(address.text()),
        labels(smtp::reverse_labels(address)) {}
  dnsbl_question(dnsbl_subject s, std::string name)
      : subject(s), what(std::move(name)), labels(what) {}

  dnsbl_subject subject;
  std::string what;  // as replies name it
  std::string labels;
};

// Of one list.
class dnsbl_answer {
 public:
  dnsbl_answer() = default;
  explicit dnsbl_answer(std::optional<dnsbl_hit> h) : answered(true), hit(std::move(h)) {}

  bool answered = false;
  std::optional<dnsbl_hit> hit;
};

// Of all lists.
class dnsbl_findings {
 public:
  dnsbl_findings() = default;

  std::vector<dnsbl_hit> hits;
  std::size_t asked = 0;  // those that rest are counted, too
  std::size_t answered = 0;
};

using dnsbl_addresses = smtp::dns::answer<smtp::ip_address>;
using dnsbl_texts = smtp::dns::answer<std::string>;

// Why the list has it, in the list's own words (RFC 5782 §2.1); empty: it does not say.
inline asio::awaitable<std::string> ask_reason(std::shared_ptr<dnsbl_panel> panel, std::string name,
                                               errand_time until) {
  const auto executor = co_await asio::this_coro::executor;
  const errand_ptr<dnsbl_texts> question(
      errand<dnsbl_texts>::start(executor, panel->dns().txt(std::move(name)), until));
  const bool in_time = co_await question->wait();
  if (!in_time || !question->result().has_records()) co_return std::string();
  co_return dnsbl_reason(question->result().records().front(), panel->options().reason);
}

inline dnsbl_hit make_hit(const dnsbl_entry& e, const dnsbl_question& q, const dnsbl_reading& r) {
  return {e.list.shown_name(), q.subject, q.what, r.code, r.weight, e.list.allow, {}};
}

inline asio::awaitable<dnsbl_answer> ask_list(std::shared_ptr<dnsbl_panel> panel, dnsbl_entry& e,
                                              dnsbl_question q) {
  const auto executor = co_await asio::this_coro::executor;
  const auto until = std::chrono::steady_clock::now() + panel->options().deadline;
  const std::string name = q.labels + '.' + e.list.zone;
  const errand_ptr<dnsbl_addresses> question(
      errand<dnsbl_addresses>::start(executor, panel->dns().a(name), until));
  const bool in_time = co_await question->wait();
  if (!in_time || !question->result().is_definite()) {
    panel->no_answer(e, in_time ? question->result().reason() : "too slow");
    co_return dnsbl_answer();
  }
  const dnsbl_reading read = e.reader.read(question->result().records());
  if (!panel->take(e, read)) co_return dnsbl_answer();
  if (read.meaning != dnsbl_meaning::listed) co_return dnsbl_answer(std::nullopt);
  dnsbl_hit hit = make_hit(e, q, read);
  // Only who may be refused is told why.
  if (hit.weight > 0 && !hit.allow) {
    std::string reason = co_await ask_reason(panel, name, until);
    hit.reason = std::move(reason);
  }
  co_return dnsbl_answer(std::move(hit));
}

// All lists that want to know of it, at once.
inline asio::awaitable<dnsbl_findings> ask_lists(std::shared_ptr<dnsbl_panel> panel,
                                                 dnsbl_question q) {
  const auto executor = co_await asio::this_coro::executor;
  dnsbl_findings found;
  std::vector<errand_ptr<dnsbl_answer>> asked;
  for (dnsbl_entry& e : panel->entries()) {
    if (!dnsbl_panel::asks(e, q.subject)) continue;
    if (q.labels.size() + 1 + e.list.zone.size() > max_dns_name) continue;
    ++found.asked;
    if (panel->may_ask(e))
      asked.emplace_back(errand<dnsbl_answer>::start(executor, ask_list(panel, e, q)));
  }
  for (const auto& question : asked) {
    co_await question->wait();
    const dnsbl_answer& answer = question->result();
    if (answer.answered) ++found.answered;
    if (answer.hit) found.hits.push_back(*answer.hit);
  }
  co_return found;
}

// About the client's name, once it is known; nothing is asked where it is not confirmed.
inline asio::awaitable<dnsbl_findings> ask_about_name(std::shared_ptr<dnsbl_panel> panel,
                                                      std::shared_ptr<errand<iprev_result>> iprev) {
  co_await iprev->wait();
  if (!iprev->result().passes()) co_return dnsbl_findings();
  dnsbl_question question(dnsbl_subject::client_name, iprev->result().name());
  dnsbl_findings found = co_await ask_lists(std::move(panel), std::move(question));
  co_return found;
}

// RFC 5782 §5: what every list has, and what none has, as labels before the zone.
struct dnsbl_test_entries {
  std::string present;
  std::string absent;
};

inline dnsbl_test_entries test_entries(const dnsbl_entry& e) {
  using v6 = smtp::ip_address::v6_octets;
  if (dnsbl_panel::asks(e, dnsbl_subject::ipv4)) return {"2.0.0.127", "1.0.0.127"};
  if (!dnsbl_panel::asks(e, dnsbl_subject::ipv6)) return {"test", "invalid"};
  v6 mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 2};
  std::string present = smtp::reverse_labels(smtp::ip_address(mapped));
  mapped.back() = 1;
  return {std::move(present), smtp::reverse_labels(smtp::ip_address(mapped))};
}

// What is wrong with one list; empty: nothing.
inline asio::awaitable<std::string> test_list(std::shared_ptr<dnsbl_panel> panel, dnsbl_entry& e) {
  const auto executor = co_await asio::this_coro::executor;
  const auto until = std::chrono::steady_clock::now() + panel->options().deadline;
  const dnsbl_test_entries names = test_entries(e);
  const errand_ptr<dnsbl_addresses> present(errand<dnsbl_addresses>::start(
      executor, panel->dns().a(names.present + '.' + e.list.zone), until));
  const errand_ptr<dnsbl_addresses> absent(errand<dnsbl_addresses>::start(
      executor, panel->dns().a(names.absent + '.' + e.list.zone), until));
  const bool has_answer = co_await present->wait();
  const bool has_other = co_await absent->wait();
  const std::string who = e.list.shown_name() + ": ";
  if (!has_answer || !present->result().is_definite()) co_return who + "does not answer";
  const auto& addresses = present->result().records();
  const dnsbl_meaning meaning = e.reader.read(addresses).meaning;
  if (meaning == dnsbl_meaning::blocked || meaning == dnsbl_meaning::odd)
    co_return who + "answers " + addresses.front().text() + ", so it cannot be used from here";
  if (addresses.empty())
    co_return who + "does not list its test entry " + names.present + " (RFC 5782 section 5)";
  if (has_other && absent->result().has_records())
    co_return who + "lists " + names.absent + ", which no list does (RFC 5782 section 5)";
  co_return std::string();
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP
