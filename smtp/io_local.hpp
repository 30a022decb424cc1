// What the connections of one I/O thread share: a clock tick, a poller, a scratch buffer, a pool of
// read buffers, and a place for sockets that are closed on our side only.
//
// One per asio::io_context, made at the first use and destroyed with it. gatepost's rule is one
// thread per io_context; nothing here is locked.
#ifndef GATEPOST_SMTP_IO_LOCAL_HPP
#define GATEPOST_SMTP_IO_LOCAL_HPP

#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/detail/handler_memory.hpp"
#include "smtp/input_buffer.hpp"
#include "smtp/poller.hpp"

namespace gatepost::smtp {

class io_local final : public asio::execution_context::service {
 public:
  using clock = std::chrono::steady_clock;

  // Deadlines are met within this: none of SMTP's is finer, and one timer per thread costs nothing.
  static constexpr std::chrono::milliseconds tick_length{100};

  // A TLS record with its overhead, and room to read ahead.
  static constexpr std::size_t scratch_size = 32u << 10;

  // How long a socket lingers: several round trips of a slow line.
  static constexpr std::chrono::seconds linger_time{2};

  // Sockets that linger at a time; more are closed at once. A flood must not hold our descriptors.
  static constexpr std::size_t most_lingering = 512;

  // Reads in one tick of one lingering socket, and of all: a few milliseconds at most.
  static constexpr int linger_reads = 16;
  static constexpr int all_linger_reads = 256;

  // Something that looks at the clock now and then. Registered while it lives.
  class ticking {
   public:
    explicit ticking(io_local& home) : home_(home) { home_.add(*this); }
    ticking(const ticking&) = delete;
    ticking& operator=(const ticking&) = delete;
    virtual ~ticking() { home_.remove(*this); }

    // May destroy other ticking objects, and itself.
    virtual void tick(clock::time_point now) = 0;

   private:
    friend class io_local;
    io_local& home_;
    ticking* before_ = nullptr;
    ticking* after_ = nullptr;
  };

  static asio::execution_context::id id;

  GATEPOST_DECL explicit io_local(asio::execution_context& context);

  static io_local& of(asio::io_context& io) { return asio::use_service<io_local>(io); }

  buffer_pool& buffers() { return buffers_; }
  poller& sockets() { return sockets_; }
  std::array<char, scratch_size>& scratch() { return *scratch_; }

  // Takes a socket that we have nothing to send on any more, while the other end still sends: what
  // comes is thrown away until it stops, or `linger_time` is over. Closing it at once would send a
  // reset, which can take away what we said last before the other end has read it (RFC 9293
  // §3.6.1).
  GATEPOST_DECL void linger(int descriptor);

 private:
  struct lingering {
    int descriptor;
    clock::time_point until;
  };

  GATEPOST_DECL void shutdown() override;
  GATEPOST_DECL void add(ticking& t);
  GATEPOST_DECL void remove(ticking& t);
  GATEPOST_DECL void arm();
  GATEPOST_DECL void tick_all();
  GATEPOST_DECL void drain_lingering(clock::time_point now);
  GATEPOST_DECL bool drain(int descriptor, int& left);
  bool has_work() const { return first_ != nullptr || !lingering_.empty(); }

  buffer_pool buffers_;
  poller sockets_;
  std::unique_ptr<std::array<char, scratch_size>> scratch_;
  std::unique_ptr<asio::steady_timer> timer_;
  std::vector<lingering> lingering_;
  ticking* first_ = nullptr;
  ticking* next_ = nullptr;  // the one that tick_all() comes to next
  bool armed_ = false;
  detail::handler_memory tick_memory_;
};

inline asio::execution_context::id io_local::id;

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/io_local.ipp"
#endif

#endif  // GATEPOST_SMTP_IO_LOCAL_HPP
