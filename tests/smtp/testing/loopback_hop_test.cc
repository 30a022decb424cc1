// This header stands alone.
#include "smtp/testing/loopback_hop.hpp"

#include <gtest/gtest.h>

#include <string>

#include "smtp/client.hpp"
#include "smtp/testing/run.hpp"

namespace gatepost::smtp::testing {
namespace {

using tcp = asio::ip::tcp;

std::unique_ptr<transport> connect(asio::io_context& io, std::uint16_t port) {
  tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), port});
  socket.non_blocking(true);
  return std::make_unique<socket_transport>(io, std::move(socket));
}

TEST(loopback_hop, is_a_hop_on_a_socket) {
  asio::io_context io;
  scripted_next_hop hop;
  loopback_hop listening(io, hop);
  for (int i = 1; i <= 2; ++i) {
    client_connection client{client_options()};
    EXPECT_FALSE(run(io, client.hello(connect(io, listening.port()))));
    EXPECT_EQ(listening.connections(), 1U);
    transaction t;
    t.recipients.emplace_back().forward_path = *address::from_text("b@hop.test");
    text_source text("Subject: x\r\n");
    EXPECT_EQ(run(io, client.send(t, text)).count(recipient_state::delivered), 1U);
    run(io, client.quit());
    settle(io);
    EXPECT_EQ(hop.messages.size(), static_cast<std::size_t>(i));
    EXPECT_EQ(hop.sessions, static_cast<std::size_t>(i));
  }
}

TEST(loopback_hop, goes_away) {
  asio::io_context io;
  scripted_next_hop hop;
  loopback_hop listening(io, hop);
  client_connection client{client_options()};
  EXPECT_FALSE(run(io, client.hello(connect(io, listening.port()))));
  listening.drop_connections();
  settle(io);
  EXPECT_FALSE(client.usable());
  EXPECT_EQ(listening.connections(), 0U);
  listening.go_away();
  settle(io);
  EXPECT_THROW(connect(io, listening.port()), std::system_error);
}

}  // namespace
}  // namespace gatepost::smtp::testing
