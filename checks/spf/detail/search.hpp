// An evaluation that asks for what it needs: see checks/detail/lookups.hpp.
#ifndef GATEPOST_CHECKS_SPF_DETAIL_SEARCH_HPP
#define GATEPOST_CHECKS_SPF_DETAIL_SEARCH_HPP

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "checks/detail/lookups.hpp"
#include "checks/spf/evaluate.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/dns/message.hpp"

namespace gatepost::checks::spf::detail {

inline smtp::dns::record_type dns_type(record_type t) {
  switch (t) {
    case record_type::txt: return smtp::dns::record_type::txt;
    case record_type::a: return smtp::dns::record_type::a;
    case record_type::aaaa: return smtp::dns::record_type::aaaa;
    case record_type::mx: return smtp::dns::record_type::mx;
    case record_type::ptr: break;
  }
  return smtp::dns::record_type::ptr;
}

class search {
 public:
  search(query q, const evaluation_options& options)
      : work_(std::make_unique<evaluation>(std::move(q), options)) {}

  std::optional<outcome> operator()(checks::detail::lookups& dns) {
    if (dns.late()) work_->give_up("the DNS did not answer in time");
    while (!work_->done()) {
      if (!all_here(dns)) return std::nullopt;
      tell(dns);
    }
    return std::move(*work_).outcome();
  }

 private:
  static const smtp::dns::any_answer* find(checks::detail::lookups& dns, const question& q) {
    return dns.find(dns_type(q.type), q.name, q.address.unmapped());
  }

  // Asks for all that is wanted now.
  bool all_here(checks::detail::lookups& dns) {
    bool all = true;
    for (const question& q : work_->questions()) all = find(dns, q) != nullptr && all;
    return all;
  }

  // The questions, and their names, are good until the last one is answered.
  void tell(checks::detail::lookups& dns) {
    const std::size_t questions = work_->questions().size();
    for (std::size_t i = 0; i < questions; ++i) {
      const question& q = work_->questions()[i];
      const auto take = [&](const auto& said) {
        using answer = std::decay_t<decltype(said)>;
        if constexpr (!std::is_same_v<answer, smtp::dns::answer<smtp::dns::tlsa_record>>)
          work_->answer(i, said);
      };
      std::visit(take, *find(dns, q));
    }
  }

  std::unique_ptr<evaluation> work_;  // cannot be moved
};

}  // namespace gatepost::checks::spf::detail

#endif  // GATEPOST_CHECKS_SPF_DETAIL_SEARCH_HPP
