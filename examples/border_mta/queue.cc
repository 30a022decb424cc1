#include "examples/border_mta/queue.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <ostream>
#include <string_view>
#include <utility>

#include "examples/border_mta/values.hpp"
#include "smtp/errc.hpp"
#include "smtp/utf8.hpp"

namespace border_mta {

namespace routing = gatepost::routing;
using std::chrono::system_clock;

namespace {

// "3d", "2h", "12m", "5s": one unit tells enough.
std::string roughly(system_clock::duration span) {
  using namespace std::chrono;
  const auto seconds_left = std::max<std::int64_t>(0, duration_cast<seconds>(span).count());
  if (seconds_left >= 2 * 86400) return std::to_string(seconds_left / 86400) + 'd';
  if (seconds_left >= 2 * 3600) return std::to_string(seconds_left / 3600) + 'h';
  if (seconds_left >= 2 * 60) return std::to_string(seconds_left / 60) + 'm';
  return std::to_string(seconds_left) + 's';
}

std::string roughly(std::uint64_t octets) {
  constexpr std::uint64_t kib = 1024;
  if (octets >= 10 * kib * kib) return std::to_string(octets / (kib * kib)) + " MiB";
  if (octets >= 10 * kib) return std::to_string(octets / kib) + " KiB";
  return std::to_string(octets) + " B";
}

// A terminal obeys control characters, and a reply is the next hop's.
std::string printable(std::string_view text) {
  namespace smtp = gatepost::smtp;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view one = smtp::character_at(text, at);
    at += one.size();
    out.append(smtp::is_control(one) ? "?" : one);
  }
  return out;
}

std::string state_of(const routing::spool_recipient& r, system_clock::time_point now) {
  using state = routing::recipient_state;
  const std::string attempts =
      r.attempts == 0 ? "" : ", after " + std::to_string(r.attempts) + " attempts";
  switch (r.state) {
    case state::delivered: return "delivered";
    case state::failed: return "failed";
    case state::held: return "held";
    case state::pending: break;
  }
  return r.next_attempt <= now ? "due" + attempts
                               : "waits " + roughly(r.next_attempt - now) + attempts;
}

void write_message(const routing::spool_message& m, system_clock::time_point now,
                   std::ostream& out) {
  out << m.id << "  " << roughly(now - m.received_at) << "  " << roughly(m.size) << "  from <"
      << printable(m.reverse_path) << '>';
  if (m.held()) out << "  held: " << printable(m.hold_reason);
  out << '\n';
  for (const routing::spool_recipient& r : m.recipients) {
    out << "    <" << printable(r.forward_path) << ">  " << state_of(r, now);
    if (!r.last_reply.empty()) out << ": " << printable(r.last_reply);
    out << '\n';
  }
}

// Runs one change of the spool to its end.
std::error_code finish(asio::awaitable<std::error_code> change) {
  asio::io_context io(1);
  std::error_code result;
  asio::co_spawn(io, std::move(change), [&](std::exception_ptr e, std::error_code answer) {
    if (e) std::rethrow_exception(e);
    result = answer;
  });
  io.run();
  return result;
}

}  // namespace

std::error_code list_queue(const routing::spool& spool, system_clock::time_point now,
                           std::ostream& out) {
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;
  const std::error_code failed = spool.for_each(
      [&](std::string_view id, gatepost::smtp::result<routing::spool_message> message) {
        ++messages;
        if (message) {
          octets += message->size;
          write_message(*message, now, out);
        } else {
          out << id << "  cannot be read: " << std::error_code(message.error()).message() << '\n';
        }
        return true;
      });
  if (!failed)
    out << messages << (messages == 1 ? " message, " : " messages, ") << roughly(octets) << '\n';
  return failed;
}

std::error_code release_message(routing::spool& spool, const std::string& id,
                                system_clock::time_point now) {
  auto message = spool.load(id);
  if (!message) return message.error();
  message->retry(now);
  return finish(spool.update(*message, routing::durability::synced));
}

std::error_code remove_message(routing::spool& spool, const std::string& id) {
  // One that cannot be read can be removed all the same.
  const auto message = spool.load(id);
  if (!message && message.error() == gatepost::smtp::errc::not_found) return message.error();
  return finish(spool.remove(id, routing::durability::synced));
}

}  // namespace border_mta
