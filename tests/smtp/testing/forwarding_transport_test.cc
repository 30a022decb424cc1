// This header stands alone.
#include "smtp/testing/forwarding_transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <span>
#include <string_view>

#include "smtp/testing/memory_transport.hpp"
#include "smtp/testing/virtual_clock.hpp"

namespace gatepost::smtp::testing {
namespace {

// Hears nothing of the first octets.
class late final : public forwarding_transport {
 public:
  late(transport& to, std::size_t octets) : forwarding_transport(to), unheard_(octets) {}
  io_result try_read(std::span<char> into) override {
    io_result r = forwarding_transport::try_read(into.first(std::min(into.size(), unheard_)));
    unheard_ -= r.octets;
    return unheard_ > 0 ? r : forwarding_transport::try_read(into);
  }

 private:
  std::size_t unheard_;
};

TEST(forwarding_transport, changes_what_is_overridden) {
  asio::io_context io{1};
  virtual_clock clock;
  memory_connection connection(io.get_executor(), clock);
  late client(connection.client(), 4);
  connection.server().try_write("220 hello");
  std::array<char, 20> room;
  const io_result r = client.try_read(room);
  EXPECT_EQ(std::string_view(room.data(), r.octets), "hello");
}

TEST(forwarding_transport, hands_on_the_rest) {
  asio::io_context io{1};
  virtual_clock clock;
  memory_connection connection(io.get_executor(), clock);
  forwarding_transport client(connection.client());
  EXPECT_EQ(client.try_write("EHLO a").octets, 6u);
  EXPECT_EQ(connection.server().read_all(), "EHLO a");
  EXPECT_EQ(client.now(), clock.now());
  EXPECT_EQ(client.tls(), nullptr);
  client.close();
  EXPECT_FALSE(connection.client().is_open());
}

}  // namespace
}  // namespace gatepost::smtp::testing
