#ifndef GATEPOST_ROUTING_IMPL_MEMORY_SPOOL_IPP
#define GATEPOST_ROUTING_IMPL_MEMORY_SPOOL_IPP

#include <chrono>
#include <random>
#include <utility>
#include <vector>

#include "routing/memory_spool.hpp"

namespace gatepost::routing {

struct memory_spool::store {
  struct entry {
    spool_message message;
    std::string text;
  };

  std::error_code commit(spool_message message, std::string text) {
    const std::lock_guard lock(mutex);
    if (error) return error;
    ++stats.commits;
    ++stats.messages;
    stats.octets += text.size();
    std::string id = message.id;
    messages.insert_or_assign(std::move(id), entry{std::move(message), std::move(text)});
    return {};
  }

  std::error_code update(const spool_message& message) {
    const std::lock_guard lock(mutex);
    if (error) return error;
    const auto found = messages.find(message.id);
    if (found == messages.end()) return smtp::errc::not_found;
    ++stats.updates;
    found->second.message = message;
    return {};
  }

  std::error_code remove(std::string_view id) {
    const std::lock_guard lock(mutex);
    if (error) return error;
    const auto found = messages.find(id);
    if (found == messages.end()) return smtp::errc::not_found;
    ++stats.removals;
    --stats.messages;
    stats.octets -= found->second.text.size();
    messages.erase(found);
    return {};
  }

  mutable std::mutex mutex;
  std::error_code error;  // what every change answers
  std::map<std::string, entry, std::less<>> messages;
  spool_stats stats;
  spool_id_source ids{std::random_device{}()};
};

class memory_spool::writer final : public spool_writer {
 public:
  explicit writer(std::shared_ptr<store> to)
      : store_(std::move(to)), id_(store_->ids.next(std::chrono::system_clock::now())) {}

  const std::string& id() const override { return id_; }
  std::uint64_t size() const override { return text_.size(); }

  asio::awaitable<std::error_code> write(std::string_view text) override {
    if (!failed_) failed_ = error();
    if (!failed_) text_.append(text);
    co_return failed_;
  }

  asio::awaitable<std::error_code> commit(const spool_message& message) override {
    if (failed_) co_return failed_;
    failed_ = smtp::errc::cancelled;
    spool_message kept = message;
    kept.id = id_;
    kept.size = text_.size();
    co_return store_->commit(std::move(kept), std::move(text_));
  }

 private:
  std::error_code error() const {
    const std::lock_guard lock(store_->mutex);
    return store_->error;
  }

  std::shared_ptr<store> store_;
  std::string id_;
  std::string text_;
  std::error_code failed_;
};

GATEPOST_DECL memory_spool::memory_spool() : store_(std::make_shared<store>()) {}

GATEPOST_DECL memory_spool::~memory_spool() { fail_with(smtp::errc::spool_failed); }

GATEPOST_DECL void memory_spool::fail_with(std::error_code error) {
  const std::lock_guard lock(store_->mutex);
  store_->error = error;
}

GATEPOST_DECL std::error_code memory_spool::available() const {
  const std::lock_guard lock(store_->mutex);
  return store_->error;
}

GATEPOST_DECL std::unique_ptr<spool_writer> memory_spool::begin() {
  return std::make_unique<writer>(store_);
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_spool::update(const spool_message& message,
                                                                    durability) {
  co_return store_->update(message);
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_spool::remove(std::string_view id,
                                                                    durability) {
  co_return store_->remove(id);
}

GATEPOST_DECL smtp::result<spool_message> memory_spool::load(std::string_view id) const {
  const std::lock_guard lock(store_->mutex);
  const auto found = store_->messages.find(id);
  if (found == store_->messages.end()) return smtp::errc::not_found;
  return found->second.message;
}

GATEPOST_DECL smtp::result<std::unique_ptr<body_reader>> memory_spool::open(
    std::string_view id) const {
  const std::lock_guard lock(store_->mutex);
  const auto found = store_->messages.find(id);
  if (found == store_->messages.end()) return smtp::errc::not_found;
  return std::unique_ptr<body_reader>(std::make_unique<memory_body>(found->second.text));
}

GATEPOST_DECL std::error_code memory_spool::for_each(const spool_visitor& visitor) const {
  std::vector<spool_message> all;
  {
    const std::lock_guard lock(store_->mutex);
    for (const auto& [id, entry] : store_->messages) all.push_back(entry.message);
  }
  for (spool_message& message : all) {
    const std::string id = message.id;
    if (!visitor(id, std::move(message))) break;
  }
  return {};
}

GATEPOST_DECL spool_stats memory_spool::stats() const {
  const std::lock_guard lock(store_->mutex);
  return store_->stats;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_MEMORY_SPOOL_IPP
