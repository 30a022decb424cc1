// What a search asks of the DNS, and what it was told.
//
// A search is a function that takes what is answered, in its own order, and gives nothing where an
// answer is missing. It is called once more, from its beginning, whenever another answer has come.
// So it needs no coroutine where the resolver has everything at hand, and all that it can ask for
// at the same time is asked at the same time.
//
//     std::optional<bool> takes_mail(lookups& dns, const std::string& domain) {
//       const auto* mx = dns.mx(domain);
//       if (mx == nullptr) return std::nullopt;
//       return mx->has_records();
//     }
//
// What is not answered before the deadline, or throws, is a temporary failure. One thread.
#ifndef GATEPOST_CHECKS_DETAIL_LOOKUPS_HPP
#define GATEPOST_CHECKS_DETAIL_LOOKUPS_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "checks/detail/errand.hpp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/exception_text.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::detail {

class lookups {
  using type = smtp::dns::record_type;

 public:
  template <class Record>
  using answer = smtp::dns::answer<Record>;

  // The resolver outlives all questions.
  explicit lookups(smtp::dns::resolver& dns, errand_time until = errand_time::max())
      : dns_(dns), until_(until) {}
  lookups(const lookups&) = delete;
  lookups& operator=(const lookups&) = delete;

  // --- For the search: the answer, good as long as this; nullptr where it is not there yet
  // -------------------------------------------------------------------------------------------

  const answer<smtp::ip_address>* a(std::string_view name) {
    return as<smtp::ip_address>(find(type::a, name));
  }
  const answer<smtp::ip_address>* aaaa(std::string_view name) {
    return as<smtp::ip_address>(find(type::aaaa, name));
  }
  const answer<smtp::ip_address>* of_family(smtp::ip_family family, std::string_view name) {
    return family == smtp::ip_family::v4 ? a(name) : aaaa(name);
  }
  const answer<smtp::dns::mx_record>* mx(std::string_view name) {
    return as<smtp::dns::mx_record>(find(type::mx, name));
  }
  const answer<std::string>* txt(std::string_view name) {
    return as<std::string>(find(type::txt, name));
  }
  const answer<std::string>* ptr(const smtp::ip_address& address) {
    return as<std::string>(find(type::ptr, {}, address.unmapped()));
  }
  // Any of the above; a PTR question is known by its address.
  const smtp::dns::any_answer* find(smtp::dns::record_type t, std::string_view name,
                                    const smtp::ip_address& address = {}) {
    for (const entry& e : entries_)
      if (e.asked.type == t && (t == type::ptr ? e.address == address : e.asked.name == name))
        return e.answer ? &*e.answer : nullptr;
    entry& e = entries_.emplace_back(t, name, address);
    take_known(e);
    return e.answer ? &*e.answer : nullptr;
  }

  // The deadline was over before all was answered.
  bool late() const { return late_; }

  // --- For those who run it
  // ----------------------------------------------------------------------------------

  // Runs a search that has missed an answer. Throws operation_aborted where this coroutine is
  // cancelled, and whatever the search throws; the questions are cancelled then.
  template <class T, class Search>
  static asio::awaitable<T> resume(std::shared_ptr<lookups> self, Search search) {
    const guard cancels(*self);
    std::optional<T> found;
    while (!found) {
      co_await progress(self);
      found = search(*self);
    }
    co_return *std::move(found);
  }

 private:
  using any_answer = smtp::dns::any_answer;

  struct entry {
    entry(type t, std::string_view name, const smtp::ip_address& whose) : address(whose) {
      asked.type = t;
      asked.name = t == type::ptr ? smtp::reverse_name(whose) : std::string(name);
    }

    smtp::dns::question asked;
    smtp::ip_address address;  // of PTR
    std::optional<any_answer> answer;
    asio::cancellation_signal cancel;
    bool begun = false;
    bool running = false;  // its coroutine exists, and can be cancelled
  };

  template <class Record>
  static const answer<Record>* as(const any_answer* said) {
    return said == nullptr ? nullptr : &std::get<answer<Record>>(*said);
  }

  // Whatever ends a coroutine, no question goes on as if somebody waited for it.
  class guard {
   public:
    explicit guard(lookups& l) : lookups_(l) {}
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { lookups_.cancel(); }

   private:
    lookups& lookups_;
  };

  class landing {
   public:
    explicit landing(entry& e) : entry_(e) { entry_.running = true; }
    landing(const landing&) = delete;
    landing& operator=(const landing&) = delete;
    ~landing() { entry_.running = false; }

   private:
    entry& entry_;
  };

  // The completion handler: keeps the signal alive until nothing of the coroutine is left.
  struct kept {
    std::shared_ptr<lookups> what;
    void operator()(const std::exception_ptr&) const {}  // ask() lets nothing out
  };

  // Asks what is open, and waits until there is another answer.
  static asio::awaitable<void> progress(std::shared_ptr<lookups> self) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    if (std::chrono::steady_clock::now() >= self->until_) {
      self->give_up();
      co_return;
    }
    self->ask_all(self, executor);
    if (self->fresh_) co_return;
    self->woken_->expires_at(self->until_);
    const std::error_code ended = co_await smtp::detail::wait_for(*self->woken_);
    // Nobody wants the search to go on then, whatever has come meanwhile.
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    const bool cancelled = state.cancelled() != asio::cancellation_type::none;
    if (cancelled || (ended && !self->fresh_))
      throw std::system_error(asio::error::operation_aborted);
    if (!self->fresh_) self->give_up();
  }

  void ask_all(const std::shared_ptr<lookups>& self, const asio::any_io_executor& executor) {
    if (!woken_) woken_.emplace(executor);
    fresh_ = false;
    for (entry& e : entries_) {
      if (e.answer || e.begun) continue;
      e.begun = true;
      try {
        smtp::detail::spawn(executor, ask(self, e), kept{self}, e.cancel.slot());
      } catch (...) {
        e.begun = false;
        throw;
      }
    }
  }

  static asio::awaitable<void> ask(std::shared_ptr<lookups> self, entry& e) {
    if (self->cancelled_) co_return;
    const landing at_the_end(e);
    try {
      any_answer said = co_await ask_one(self->dns_, e);
      self->take(e, std::move(said));
    } catch (...) {
      self->take(e, failed(e.asked.type, smtp::detail::exception_text()));
    }
  }

  static asio::awaitable<any_answer> ask_one(smtp::dns::resolver& dns, const entry& e) {
    if (e.asked.type == type::mx) {
      auto exchanges = co_await dns.mx(e.asked.name);
      co_return std::move(exchanges);
    }
    if (e.asked.type == type::a) {
      auto addresses = co_await dns.a(e.asked.name);
      co_return std::move(addresses);
    }
    if (e.asked.type == type::aaaa) {
      auto addresses = co_await dns.aaaa(e.asked.name);
      co_return std::move(addresses);
    }
    if (e.asked.type == type::ptr) {
      auto names = co_await dns.ptr(e.address);
      co_return std::move(names);
    }
    auto texts = co_await dns.txt(e.asked.name);
    co_return std::move(texts);
  }

  static any_answer failed(type t, const std::string& why) {
    any_answer said = smtp::dns::failed(t, smtp::dns::failure::other);
    std::visit([&](auto& a) { a = std::decay_t<decltype(a)>::temporary_failure(why); }, said);
    return said;
  }

  // A resolver that answers by another type has not answered.
  void take_known(entry& e) {
    e.answer = dns_.known(e.asked);
    any_answer none = smtp::dns::failed(e.asked.type, smtp::dns::failure::other);
    if (e.answer && e.answer->index() != none.index()) e.answer = std::move(none);
  }

  void take(entry& e, any_answer said) {
    if (e.answer) return;  // it was given up
    e.answer = std::move(said);
    fresh_ = true;
    woken_->cancel();
  }

  void give_up() {
    late_ = true;
    for (entry& e : entries_)
      if (!e.answer) e.answer = smtp::dns::failed(e.asked.type, smtp::dns::failure::timeout);
    cancel();
  }

  void cancel() {
    cancelled_ = true;
    for (entry& e : entries_)
      if (e.running) e.cancel.emit(asio::cancellation_type::all);
  }

  smtp::dns::resolver& dns_;
  errand_time until_;
  std::deque<entry> entries_;  // answers are pointed to, and a signal cannot be moved
  std::optional<asio::steady_timer> woken_;
  bool fresh_ = false;  // something was answered since somebody waits
  bool late_ = false;
  bool cancelled_ = false;
};

// Begins a search that goes on beside the session; it is done at once where all is at hand.
template <class T, class Search>
std::shared_ptr<errand<T>> begin_search(const asio::any_io_executor& executor,
                                        smtp::dns::resolver& dns, Search search,
                                        errand_time until = errand_time::max()) {
  const auto asked = std::make_shared<lookups>(dns, until);
  std::optional<T> found = search(*asked);
  if (found) return errand<T>::done_with(*std::move(found));
  return errand<T>::start(executor, lookups::resume<T>(asked, std::move(search)));
}

// What a search finds.
template <class T, class Search>
asio::awaitable<T> search_for(smtp::dns::resolver& dns, Search search,
                              errand_time until = errand_time::max()) {
  const auto asked = std::make_shared<lookups>(dns, until);
  std::optional<T> found = search(*asked);
  if (!found) {
    T later = co_await lookups::resume<T>(asked, std::move(search));
    co_return later;
  }
  co_return *std::move(found);
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_LOOKUPS_HPP
