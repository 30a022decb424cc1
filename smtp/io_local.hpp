// What the connections of one I/O thread share: a clock tick, a scratch buffer, a pool of read buffers.
//
// One per asio::io_context, made at the first use and destroyed with it. gatepost's rule is one thread per
// io_context; nothing here is locked.
#ifndef GATEPOST_SMTP_IO_LOCAL_HPP
#define GATEPOST_SMTP_IO_LOCAL_HPP

#include <array>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "smtp/config.hpp"
#include "smtp/input_buffer.hpp"

namespace gatepost::smtp {

class io_local final : public asio::execution_context::service {
 public:
  using clock = std::chrono::steady_clock;

  // Deadlines are met within this: none of SMTP's is finer, and one timer per thread costs nothing.
  static constexpr std::chrono::milliseconds tick_length{100};

  // A TLS record with its overhead, and room to read ahead.
  static constexpr std::size_t scratch_size = 32u << 10;

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
  std::array<char, scratch_size>& scratch() { return *scratch_; }

 private:
  GATEPOST_DECL void shutdown() override;
  GATEPOST_DECL void add(ticking& t);
  GATEPOST_DECL void remove(ticking& t);
  GATEPOST_DECL void arm();
  GATEPOST_DECL void tick_all();

  buffer_pool buffers_;
  std::unique_ptr<std::array<char, scratch_size>> scratch_;
  std::unique_ptr<asio::steady_timer> timer_;
  ticking* first_ = nullptr;
  ticking* next_ = nullptr;  // the one that tick_all() comes to next
  bool armed_ = false;
};

inline asio::execution_context::id io_local::id;

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/io_local.ipp"
#endif

#endif  // GATEPOST_SMTP_IO_LOCAL_HPP
