// The lists of one dnsbl check, and the questions to them.
//
// Every search keeps the panel, so that a question may outlive the check that asked it.
#ifndef GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP
#define GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP

#include <algorithm>
#include <asio/awaitable.hpp>
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
#include "checks/detail/lookups.hpp"
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

inline dnsbl_hit make_hit(const dnsbl_entry& e, const dnsbl_question& q, const dnsbl_reading& r) {
  return {e.list.shown_name(), q.subject, q.what, r.code, r.weight, e.list.allow, {}};
}

// One list.
class dnsbl_list_search {
 public:
  dnsbl_list_search(std::shared_ptr<dnsbl_panel> panel, dnsbl_entry& e, dnsbl_question q)
      : panel_(std::move(panel)),
        entry_(&e),
        question_(std::move(q)),
        name_(question_.labels + '.' + e.list.zone) {}

  // Not called again once it has given something.
  std::optional<dnsbl_answer> operator()(lookups& dns) {
    if (!read_) {
      const auto* addresses = dns.a(name_);
      if (addresses == nullptr) return std::nullopt;
      if (!take(*addresses, dns.late())) return dnsbl_answer();
      if (!hit_) return dnsbl_answer(std::nullopt);
    }
    // Only who may be refused is told why.
    if (hit_->weight > 0 && !hit_->allow) {
      const auto* texts = dns.txt(name_);
      if (texts == nullptr) return std::nullopt;
      // RFC 5782 §2.1: in the list's own words; it may not say.
      if (texts->has_records())
        hit_->reason = dnsbl_reason(texts->records().front(), panel_->options().reason);
    }
    return dnsbl_answer(std::move(hit_));
  }

 private:
  // Whether it is an answer.
  bool take(const smtp::dns::answer<smtp::ip_address>& addresses, bool late) {
    read_ = true;
    if (!addresses.is_definite()) {
      panel_->no_answer(*entry_, late ? "too slow" : addresses.reason());
      return false;
    }
    const dnsbl_reading read = entry_->reader.read(addresses.records());
    if (!panel_->take(*entry_, read)) return false;
    if (read.meaning == dnsbl_meaning::listed) hit_ = make_hit(*entry_, question_, read);
    return true;
  }

  std::shared_ptr<dnsbl_panel> panel_;
  dnsbl_entry* entry_;  // of the panel
  dnsbl_question question_;
  std::string name_;
  bool read_ = false;
  std::optional<dnsbl_hit> hit_;
};

// All lists that want to know of it, at once.
class dnsbl_search {
 public:
  dnsbl_search(const std::shared_ptr<dnsbl_panel>& panel, const dnsbl_question& q) {
    for (dnsbl_entry& e : panel->entries()) {
      if (!dnsbl_panel::asks(e, q.subject)) continue;
      if (q.labels.size() + 1 + e.list.zone.size() > max_dns_name) continue;
      ++found_.asked;
      if (panel->may_ask(e)) lists_.push_back({dnsbl_list_search(panel, e, q), std::nullopt});
    }
  }

  std::optional<dnsbl_findings> operator()(lookups& dns) {
    bool all = true;
    for (list& l : lists_) {
      if (!l.answer) l.answer = l.search(dns);
      all = all && l.answer;
    }
    if (!all) return std::nullopt;
    for (list& l : lists_) {
      if (l.answer->answered) ++found_.answered;
      if (l.answer->hit) found_.hits.push_back(*std::move(l.answer->hit));
    }
    return std::move(found_);
  }

 private:
  struct list {
    dnsbl_list_search search;
    std::optional<dnsbl_answer> answer;
  };

  std::vector<list> lists_;
  dnsbl_findings found_;
};

inline errand_time deadline_of(const dnsbl_panel& panel) {
  return std::chrono::steady_clock::now() + panel.options().deadline;
}

inline std::shared_ptr<errand<dnsbl_findings>> begin_questions(
    const asio::any_io_executor& executor, const std::shared_ptr<dnsbl_panel>& panel,
    const dnsbl_question& q) {
  return begin_search<dnsbl_findings>(executor, panel->dns(), dnsbl_search(panel, q),
                                      deadline_of(*panel));
}

// About the client's name, once it is known; nothing is asked where it is not confirmed.
inline asio::awaitable<dnsbl_findings> ask_about_name(std::shared_ptr<dnsbl_panel> panel,
                                                      std::shared_ptr<errand<iprev_result>> iprev) {
  co_await iprev->wait();
  if (!iprev->result().passes()) co_return dnsbl_findings();
  const dnsbl_question question(dnsbl_subject::client_name, iprev->result().name());
  dnsbl_findings found = co_await search_for<dnsbl_findings>(
      panel->dns(), dnsbl_search(panel, question), deadline_of(*panel));
  co_return found;
}

inline std::shared_ptr<errand<dnsbl_findings>> begin_about_name(
    const asio::any_io_executor& executor, const std::shared_ptr<dnsbl_panel>& panel,
    const std::shared_ptr<errand<iprev_result>>& iprev) {
  if (!iprev->done()) return errand<dnsbl_findings>::start(executor, ask_about_name(panel, iprev));
  if (!iprev->result().passes()) return errand<dnsbl_findings>::done_with(dnsbl_findings());
  return begin_questions(executor, panel,
                         dnsbl_question(dnsbl_subject::client_name, iprev->result().name()));
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
class dnsbl_list_test {
 public:
  dnsbl_list_test(std::shared_ptr<dnsbl_panel> panel, dnsbl_entry& e)
      : panel_(std::move(panel)), entry_(&e), names_(test_entries(e)) {}

  std::optional<std::string> operator()(lookups& dns) const {
    const auto* present = dns.a(names_.present + '.' + entry_->list.zone);
    const auto* absent = dns.a(names_.absent + '.' + entry_->list.zone);
    if (present == nullptr || absent == nullptr) return std::nullopt;
    const std::string who = entry_->list.shown_name() + ": ";
    if (!present->is_definite()) return who + "does not answer";
    const auto& addresses = present->records();
    const dnsbl_meaning meaning = entry_->reader.read(addresses).meaning;
    if (meaning == dnsbl_meaning::blocked || meaning == dnsbl_meaning::odd)
      return who + "answers " + addresses.front().text() + ", so it cannot be used from here";
    if (addresses.empty())
      return who + "does not list its test entry " + names_.present + " (RFC 5782 section 5)";
    if (absent->has_records())
      return who + "lists " + names_.absent + ", which no list does (RFC 5782 section 5)";
    return std::string();
  }

 private:
  std::shared_ptr<dnsbl_panel> panel_;
  dnsbl_entry* entry_;  // of the panel
  dnsbl_test_entries names_;
};

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_DNSBL_PANEL_HPP
