// Asks lists of the DNS (RFC 5782) about the client's address, its names, and the sender's domain.
//
//     checks::dnsbl_options options;
//     options.lists.push_back({.zone = "bl.example.test"});
//     options.lists.push_back({.zone = "wl.example.test", .weight = -2});
//     lookups.add<checks::dnsbl>({.deadline = 5s, .on_error = on_error::skip}, resolver, options);
//
// All lists are asked at the same time, and as early as their question is known: about the address
// at connect, about the HELO name at HELO, about the rest at MAIL. It speaks at MAIL, when it is
// known whether the client has authenticated, or at the end of the header, where one of our own
// servers stands between (true_client.hpp). The weights of the lists that have it add up to a
// score; from `refuse` on the reply is 550 5.7.1, with the name of the heaviest list and the reason
// that it gives. Less goes to the chain as points. Leaves a `dnsbl_result` in transaction_notes().
//
// A list that does not answer costs no more than `deadline`, and after some failures nothing: it is
// not asked for a while. So is one that tells us not to ask, or gives answers that no list gives:
// that is reported to the observer, and never counts as listed. The observer hears when a list
// begins to rest and when it answers again, with the list's counts. Thread-safe as far as the
// resolver is.
#ifndef GATEPOST_CHECKS_DNSBL_HPP
#define GATEPOST_CHECKS_DNSBL_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/check.hpp"
#include "checks/circuit_breaker.hpp"
#include "checks/dnsbl_list.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"
#include "smtp/observer.hpp"

namespace gatepost::checks {

struct dnsbl_options {
  std::vector<dnsbl_list> lists = {};

  // The sum of weights from which on the client is refused; nothing: never. One list with the
  // default weight is enough.
  std::optional<double> refuse = 1.0;

  // Codes of all lists that mean that we may not ask.
  std::vector<std::string> blocked = default_blocked_codes();

  // For one list, its reason included. A resolver asks again after one to two seconds.
  std::chrono::milliseconds deadline = std::chrono::seconds(3);

  // When a list is left alone.
  circuit_breaker_options breaker = {};

  // Octets of a list's reason in a reply: a sentence with a URL.
  std::size_t reason = 200;

  true_client client = true_client();

  // Is told of lists that give trouble; outlives the check. nullptr: nobody.
  smtp::observer* observer = nullptr;

  // The clock of the breaker; for tests.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

// A list has it.
struct dnsbl_hit {
  std::string list = {};  // as dnsbl_list::shown_name()
  dnsbl_subject subject = dnsbl_subject::ipv4;
  std::string what = {};  // the address or name
  smtp::ip_address code = {};
  double weight = 0;
  bool allow = false;
  std::string reason = {};  // by the list's TXT record; empty: not asked for, or none
};

struct dnsbl_result {
  std::vector<dnsbl_hit> hits = {};  // in the order of the lists
  double score = 0;
  bool allowed = false;  // by a list with `allow`
};

// What came of the questions to one list.
struct dnsbl_stats {
  std::string list = {};
  std::uint64_t asked = 0;
  std::uint64_t listed = 0;
  std::uint64_t failed = 0;   // no answer
  std::uint64_t blocked = 0;  // "you may not ask"
  std::uint64_t odd = 0;      // outside of 127.0.0.0/8
  std::uint64_t skipped = 0;  // not asked, since the list rests
  bool resting = false;
};

// "bl.example: 12 asked, 3 listed, 1 failed, 0 blocked, 0 odd, 2 skipped; rests"
GATEPOST_DECL std::string to_string(const dnsbl_stats& s);

namespace detail {
class dnsbl_panel;
}

class dnsbl final : public check {
 public:
  // The resolver outlives the sessions, and the I/O threads' work for them. Throws
  // std::invalid_argument where a list or a code cannot be read: see problem_of().
  GATEPOST_DECL explicit dnsbl(smtp::dns::resolver& dns, dnsbl_options options);
  GATEPOST_DECL ~dnsbl() override;

  std::string_view name() const override { return "dnsbl"; }
  GATEPOST_DECL bool waits(smtp::stage s) const override;
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_connect(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_helo(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;

  // By list, in their order; since the check was made. Any thread.
  GATEPOST_DECL std::vector<dnsbl_stats> stats() const;

  // Asks every list for the test entries of RFC 5782 §5, which it has to have and not to have; what
  // is wrong, as lines for people. A list that is gone often lists nobody, or everybody.
  GATEPOST_DECL asio::awaitable<std::vector<std::string>> self_check() const;

 private:
  asio::awaitable<verdict> look_at(context& ctx, seen_client who) const;
  verdict judge(const dnsbl_result& found) const;

  std::shared_ptr<detail::dnsbl_panel> panel_;  // kept by each question under way, too
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/dnsbl.ipp"
#endif

#endif  // GATEPOST_CHECKS_DNSBL_HPP
