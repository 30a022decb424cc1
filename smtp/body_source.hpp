// Where a client gets the text of a message from, piece by piece.
#ifndef GATEPOST_SMTP_BODY_SOURCE_HPP
#define GATEPOST_SMTP_BODY_SOURCE_HPP

#include <asio/awaitable.hpp>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

class body_source {
 public:
  virtual ~body_source() = default;

  // The next octets, good until the following call; empty at the end, and at every call after it.
  // An error: the rest cannot be had, and the message is given up.
  virtual asio::awaitable<result<std::string_view>> next() = 0;
};

// A message that lies in memory, and outlives this.
class text_source final : public body_source {
 public:
  explicit text_source(std::string_view text) : text_(text) {}
  asio::awaitable<result<std::string_view>> next() override {
    co_return result<std::string_view>(std::exchange(text_, std::string_view()));
  }

 private:
  std::string_view text_;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_BODY_SOURCE_HPP
