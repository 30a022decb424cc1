// What is behind cares_resolver: which questions are open, who waits for them, which server is
// next. One thread.
#ifndef GATEPOST_SMTP_DNS_DETAIL_CARES_ENGINE_HPP
#define GATEPOST_SMTP_DNS_DETAIL_CARES_ENGINE_HPP

#include <absl/container/flat_hash_map.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/dns/cache.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/dns/detail/cares_channel.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::smtp::dns::detail {

// One open question, and all who wait for it. Lives as long as any of them.
struct flight {
  flight(asio::io_context& io, question q) : asked(std::move(q)), at(asked), deadline(io) {}

  question asked;
  question at;  // what the servers are asked now: `asked`, or what it is an alias of
  std::optional<open_alias> behind;  // the aliases up to there
  std::optional<any_answer> result;
  std::vector<asio::steady_timer*> waiting;
  asio::steady_timer deadline;
  std::vector<bool> gave_up;  // servers that said they cannot answer
  std::size_t turn = 0;       // counts servers, round after round
  std::uint16_t payload = 0;
  failure last = failure::unreachable;
};

// Identifiers that nobody can guess (RFC 5452 §9.2).
class random_ids {
 public:
  GATEPOST_DECL std::uint16_t next();

 private:
  std::array<std::uint16_t, 128> ids_{};
  std::size_t used_ = 128;
};

class cares_engine : public std::enable_shared_from_this<cares_engine> {
 public:
  GATEPOST_DECL cares_engine(asio::io_context& io, cares_options options);
  cares_engine(const cares_engine&) = delete;
  cares_engine& operator=(const cares_engine&) = delete;

  // What can be told at once; counted as a question only where there is an answer.
  GATEPOST_DECL std::optional<any_answer> at_hand(const question& asked);
  // The same for a question that is asked in any case, and the failure of one too many.
  GATEPOST_DECL std::optional<any_answer> told_at_once(const question& asked);
  // Joins an open question, or opens one.
  GATEPOST_DECL std::shared_ptr<flight> board(const question& asked);
  // Somebody waits for the answer to an open question, and does no longer. When the last of all has
  // gone, what is open is dropped: it would keep the io_context's run() until its deadline.
  void seated() noexcept { ++waiting_; }
  GATEPOST_DECL void left() noexcept;
  // All who wait get a failure; nothing is asked any more.
  GATEPOST_DECL void close();

  GATEPOST_DECL resolver_counters counters() const;
  std::size_t open() const { return flights_.size(); }
  const std::vector<endpoint>& servers() const { return options_.servers; }
  asio::io_context& io() { return io_; }

 private:
  struct attempt;

  // How a server is reached.
  struct path {
    std::shared_ptr<cares_channel> channel;
    std::size_t queries = 0;
  };

  static void landed(void* arg, int status, int timeouts, unsigned char* data, int size);
  void start(const std::shared_ptr<flight>& f);
  void send(const std::shared_ptr<flight>& f);
  void take(const attempt& a, int status, const std::string& message);
  void go_on(const attempt& a, open_alias open);
  void failed_with(const attempt& a, failure why);
  bool next_server(flight& f) const;
  cares_channel& channel_to(std::size_t server);
  void finish(const std::shared_ptr<flight>& f, any_answer a);
  void drop_all();

  asio::io_context& io_;
  cares_options options_;
  cache cache_;
  random_ids ids_;
  std::vector<path> paths_;                            // one for each server
  std::vector<std::weak_ptr<cares_channel>> retired_;  // live while they wait for answers
  absl::flat_hash_map<std::string, std::shared_ptr<flight>, seeded_hash, std::equal_to<>> flights_;
  std::size_t attempts_ = 0;  // that c-ares has
  std::size_t waiting_ = 0;   // coroutines, for any answer
  resolver_counters counters_;
  bool closed_ = false;
};

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_DETAIL_CARES_ENGINE_HPP
