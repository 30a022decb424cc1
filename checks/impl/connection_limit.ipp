#ifndef GATEPOST_CHECKS_IMPL_CONNECTION_LIMIT_IPP
#define GATEPOST_CHECKS_IMPL_CONNECTION_LIMIT_IPP

#include <utility>

#include "checks/connection_limit.hpp"
#include "checks/detail/bounded_table.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

// What is known of one network.
struct connection_count {
  std::uint32_t open = 0;
  meter rate;

  bool idle(table_time now) const { return open == 0 && rate.empty(now); }
};

enum class admission { counted, not_counted, too_many, too_often };

class connection_table {
 public:
  explicit connection_table(std::size_t capacity) : counts_(capacity) {}

  admission enter(const smtp::ip_network& network, const connection_limit_options& limits) {
    const table_time now = limits.now();
    return counts_.with(network, now, admission::not_counted, [&](connection_count& c) {
      if (limits.connections != 0 && c.open >= limits.connections) return admission::too_many;
      if (limits.rate != 0 && !c.rate.take(limits.rate, limits.per, now))
        return admission::too_often;
      ++c.open;
      return admission::counted;
    });
  }

  void leave(const smtp::ip_network& network) {
    counts_.with_known(network, [](connection_count& c) { --c.open; });
  }

  std::size_t size() { return counts_.size(); }

 private:
  bounded_table<smtp::ip_network, connection_count> counts_;
};

// The session's note: it is counted until the note is destroyed.
class counted_connection {
 public:
  counted_connection() = default;
  counted_connection(std::shared_ptr<connection_table> table, const smtp::ip_network& network)
      : table_(std::move(table)), network_(network) {}
  counted_connection(const counted_connection&) = delete;
  counted_connection& operator=(counted_connection&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(network_, other.network_);
    return *this;
  }
  ~counted_connection() {
    if (table_) table_->leave(network_);
  }

 private:
  std::shared_ptr<connection_table> table_;
  smtp::ip_network network_;
};

}  // namespace detail

GATEPOST_DECL connection_limit::connection_limit(connection_limit_options options)
    : options_(std::move(options)),
      table_(std::make_shared<detail::connection_table>(options_.networks)) {}

GATEPOST_DECL asio::awaitable<verdict> connection_limit::on_connect(context& ctx) {
  static constexpr smtp::fixed_reply too_often{
      421, {4, 7, 0}, "Your network connects too often, try again later"};
  const smtp::session_facts& facts = ctx.facts();
  auto& note = ctx.notes().own<detail::counted_connection>(this);
  note = detail::counted_connection();  // XCLIENT: another client than before
  if (!facts.has_client_address() || options_.exempt.contains(facts.client.address))
    co_return verdict::pass();
  const smtp::ip_network network =
      smtp::client_network(facts.client.address, options_.v4_bits, options_.v6_bits);
  switch (table_->enter(network, options_)) {
    case detail::admission::too_many: co_return verdict::defer(smtp::replies::too_many_connections);
    case detail::admission::too_often: co_return verdict::defer(too_often);
    case detail::admission::counted: note = detail::counted_connection(table_, network); break;
    case detail::admission::not_counted: break;
  }
  co_return verdict::pass();
}

GATEPOST_DECL std::size_t connection_limit::networks() const { return table_->size(); }

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_CONNECTION_LIMIT_IPP
