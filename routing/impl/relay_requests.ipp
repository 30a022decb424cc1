// What is asked of a relay that is at work.
#ifndef GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <exception>
#include <optional>

#include "routing/detail/relay_engine.hpp"

namespace gatepost::routing::detail {

// --- Release -------------------------------------------------------------------------------------

GATEPOST_DECL void relay_engine::post_release(std::string id, std::shared_ptr<wait_state> asker) {
  asio::post(io, [self = shared_from_this(), id = std::move(id), asker = std::move(asker)] {
    self->begin_release(id, asker);
  });
}

GATEPOST_DECL void relay_engine::begin_release(const std::string& id,
                                               std::shared_ptr<wait_state> asker) {
  // Whoever asks for one that is under way gets the same answer.
  if (const auto other = releases_.find(id); other != releases_.end())
    return other->second.askers.push_back(std::move(asker));
  const auto w = delivering_.find(id);
  const bool at_work = w != delivering_.end();
  // Its delivery begins in a moment, or has just ended.
  if (!at_work && active_.contains(id)) return post_release(id, std::move(asker));
  release_under_way& fresh = releases_[id];
  fresh.askers.push_back(std::move(asker));
  fresh.has_message = !at_work;
  auto end = [self = shared_from_this(), id](std::exception_ptr e, std::error_code answer) {
    self->end_release(id, e ? smtp::errc::spool_failed : answer);
  };
  if (at_work)
    asio::co_spawn(io, note_release(release_at_work(*w->second)), std::move(end));
  else
    asio::co_spawn(io, release_in_spool(id, take_over(id)), std::move(end));
}

// The last to have the message gives it back to the schedule.
GATEPOST_DECL void relay_engine::end_release(const std::string& id, std::error_code answer) {
  const auto over = releases_.extract(id);
  for (const std::shared_ptr<wait_state>& asker : over.mapped().askers) asker->finish(answer);
  if (over.mapped().has_message) ended(id, nullptr);
}

// A delivery will write what it knows over what the spool says: it has to know. What is to be
// noted, which is a copy, because the delivery may end first.
GATEPOST_DECL spool_message relay_engine::release_at_work(message_at_work& w) {
  if (w.message.held()) {
    const spool_time now = std::chrono::system_clock::now();
    w.message.release(now);
    w.changed = true;
    again_[w.message.id] = now;
  }
  return w.message;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::note_release(spool_message m) {
  const std::error_code failed = co_await store.update(m, durability::synced);
  co_return failed;
}

// Nobody delivers it meanwhile, and writes over what the other has written. When it was due.
GATEPOST_DECL std::optional<spool_time> relay_engine::take_over(const std::string& id) {
  std::optional<spool_time> due;
  if (const auto waits = when_.find(id); waits != when_.end()) due = waits->second;
  unschedule(id);
  active_.insert(id);
  count();
  return due;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::release_in_spool(
    std::string id, std::optional<spool_time> due) {
  if (due) again_.try_emplace(id, *due);
  smtp::result<spool_message> m = store.load(id);
  if (!m) co_return m.error();
  if (!m->held()) co_return std::error_code{};
  const spool_time now = std::chrono::system_clock::now();
  m->release(now);
  const std::error_code failed = co_await store.update(*m, durability::synced);
  if (!failed) again_[id] = now;
  co_return failed;
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP
