#ifndef GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP

#include <memory>
#include <optional>
#include <utility>

#include "checks/detail/lookups.hpp"
#include "checks/dkim/key_fetch.hpp"

namespace gatepost::checks::dkim {
namespace detail {

class key_search {
 public:
  explicit key_search(std::vector<std::string> names) : names_(std::move(names)) {}

  std::optional<key_answers> operator()(checks::detail::lookups& dns) const {
    key_answers all;
    bool all_here = true;
    for (const std::string& name : names_) {
      const auto* found = dns.txt(name);
      all_here = all_here && found != nullptr;
      if (all_here) all.push_back(*found);
    }
    if (!all_here) return std::nullopt;
    return all;
  }

 private:
  std::vector<std::string> names_;
};

// Shares the errand: the fetch may go meanwhile.
inline asio::awaitable<void> wait_for(std::shared_ptr<checks::detail::errand<key_answers>> work) {
  co_await work->wait();
}

}  // namespace detail

GATEPOST_DECL key_fetch::key_fetch(const asio::any_io_executor& executor,
                                   smtp::dns::resolver& resolver, std::vector<std::string> names)
    : work_(checks::detail::begin_search<key_answers>(executor, resolver,
                                                      detail::key_search(std::move(names)))) {}

GATEPOST_DECL asio::awaitable<void> key_fetch::wait() { return detail::wait_for(work_.share()); }

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP
