// What a relay is inside: the schedule, the pool of connections, and the delivery of one message.
//
// Life of a message: schedule() puts its id into waiting_; pump() takes it out when its time has
// come and begins deliver(), which loads it, groups its recipients by destination, serves the
// groups one after the other, saves what became of them and says when to try again. Where all
// places at a next hop are taken the message is parked there, out of everybody's way, until one is
// free.
//
// Everything but the post_* functions, stats(), with_domain() and trouble() runs on io's one
// thread.
#ifndef GATEPOST_ROUTING_DETAIL_RELAY_ENGINE_HPP
#define GATEPOST_ROUTING_DETAIL_RELAY_ENGINE_HPP

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "routing/detail/hop_client.hpp"
#include "routing/detail/waiter.hpp"
#include "routing/relay.hpp"
#include "smtp/client.hpp"
#include "smtp/config.hpp"
#include "smtp/detail/handler_memory.hpp"
#include "smtp/io_local.hpp"
#include "smtp/reply.hpp"
#include "smtp/socket_connector.hpp"

namespace gatepost::routing::detail {

// A connection to a next hop, in use or idle.
struct hop_connection {
  std::unique_ptr<smtp::client_connection> session;
  std::size_t messages = 0;
  smtp::time_point idle_since{};
};

// What is known of a next hop.
struct hop_state {
  std::size_t in_use = 0;   // places taken
  std::size_t talking = 0;  // of these, with a connection
  std::vector<hop_connection> idle;
  std::set<std::string> parked;  // messages that wait for a place; by id, and so the oldest first
  smtp::time_point dead_until{};
  std::string dead_because;
  // It has turned a connection away while it served this many: it has no more places until then.
  std::size_t crowd = 0;
  smtp::time_point crowded_until{};

  bool dead() const { return dead_until > std::chrono::steady_clock::now(); }
  std::size_t places(std::size_t most) const {
    return crowded_until > std::chrono::steady_clock::now() ? std::min(most, crowd) : most;
  }
};

// A delivery has a connection to the hop, as long as this lives.
class hop_talk {
 public:
  explicit hop_talk(hop_state& hop) : hop_(hop) { ++hop_.talking; }
  hop_talk(const hop_talk&) = delete;
  hop_talk& operator=(const hop_talk&) = delete;
  ~hop_talk() { --hop_.talking; }

 private:
  hop_state& hop_;
};

// One of the places at a next hop, or none: then all were taken.
class hop_place {
 public:
  hop_place(hop_state& hop, std::size_t places) : hop_(hop.in_use < places ? &hop : nullptr) {
    if (hop_ != nullptr) ++hop_->in_use;
  }
  hop_place(const hop_place&) = delete;
  hop_place& operator=(const hop_place&) = delete;
  ~hop_place() {
    if (hop_ != nullptr) --hop_->in_use;
  }
  explicit operator bool() const { return hop_ != nullptr; }

 private:
  hop_state* hop_;
};

// Recipients of a message that share a destination.
struct delivery_group {
  explicit delivery_group(route where) : where(std::move(where)) {}
  route where;
  std::vector<std::size_t> recipients;  // indices into spool_message::recipients
};

// A message that is being delivered.
struct message_at_work {
  // Lists itself in `all` as long as it lives.
  using list = std::unordered_map<std::string, message_at_work*>;

  message_at_work(spool_message m, bool forced, list& all)
      : message(std::move(m)), forced(forced), all(all) {
    all.insert_or_assign(message.id, this);
  }
  message_at_work(const message_at_work&) = delete;
  message_at_work& operator=(const message_at_work&) = delete;
  ~message_at_work() { all.erase(message.id); }

  spool_message message;
  bool forced;             // by flush(): not before its time, but now
  bool changed = false;    // it differs from what the spool has
  bool delivered = false;  // in that somebody has got it: that must not be lost
  bool parked = false;
  list& all;
};

// A message whose recipients are being released.
struct release_under_way {
  release_under_way() = default;
  std::vector<std::shared_ptr<wait_state>> askers;
  bool has_message = false;  // no delivery has it any more
};

// What ETRN names (RFC 1985 §5.1): a domain, with those below it where "@" stands before it.
struct etrn_node {
  etrn_node() = default;
  std::string domain;  // canonical
  bool with_subdomains = false;

  bool fits(const spool_message& m) const;
};

// An empty reply, or why nothing can be done for it.
GATEPOST_DECL smtp::reply read_node(std::string_view text, etrn_node& node);

struct etrn_request {
  etrn_request(etrn_node node, std::shared_ptr<wait_state> asker)
      : node(std::move(node)), asker(std::move(asker)) {}
  const etrn_node node;
  const std::shared_ptr<wait_state> asker;
  smtp::reply answer;
};

namespace etrn_replies {

inline constexpr smtp::fixed_reply not_for_you{
    459, {4, 7, 1}, "Node not allowed: you may not start delivery here"};
inline constexpr smtp::fixed_reply no_queues{
    459, {4, 7, 0}, "Node not allowed: queues have no names here"};
// RFC 1985 §8: "@com" would release mail for any address that ends with "com".
inline constexpr smtp::fixed_reply too_many_domains{
    459, {4, 7, 0}, "Node not allowed: a top-level domain is not one node"};
inline constexpr smtp::fixed_reply no_domain{501, {5, 5, 4}, "Syntax: ETRN domain or ETRN @domain"};
inline constexpr smtp::fixed_reply not_now{
    458, {4, 3, 2}, "Unable to queue messages for the node now, try again later"};

}  // namespace etrn_replies

// After a message could not be read from the spool, until it is tried again.
inline constexpr std::chrono::minutes load_wait{1};

// Where an attempt was made, for logs.
struct attempt_place {
  attempt_place(std::string_view hop, bool tls) : hop(hop), tls(tls) {}
  std::string_view hop;
  bool tls;
};

class relay_engine final : public std::enable_shared_from_this<relay_engine> {
 public:
  relay_engine(asio::io_context& io, spool& store, router& routes, relay_options options);

  std::error_code start();
  void stop(std::chrono::milliseconds at_most);
  void flush();
  // The relay is gone: nothing may refer to what its user owned.
  void abandon();
  relay_stats stats() const;

  // Any thread.
  void post_schedule(const std::string& id, spool_time when) noexcept;
  void post_forget(std::string id);
  void post_etrn(std::shared_ptr<etrn_request> request);
  void post_release(std::string id, std::shared_ptr<wait_state> asker);
  smtp::address with_domain(const smtp::address& a) const;
  bool may_relay(const smtp::session_facts& who) const {
    if (who.authenticated()) return true;
    return who.has_client_address() ? options.relay_from.contains(who.client.address)
                                    : options.relay_from_unix;
  }
  void trouble(std::string_view where, std::string_view what, std::string_view session = {}) const;

  asio::io_context& io;
  spool& store;
  router& routes;
  const relay_options options;

 private:
  // Where there was no memory to schedule a message, or to go on: looks through the spool for it
  // after a while.
  class second_look final : private smtp::io_local::ticking {
   public:
    explicit second_look(relay_engine& of);

   private:
    using clock = smtp::io_local::clock;
    void tick(clock::time_point now) override;
    relay_engine& of_;
    const spool_time missed_at_;
    const clock::time_point due_;
  };

  // --- The schedule (relay_engine.ipp) ---
  void missed() noexcept;
  template <class Work>
  void guarded(Work work) noexcept;
  void look_again_later();
  void look_again(spool_time until);
  void schedule(std::string id, spool_time when);
  void forget(const std::string& id);
  void unschedule(const std::string& id);
  spool_time horizon(spool_time now) const;
  void mind_clock(spool_time now);
  void pump();
  void pump_soon();
  void begin_delivery();
  void ended(const std::string& id, std::exception_ptr e);
  void end_if_idle();
  void arm();
  void count();

  // --- What others ask for (relay_requests.ipp) ---
  template <class Work>
  void answered(wait_state& asker, Work work) noexcept;
  void begin_release(const std::string& id, std::shared_ptr<wait_state> asker);
  void end_release(const std::string& id, std::error_code answer);
  spool_message release_at_work(message_at_work& w);
  asio::awaitable<std::error_code> note_release(spool_message m);
  std::optional<spool_time> take_over(const std::string& id);
  asio::awaitable<std::error_code> release_in_spool(std::string id, std::optional<spool_time> due);
  void begin_etrn(std::shared_ptr<etrn_request> request);
  asio::awaitable<void> start_node(std::shared_ptr<etrn_request> request);
  bool start_if_fits(const std::string& id, const etrn_node& node);
  void revive_hops(const spool_message& m);

  // --- One message (relay_delivery.ipp) ---
  asio::awaitable<void> deliver(std::string id);
  asio::awaitable<void> deliver_all(message_at_work& w);
  void cannot_load(const std::string& id, smtp::errc why);
  asio::awaitable<std::vector<delivery_group>> group_recipients(const message_at_work& w);
  asio::awaitable<route> destination_of(const spool_message& m, const spool_recipient& r);
  asio::awaitable<void> deliver_group(message_at_work& w, const delivery_group& group);
  void settle_all(message_at_work& w, const delivery_group& group, smtp::recipient_state state,
                  const smtp::reply& said, std::string_view where);
  asio::awaitable<void> deliver_to_maildir(message_at_work& w, const delivery_group& group);
  double jitter_of(std::string_view id, std::uint32_t attempts) const;
  void settle(message_at_work& w, std::size_t index, smtp::recipient_state state,
              const smtp::reply& said, const attempt_place& where);
  void put_off(const spool_message& m, spool_recipient& r);
  void wait_for_hops(message_at_work& w, const std::vector<open_recipient>& open,
                     smtp::time_point until, std::string_view hop);
  void report(const spool_message& m, const spool_recipient& r, std::string_view result,
              const attempt_place& where) const;
  asio::awaitable<void> save(message_at_work& w);
  asio::awaitable<std::error_code> write(const message_at_work& w);
  asio::awaitable<void> nap(std::chrono::milliseconds wait);

  // --- Next hops (relay_hops.ipp) ---
  asio::awaitable<void> deliver_to_hops(message_at_work& w, const delivery_group& group);
  void park(message_at_work& w, const std::string& key);
  enum class hop_visit : std::uint8_t {
    made,
    dropped,  // the hop closed the connection when it was told the recipients
    unreachable,
    crowded,
  };
  asio::awaitable<hop_visit> deliver_by(message_at_work& w, std::vector<open_recipient>& open,
                                        const next_hop& hop, const std::string& key);
  asio::awaitable<hop_visit> deliver_part(message_at_work& w, std::vector<open_recipient>& open,
                                          const next_hop& hop, const std::string& key);
  asio::awaitable<smtp::transaction_outcome> send(const spool_message& m, hop_connection& c,
                                                  const std::vector<open_recipient>& to);
  asio::awaitable<std::error_code> fit(const spool_message& m, smtp::transaction& t);
  asio::awaitable<std::error_code> send_text(const spool_message& m, smtp::transaction& t,
                                             hop_connection& c, smtp::transaction_outcome& outcome);
  smtp::transaction transaction_for(const spool_message& m,
                                    const std::vector<open_recipient>& to) const;

  // --- Connections (relay_pool.ipp) ---
  hop_connection take_idle(const std::string& key);
  void give_back(const std::string& key, hop_connection c);
  void part_with(std::unique_ptr<smtp::client_connection> session);
  bool mark_dead(const std::string& key, const std::string& why);
  void unpark();
  void close_idle(bool all);

  connections_at_work at_work_;
  smtp::observer silent_;
  smtp::observer& observer_;
  smtp::socket_connector connector_;
  const hop_client us_;
  asio::thread_pool files_{1};  // waits for the disk, for Maildirs
  asio::steady_timer alarm_;
  asio::steady_timer end_;
  const std::uint64_t seed_ = std::random_device{}();  // of the jitter

  std::set<std::pair<spool_time, std::string>> waiting_;
  std::unordered_map<std::string, spool_time> when_;  // of each message in waiting_
  std::unordered_set<std::string> active_;            // being delivered, or released
  message_at_work::list delivering_;
  std::unordered_map<std::string, release_under_way> releases_;
  std::unordered_set<std::string> parked_;             // neither waiting nor active
  std::unordered_map<std::string, spool_time> again_;  // to be scheduled when it is no more active
  std::unordered_set<std::string> forced_;             // see message_at_work::forced
  std::unordered_set<asio::steady_timer*> naps_;
  std::map<std::string, hop_state> hops_;  // an entry stays where it is while it is in use
  std::size_t partings_ = 0;               // connections that say goodbye
  bool etrn_under_way_ = false;
  bool stopping_ = false;
  bool pump_posted_ = false;
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> missed_{false};  // second_look_ is to be
  std::optional<second_look> second_look_;
  bool missed_more_ = false;                    // since that one was begun
  smtp::detail::handler_memory missed_memory_;  // of what says so
  smtp::detail::handler_memory pump_memory_;    // of what pump_soon() posts

  struct counters {
    std::atomic<std::uint64_t> queued{0};
    std::atomic<std::uint64_t> active{0};
    std::atomic<std::uint64_t> delivered{0};
    std::atomic<std::uint64_t> deferred{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> connections{0};
  } counters_;
};

}  // namespace gatepost::routing::detail

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/relay_engine.ipp"
#endif

#endif  // GATEPOST_ROUTING_DETAIL_RELAY_ENGINE_HPP
